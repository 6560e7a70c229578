import type { Deployment, DnsSettings } from '../../../lib/config/deployment/deployment.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { pause } from '../config/rollout.ts'
import { recordChanges, recordSets, type RecordChange } from './records.ts'
import { NameServer } from './server.ts'

/** Records as they are to be, and what that changes. */
export interface ZonePush {
  readonly zone: string
  readonly changes: readonly RecordChange[]
  /** Sends the changes, and returns once the server shows them. @throws CwError DNS_REFUSED, DNS_UNREACHABLE, INTERRUPTED */
  readonly send: (signal: AbortSignal) => Promise<void>
}

const SHOWN_WITHIN_MS = 30_000
const ASK_EVERY_MS = 300

/** @throws CwError USAGE where the deployment file names no server */
export function requireServer({ dns, file }: Deployment): DnsSettings {
  if (dns !== undefined) return dns
  throw new CwError('USAGE', 'the deployment file says of no name server that it takes records', {
    where: { file },
    changed: 'nothing',
    remedies: ['name it: dns: { server: ADDRESS, key_file: FILE }', 'put them there yourself: cw dns zone'],
  })
}

/**
 * What has to change at the deployment's name server for it to say what the deployment is.
 *
 * @throws CwError USAGE, DNS_UNREACHABLE
 */
export async function zonePush(deployment: Deployment): Promise<ZonePush> {
  const settings = requireServer(deployment)
  const { zone } = settings
  const server = new NameServer(settings)
  const wanted = recordSets(deployment, zone)
  const given = await server.given()
  const known = [...wanted, ...given.filter(each => !wanted.some(({ name, type }) => name === each.name && type === each.type))] // prettier-ignore
  const changes = recordChanges(wanted, await server.sets(known))
  const isNoted = given.length === wanted.length && known.length === wanted.length
  return {
    zone,
    changes,
    send: async signal => {
      if (changes.length === 0 && isNoted) return
      await server.update(changes, wanted)
      const end = performance.now() + SHOWN_WITHIN_MS
      while (recordChanges(wanted, await server.sets(known)).length > 0) {
        if (signal.aborted || performance.now() >= end) throw notShown(zone, signal)
        await pause(ASK_EVERY_MS, signal)
      }
    },
  }
}

function notShown(zone: string, { aborted }: AbortSignal): CwError {
  return new CwError(aborted ? 'INTERRUPTED' : 'DNS_REFUSED', `${zone} does not show its new records yet`, {
    changed: 'some',
    remedies: ['see what it has: cw dns push --dry-run'],
  })
}
