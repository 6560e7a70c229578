import { isIPv6 } from 'node:net'
import { startAllInOne, type AllInOneOptions } from '../../daemons/all-in-one/all-in-one.ts'
import type { CorePorts } from '../../lib/config/ports.ts'
import { LOOPBACK, LOOPBACK_6 } from '../../lib/kit/address.ts'
import { TimerWheel } from '../../lib/kit/clock.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { MemcachedCluster } from '../../lib/store/memcached/cluster.ts'
import { parseServerAddress, type ClusterView } from '../../lib/store/memcached/cluster-settings.ts'
import { ownAddress, reachableHere, requireAddress } from './addresses.ts'
import { readyCheck } from './ready.ts'

const READY_WITHIN_MS = 15_000

export interface UpOptions extends Omit<AllInOneOptions, 'advertise' | 'memcached'> {
  /** Absent: `bind`, or this machine's own address if that is a wildcard. */
  readonly advertise: string | undefined
  /** `host:port`, several separated by commas; absent: registrations are kept in the data folder. */
  readonly memcachedServers?: string
}

/** A core that answers. */
export interface RunningCore {
  readonly ports: CorePorts
  /** The address that phones are set to. */
  readonly address: string
  /** From the start of the process. */
  readonly readyAfterMs: number
  close(): Promise<void>
}

/** Starts the whole core and returns once each of its doors has answered. */
export async function startCore(options: UpOptions): Promise<RunningCore> {
  requireAddress('--bind', options.bind)
  const advertise = options.advertise ?? ownAddress(options.bind)
  requireAddress('--advertise', advertise)

  const { memcachedServers, ...rest } = options
  const memcached = memcachedServers === undefined ? undefined : await memcachedView(memcachedServers)

  const core = await startAllInOne({ ...rest, advertise, ...(memcached === undefined ? {} : { memcached }) })
  const edge = reachableHere(options.bind)
  const inner = isIPv6(edge) ? LOOPBACK_6 : LOOPBACK
  const { ports } = core
  try {
    await readyCheck(
      [
        { name: 'bono', kind: 'sip', host: edge, port: ports.client, selfName: advertise },
        { name: 'sprout', kind: 'sip', host: inner, port: ports.scscf },
        { name: 'homestead', kind: 'http', host: LOOPBACK, port: ports.homestead },
        { name: 'homestead-prov', kind: 'http', host: LOOPBACK, port: ports.provisioning },
        { name: 'homer', kind: 'http', host: LOOPBACK, port: ports.homer },
        { name: 'memento', kind: 'http', host: LOOPBACK, port: ports.callLists },
      ],
      READY_WITHIN_MS,
    )
  } catch (error) {
    await core.close()
    throw error
  }
  return { ports, address: advertise, readyAfterMs: performance.now(), close: () => core.close() }
}

/** @throws CwError OPTION_INVALID, and SERVICE_UNREACHABLE if none of the servers answers */
async function memcachedView(text: string): Promise<ClusterView> {
  const servers = text.split(',').map(server => server.trim())
  const wrong = servers.find(server => parseServerAddress(server) === undefined)
  if (wrong !== undefined) {
    throw new CwError('OPTION_INVALID', `--memcached: "${wrong}" is no address with a port`, {
      changed: 'nothing',
      remedies: ['cw up --stores memcached --memcached 127.0.0.1:11211'],
    })
  }
  const clock = new TimerWheel(() => undefined)
  const cluster = new MemcachedCluster({ view: { servers }, clock })
  try {
    if ((await cluster.answering()).length > 0) return { servers }
    throw new CwError('SERVICE_UNREACHABLE', `no memcached answers at ${servers.join(', ')}`, {
      changed: 'nothing',
      remedies: [
        'start one: memcached -l 127.0.0.1 -p 11211',
        'keep data in a folder: cw up without --stores',
      ],
    })
  } finally {
    cluster.close()
    clock.close()
  }
}
