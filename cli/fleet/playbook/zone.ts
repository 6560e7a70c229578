import { isIPv6 } from 'node:net'
import type { Deployment } from '../../../lib/config/deployment/deployment.ts'
import { hostNames, serviceRecords } from './names.ts'
import { renderTemplate } from './template.ts'

/**
 * The zone file of a deployment for BIND, as the manual's DNS chapter has it.
 *
 * @param serial of the SOA record: larger at each change
 * @param nameServers addresses of the name server
 */
export function zoneFile(deployment: Deployment, serial: number, nameServers: readonly string[]): string {
  return renderTemplate('dns/db.zone', {
    deployment,
    services: serviceRecords(deployment),
    zone: {
      serial,
      nameServers: nameServers.map(withType),
      addresses: hostNames(deployment).flatMap(({ name, addresses }) =>
        addresses.map(address => ({ name, ...withType(address) })),
      ),
    },
  })
}

function withType(address: string): { readonly type: 'A' | 'AAAA'; readonly address: string } {
  return { type: isIPv6(address) ? 'AAAA' : 'A', address }
}
