import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import { sproutHostnameOf, scscfUriOf } from '../../lib/config/names.ts'
import { DEFAULT_CALL_LISTS } from '../../lib/config/call-lists.ts'
import { DEFAULT_LIMITS } from '../../lib/config/limits.ts'
import { portsAt, type CorePorts } from '../../lib/config/ports.ts'
import { DEFAULT_SETTINGS } from '../../lib/config/settings.ts'
import { machineDns } from '../../lib/dns/machine-dns.ts'
import { SipResolver } from '../../lib/dns/sip-resolver.ts'
import { addMonitoringRoutes } from '../../lib/http/monitoring.ts'
import type { Metric } from '../../lib/kit/metric.ts'
import { HttpServer } from '../../lib/http/server.ts'
import type { Homestead } from '../../lib/ims/homestead.ts'
import { LOOPBACK, LOOPBACK_6, uriHost } from '../../lib/kit/address.ts'
import { seconds, TimerWheel, type Clock } from '../../lib/kit/clock.ts'
import { Graylist } from '../../lib/kit/graylist.ts'
import { openLog, type Log, type LogLevel } from '../../lib/kit/log.ts'
import { Admission } from '../../lib/overload/admission.ts'
import { LocalNet } from '../../lib/sip/local-net.ts'
import type { CallListStore } from '../../lib/store/call-list-store.ts'
import type { CassandraView } from '../../lib/store/cassandra/database.ts'
import type { CassandraStores } from '../../lib/store/cassandra/stores.ts'
import type { DocumentStore } from '../../lib/store/document-store.ts'
import { openCallLists } from '../../lib/store/embedded/call-lists.ts'
import { EmbeddedDocumentStore } from '../../lib/store/embedded/documents.ts'
import { openEmbedded, type EmbeddedEnvironment } from '../../lib/store/embedded/environment.ts'
import { EmbeddedFlowStore } from '../../lib/store/embedded/flows.ts'
import { keptSecret } from '../../lib/store/embedded/secret.ts'
import { embeddedSubscribers } from '../../lib/store/embedded/subscribers.ts'
import type { ClusterView } from '../../lib/store/memcached/cluster-settings.ts'
import { MemoryChallengeStore } from '../../lib/store/memory-challenges.ts'
import { InProcessTimers } from '../../lib/timers/in-process.ts'
import { startBono } from '../bono/bono.ts'
import { startHomer } from '../homer/homer.ts'
import { startHomestead, type RunningHomestead } from '../homestead/homestead.ts'
import type { HttpChallenge } from '../memento/authentication.ts'
import { startMemento } from '../memento/memento.ts'
import { openRecording } from '../sprout/memento/recording.ts'
import { allServers } from '../sprout/options.ts'
import { startSprout } from '../sprout/sprout.ts'
import { openSproutStores } from '../sprout/stores.ts'
import { metricsOf, statusOf, type CoreStatus, type SipParts } from './status.ts'

export interface AllInOneOptions {
  /** Folder of the stores; created if missing. */
  readonly dataDir: string
  readonly domain: string
  /**
   * Address where phones reach the edge (`client`, `webSocket`). Everything behind it, the provisioning interface
   * included, listens on the loopback address only.
   */
  readonly bind: string
  /** Address that the edge puts into Via, Record-Route and Path. */
  readonly advertise: string
  /** Added to every port of `CORE_PORTS`. */
  readonly portOffset: number
  readonly logLevel: LogLevel
  /** Servers for registrations and challenges; absent: they are kept in `dataDir`. */
  readonly memcached?: ClusterView
  /** Keeps subscribers, service documents and call lists; absent: they are kept in `dataDir`. */
  readonly cassandra?: CassandraView
}

/** A whole core in this process. */
export interface AllInOne {
  readonly ports: CorePorts
  /** Stops accepting, finishes transactions, writes out and closes the stores. */
  close(): Promise<void>
  /** Live state, for people who look. */
  status(): CoreStatus
}

/** Transactions in flight get this long when the core is told to stop. A telephone that rings would take minutes. */
const DRAIN = seconds(5)

