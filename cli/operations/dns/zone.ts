import { isIP } from 'node:net'
import type { Deployment } from '../../../lib/config/deployment/deployment.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { zoneFile } from '../../fleet/playbook/zone.ts'

export interface ZoneOptions {
  /** Of the SOA record. Absent: the seconds since 1970, which only grow. */
  readonly serial?: number | undefined
  /** Addresses of the name server. Absent: the first node's. */
  readonly nameServers?: readonly string[] | undefined
}

export interface Zone {
  readonly domain: string
  readonly serial: number
  readonly nameServers: readonly string[]
  readonly text: string
}

/** The zone that a deployment needs, for BIND. @throws CwError OPTION_INVALID */
export function deploymentZone(deployment: Deployment, options: ZoneOptions): Zone {
  const {
    serial = Math.floor(Date.now() / 1000),
    nameServers = [deployment.nodes[0]?.address ?? '127.0.0.1'],
  } = options
  const wrong = nameServers.find(address => isIP(address) === 0)
  if (wrong !== undefined) {
    throw new CwError('OPTION_INVALID', `--name-server ${JSON.stringify(wrong)} is no IP address`, {
      changed: 'nothing',
    })
  }
  const text = zoneFile(deployment, serial, nameServers).trimEnd()
  return { domain: deployment.domain, serial, nameServers, text }
}
