import { isIPv6 } from 'node:net'
import { startAllInOne, type AllInOneOptions } from '../../daemons/all-in-one/all-in-one.ts'
import { DAEMON_PORTS, type CorePorts } from '../../lib/config/ports.ts'
import { LOOPBACK, LOOPBACK_6, uriHost } from '../../lib/kit/address.ts'
import { TimerWheel } from '../../lib/kit/clock.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { CQL_PORT } from '../../lib/store/cassandra/cluster-file.ts'
import type { CassandraView } from '../../lib/store/cassandra/database.ts'
import { MemcachedCluster } from '../../lib/store/memcached/cluster.ts'
import { parseServerAddress, type ClusterView } from '../../lib/store/memcached/cluster-settings.ts'
import { ownAddress, reachableHere, requireAddress } from './addresses.ts'
import { readyCheck } from './ready.ts'

const READY_WITHIN_MS = 15_000

export interface UpOptions extends Omit<AllInOneOptions, 'advertise' | 'memcached' | 'cassandra'> {
  /** Absent: `bind`, or this machine's own address if that is a wildcard. */
  readonly advertise: string | undefined
  /** `host:port`, several separated by commas; absent: registrations are kept in the data folder. */
  readonly memcachedServers?: string
  /** `host` or `host:port`, several separated by commas; absent: subscribers are kept in the data folder. */
  readonly cassandraNodes?: string
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

  const { memcachedServers, cassandraNodes, ...rest } = options
  const core = await startAllInOne({
    ...rest,
    advertise,
    ...(memcachedServers === undefined ? {} : { memcached: await memcachedView(memcachedServers) }),
    ...(cassandraNodes === undefined ? {} : { cassandra: await cassandraView(cassandraNodes) }),
  })
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

/** @throws CwError OPTION_INVALID, and SERVICE_UNREACHABLE if none of the nodes answers */
async function cassandraView(text: string): Promise<CassandraView> {
  const { siteOf } = await import('../../lib/store/cassandra/site.ts')
  const contactPoints = serverList('cassandra', text, CQL_PORT)
  return { contactPoints, site: await siteOf(contactPoints) }
}

/** @throws CwError OPTION_INVALID */
function serverList(flag: string, text: string, usualPort: number): string[] {
  return text.split(',').map(each => {
    const name = each.trim()
    const server = parseServerAddress(name) ?? parseServerAddress(`${uriHost(name)}:${usualPort}`)
    if (server !== undefined) return `${uriHost(server.host)}:${server.port}`
    throw new CwError('OPTION_INVALID', `--${flag}: "${name}" is no address`, {
      changed: 'nothing',
      remedies: [`cw up --stores ${flag} --${flag} 127.0.0.1:${usualPort}`],
    })
  })
}

/** @throws CwError OPTION_INVALID, and SERVICE_UNREACHABLE if none of the servers answers */
async function memcachedView(text: string): Promise<ClusterView> {
  const servers = serverList('memcached', text, DAEMON_PORTS.memcached)
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