/** What every part of the core stands on. */
interface Base {
  readonly options: AllInOneOptions
  readonly ports: CorePorts
  /** Loopback address of the family that phones use, since a SIP element speaks one of the two. */
  readonly inner: string
  readonly sproutHostname: string
  readonly clock: Clock
  readonly log: Log
  readonly environment: EmbeddedEnvironment
  /** What Cassandra keeps, where it is used. */
  readonly cassandra: CassandraStores | undefined
  readonly callLists: CallListStore
  /** Figures beside those of SIP. */
  readonly figures: (() => readonly Metric[])[]
  /** Closes in reverse order what has been opened. */
  readonly opened: AsyncDisposableStack
  /** When transactions in flight are cut off (Unix ms); it counts from when it is first asked for. */
  readonly drainedBy: () => number
}

/**
 * Starts every daemon on embedded stores.
 *
 * @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED, ADDRESS_NOT_LOCAL, DATA_DIR_UNUSABLE or DATA_DIR_LOCKED; what had
 * been opened by then is closed again.
 */
export async function startAllInOne(options: AllInOneOptions): Promise<AllInOne> {
  const opened = new AsyncDisposableStack()
  try {
    const base = await openBase(options, opened)
    const sip: SipParts = {}
    let ready = false
    const status = (): CoreStatus => statusOf(sip)
    const metrics = (): readonly Metric[] => [...metricsOf(sip), ...base.figures.flatMap(each => each())]
    const monitored = { healthy: () => ready, status, metrics }
    const { homestead } = await openHttp(base, server => addMonitoringRoutes(server, monitored))
    await openSip(base, homestead, sip, server => addMonitoringRoutes(server, monitored))
    ready = true
    const close = (): Promise<void> => {
      ready = false
      return opened.disposeAsync()
    }
    return { ports: base.ports, status, close }
  } catch (error) {
    await opened.disposeAsync()
    throw error
  }
}

async function openBase(options: AllInOneOptions, opened: AsyncDisposableStack): Promise<Base> {
  const log = openLog(options.logLevel)
  const clock = new TimerWheel(error => log.error('a timer failed', { error }))
  opened.defer(() => clock.close())
  let drainedBy: number | undefined
  const environment = await openEmbedded({ dir: options.dataDir })
  opened.defer(() => environment.close())
  const cassandra = options.cassandra && (await openCassandra(options.cassandra, environment, { clock, log }))
  if (cassandra !== undefined) opened.defer(() => cassandra.database.close())
  return {
    options,
    ports: portsAt(options.portOffset),
    inner: isIPv6(options.bind) ? LOOPBACK_6 : LOOPBACK,
    sproutHostname: sproutHostnameOf(options.domain),
    clock,
    log,
    environment,
    cassandra,
    callLists: cassandra?.callLists ?? ownCallLists(options.dataDir, clock, opened),
    figures: cassandra === undefined ? [] : [() => cassandra.database.metrics()],
    opened,
    drainedBy: () => (drainedBy ??= clock.now() + DRAIN),
  }
}

/** Loaded only where it is used. What the folder has of subscribers goes there. */
async function openCassandra(
  view: CassandraView,
  environment: EmbeddedEnvironment,
  around: { readonly clock: Clock; readonly log: Log },
): Promise<CassandraStores> {
  const { openCassandraStores } = await import('../../lib/store/cassandra/stores.ts')
  const { moveDocumentsIn, moveSubscribersIn } = await import('../../lib/store/cassandra/move-in.ts')
  const stores = await openCassandraStores(['homestead', 'homer', 'memento'], { view, ...around })
  try {
    await moveSubscribersIn(environment, stores, around.log)
    await moveDocumentsIn(environment, stores, around.log)
    return stores
  } catch (error) {
    await stores.database.close()
    throw error
  }
}

function ownCallLists(dataDir: string, clock: Clock, opened: AsyncDisposableStack): CallListStore {
  const { diskLimit } = DEFAULT_CALL_LISTS
  const callLists = openCallLists({ dir: join(dataDir, 'call-lists'), clock, access: 'write', diskLimit })
  opened.defer(() => callLists.close())
  return callLists
}

function documentsOf({ cassandra, environment }: Base): DocumentStore {
  return cassandra?.documents ?? new EmbeddedDocumentStore(environment)
}

/** Homestead, homer and memento, on IPv4's loopback whatever the phones speak: that is where `cw user` looks. */
async function openHttp(base: Base, addRoutes: (server: HttpServer) => void): Promise<RunningHomestead> {
  const { options, ports, clock, cassandra, environment, opened } = base
  const isAlive = (): boolean => cassandra?.database.connected !== false
  const homestead = await startHomestead({
    clock,
    log: base.log.with({ daemon: 'homestead' }),
    isAlive,
    stores: cassandra ?? embeddedSubscribers(environment),
    bind: LOOPBACK,
    port: ports.homestead,
    provisioningPort: ports.provisioning,
    homeDomain: options.domain,
    scscfUri: scscfUriOf(base.sproutHostname, ports.scscf),
    addRoutes,
  })
  opened.defer(() => homestead.close())
  const homer = await startHomer({
    log: base.log.with({ daemon: 'homer' }),
    documents: documentsOf(base),
    isAlive,
    bind: LOOPBACK,
    port: ports.homer,
    addRoutes,
  })
  opened.defer(() => homer.close())
  const memento = await startMemento({
    clock,
    log: base.log.with({ daemon: 'memento' }),
    callLists: base.callLists,
    homestead: homestead.homestead,
    challenges: new MemoryChallengeStore<HttpChallenge>({ clock }),
    homeDomain: options.domain,
    bind: LOOPBACK,
    port: ports.callLists,
    addRoutes,
  })
  opened.defer(() => memento.close())
  base.figures.push(memento.metrics)
  return homestead
}

/** Sprout, then bono: the door for phones opens when everything behind it is there. */
async function openSip(
  base: Base,
  homestead: Homestead,
  sip: SipParts,
  addRoutes: (server: HttpServer) => void,
): Promise<void> {
  const { options, ports, inner, sproutHostname, clock, log, environment, opened } = base
  const resolver = new SipResolver({ family: isIPv6(inner) ? 6 : 4, dns: machineDns() })
  const around = { clock, log, resolver, net: new LocalNet() }
  const graylist = new Graylist({ clock, blackFor: DEFAULT_LIMITS.sipBlacklist })
  const protection = () => ({ graylist, admission: new Admission(DEFAULT_LIMITS.overload) })
  const node = { homeDomains: [options.domain] as const, localHost: uriHost(inner) }

  const timers = new InProcessTimers({ clock, log, environment })
  opened.defer(() => timers.close())
  const stores = await openSproutStores({
    ...{ clock, log, environment },
    ...(options.memcached === undefined ? {} : { cluster: options.memcached }),
  })
  opened.defer(() => stores.close())
  base.figures.push(stores.metrics)
  const servers = allServers(ports)
  const recording = openRecording({
    clock,
    log,
    store: base.callLists,
    settings: DEFAULT_CALL_LISTS,
    overload: DEFAULT_LIMITS.overload,
  })
  opened.defer(() => recording.close())
  base.figures.push(recording.metrics)
  const { recorder } = recording
  const sprout = await startSprout(
    {
      ...DEFAULT_SETTINGS,
      ...node,
      bindAddress: inner,
      sproutHostname,
      ports,
      servers,
      enum: { from: DEFAULT_SETTINGS.defaultTelUriTranslation ? 'home-domain' : 'nowhere' },
      externalIcscfUri: undefined,
      emergencyUri: undefined,
      bgcfRoutes: [],
      numberBlocks: [],
      scscfs: [],
      criteriaSets: { shared: new Map(), fallback: [] },
    },
    {
      ...around,
      protection: protection(),
      homestead,
      registrations: stores.registrations,
      challenges: stores.challenges,
      timers,
      recorder,
      gruuSecret: stores.gruuSecret,
      documents: documentsOf(base),
    },
  )
  opened.defer(() => sprout.close(base.drainedBy()))
  sip.sprout = sprout
  const http = new HttpServer({ log: log.with({ daemon: 'sprout' }) })
  addRoutes(http)
  sprout.addRoutes(http)
  await http.listen(LOOPBACK, ports.sproutHttp)
  opened.defer(() => http.close())

  const bono = await startBono(
    {
      ...DEFAULT_SETTINGS,
      ...node,
      bindAddress: options.bind,
      innerAddress: inner,
      publicHost: uriHost(options.advertise),
      ports: { untrusted: ports.client, websocket: ports.webSocket, trusted: ports.trusted },
      upstream: { host: `icscf.${sproutHostname}`, port: undefined },
      trustedPeers: [],
      pbxes: [],
    },
    {
      ...around,
      protection: protection(),
      flowStore: new EmbeddedFlowStore(environment, clock),
      secret: await keptSecret(environment, 'flows'),
    },
  )
  opened.defer(() => bono.close(base.drainedBy()))
  sip.bono = bono
}
