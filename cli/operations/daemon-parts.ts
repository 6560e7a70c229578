import { join } from 'node:path'
import { startAstaire, type AstaireSettings } from '../../daemons/astaire/astaire.ts'
import { startBono } from '../../daemons/bono/bono.ts'
import type { BonoOptions } from '../../daemons/bono/options.ts'
import type { SipParts } from '../../daemons/all-in-one/status.ts'
import { readingByHttp } from '../../daemons/config-manager/daemon-reading.ts'
import { startClusterManager } from '../../daemons/cluster-manager/cluster-manager.ts'
import { startChronos } from '../../daemons/chronos/chronos.ts'
import { startConfigManager } from '../../daemons/config-manager/config-manager.ts'
import { startEllis } from '../../daemons/ellis/ellis.ts'
import { startHomer } from '../../daemons/homer/homer.ts'
import { startHomestead } from '../../daemons/homestead/homestead.ts'
import { healthByHttp } from '../../daemons/queue-manager/node-health.ts'
import { startMemento } from '../../daemons/memento/memento.ts'
import type { HttpChallenge } from '../../daemons/memento/authentication.ts'
import { startQueueManager } from '../../daemons/queue-manager/queue-manager.ts'
import { startRalf } from '../../daemons/ralf/ralf.ts'
import type { SproutOptions } from '../../daemons/sprout/options.ts'
import { openRecording } from '../../daemons/sprout/memento/recording.ts'
import type { Recorder } from '../../daemons/sprout/memento/recorder.ts'
import { EXPIRY } from '../../daemons/sprout/scscf/record.ts'
import { addTimerRoute } from '../../daemons/sprout/timers-api.ts'
import { startSprout } from '../../daemons/sprout/sprout.ts'
import { openSproutStores } from '../../daemons/sprout/stores.ts'
import { EtcdClient } from '../../lib/etcd/client.ts'
import { readCredentials, type EtcdCredentials } from '../../lib/etcd/credentials.ts'
import type { Metric } from '../../lib/kit/metric.ts'
import { statusByHttp } from '../../lib/http/daemon-status.ts'
import type { HttpServers } from '../../lib/http/client.ts'
import { HttpServer } from '../../lib/http/server.ts'
import { HttpHomestead } from '../../lib/ims/homestead-http.ts'
import { HttpServiceDocuments } from '../../lib/ims/service-documents.ts'
import { uriHost } from '../../lib/kit/address.ts'
import type { Clock } from '../../lib/kit/clock.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { Graylist } from '../../lib/kit/graylist.ts'
import type { Log } from '../../lib/kit/log.ts'
import { SystemdUnits } from '../../lib/kit/units.ts'
import { Admission } from '../../lib/overload/admission.ts'
import { LocalNet } from '../../lib/sip/local-net.ts'
import type { NodeProtection } from '../../lib/sip/node.ts'
import type { Quiescing } from '../../lib/sip/quiescing.ts'
import { MASTER_SOCKET } from '../../lib/snmp/agentx/subagent.ts'
import type { CassandraStores } from '../../lib/store/cassandra/stores.ts'
import type { CallListStore } from '../../lib/store/call-list-store.ts'
import { openCallLists } from '../../lib/store/embedded/call-lists.ts'
import { EmbeddedDocumentStore } from '../../lib/store/embedded/documents.ts'
import type { EmbeddedEnvironment } from '../../lib/store/embedded/environment.ts'
import { EmbeddedFlowStore } from '../../lib/store/embedded/flows.ts'
import { keptSecret } from '../../lib/store/embedded/secret.ts'
import { embeddedSubscribers } from '../../lib/store/embedded/subscribers.ts'
import { MemoryChallengeStore } from '../../lib/store/memory-challenges.ts'
import { ChronosTimers } from '../../lib/timers/chronos/client.ts'
import { InProcessTimers } from '../../lib/timers/in-process.ts'
import { chronosFileOf } from './daemon-files.ts'
import type { NodeIdentity, Place } from './daemon-place.ts'
import type { Door } from './ready.ts'

/** What every daemon stands on. */
export interface Base {
  readonly place: Place
  readonly clock: Clock
  readonly log: Log
  /** Opens the daemon's own stores; closed after everything else. */
  readonly openStores: () => Promise<EmbeddedEnvironment>
  /** Closes in reverse order what has been opened. */
  readonly opened: AsyncDisposableStack
  /** When transactions under way are cut off (Unix ms); it counts from when it is first asked for. */
  readonly drainedBy: () => number
  /** Adds `/health`, `/status` and `/metrics` of this process. */
  readonly addMonitoring: (server: HttpServer) => void
  /** What the process shows of its SIP daemon. */
  readonly sip: SipParts
  /** Figures beside those of SIP. */
  readonly figures: (() => readonly Metric[])[]
  /** Without one of these the daemon lives, and cannot do its work. */
  readonly needs: (() => boolean)[]
  /** What `/status` tells beside what all daemons tell. */
  readonly details: (() => Readonly<Record<string, unknown>>)[]
}

/** A daemon that has opened its ports. */
export interface Part {
  readonly ports: Readonly<Record<string, number>>
  readonly doors: readonly Omit<Door, 'host'>[]
  /** Absent: nobody has to be waited for. */
  readonly quiescence?: Quiescing
  /** Copies everything anew from those who have it too. */
  readonly resynchronise?: () => void
  /** Takes what may change while it runs (`LIVE_OPTIONS`). */
  follow(place: Place): void
}

/** Options as a running daemon holds them: its functions look at them at each use. */
type Changing<Options> = { -readonly [Key in keyof Options]: Options[Key] }

const FIXED = { follow: () => undefined } as const

export const PARTS = {
  bono,
  sprout,
  homestead,
  homer,
  memento,
  ellis,
  ralf,
  'config-manager': configManager,
  'queue-manager': queueManager,
  'cluster-manager': clusterManager,
  astaire,
  chronos,
} satisfies Record<string, (base: Base) => Promise<Part>>

async function bono(base: Base): Promise<Part> {
  const { place, clock, log, opened } = base
  const { client, webSocket, trusted, bonoHttp } = place.ports
  const ports = { untrusted: client, websocket: webSocket, trusted }
  const environment = await base.openStores()
  const protection = protectionOf(base)
  const options: Changing<BonoOptions> = {
    ...place.settings,
    homeDomains: place.homeDomains,
    bindAddress: place.bind,
    innerAddress: place.bind,
    localHost: uriHost(place.address),
    publicHost: place.publicHost,
    ports,
    upstream: { ...place.upstream, host: uriHost(place.upstream.host) },
    trustedPeers: place.trustedPeers,
    pbxes: place.pbxes,
    priorities: protection.priorities,
    ...(place.pbxServiceRoute === undefined ? {} : { pbxServiceRoute: place.pbxServiceRoute }),
  }
  const running = await startBono(options, {
    clock,
    log,
    resolver: place.resolver,
    protection: { ...protection, pooled: sproutPools(place) },
    net: new LocalNet(),
    flowStore: new EmbeddedFlowStore(environment, clock),
    secret: await keptSecret(environment, 'flows'),
  })
  opened.defer(() => running.close(base.drainedBy()))
  base.sip.bono = running
  await openMonitoring(base, bonoHttp)
  return {
    ports: { ...ports, http: bonoHttp },
    doors: [{ name: 'bono', kind: 'sip', port: client }],
    quiescence: running.quiescence,
    follow: ({ settings, trustedPeers, shared }) => {
      options.sessionExpires = settings.sessionExpires
      options.trustedPeers = trustedPeers
      refill(protection.priorities, shared.priorities)
      options.allowEmergencyRegistration = settings.allowEmergencyRegistration
      options.allowAnonymousEmergencyCalls = settings.allowAnonymousEmergencyCalls
    },
  }
}

async function sprout(base: Base): Promise<Part> {
  const { place, clock, log, opened } = base
  const { icscf, bgcf, scscf, sproutHttp } = place.ports
  const ports = { icscf, bgcf, scscf }
  const environment = await base.openStores()
  const protection = protectionOf(base)
  const homestead = openHomestead(base, protection.admission)
  const documents = new HttpServiceDocuments({
    origin: place.homer,
    log,
    servers: httpServers(base, protection.admission),
  })
  opened.defer(() => documents.close())
  const chronos = openChronosTimers(base, environment, protection.admission)
  const timers = chronos ?? new InProcessTimers({ clock, log, environment })
  opened.defer(() => timers.close())
  const stores = await openSproutStores({
    ...{ clock, log, environment },
    ...(place.cluster === undefined ? {} : { cluster: place.cluster }),
    ...(place.otherSite === undefined ? {} : { otherSite: place.otherSite }),
  })
  opened.defer(() => stores.close())
  base.figures.push(stores.metrics)
  const options: Changing<SproutOptions> = {
    ...place.settings,
    homeDomains: place.homeDomains,
    bindAddress: place.bind,
    localHost: uriHost(place.address),
    sproutHostname: place.sproutHostname,
    ...(place.scscfNodeUri === undefined ? {} : { scscfNodeUri: place.scscfNodeUri }),
    ports,
    servers: place.servers,
    enum: place.enum,
    externalIcscfUri: place.externalIcscfUri,
    emergencyUri: place.emergencyUri,
    ...(place.dummyAppServer === undefined ? {} : { dummyAppServer: place.dummyAppServer }),
    blacklistedScscfUris: place.blacklistedScscfUris,
    ...place.shared,
  }
  const recorder = place.servers.some(({ name }) => name === 'memento') ? await openRecorder(base) : undefined
  const running = await startSprout(options, {
    clock,
    log,
    resolver: place.resolver,
    protection,
    homestead,
    documents,
    timers,
    net: new LocalNet(),
    registrations: stores.registrations,
    challenges: stores.challenges,
    ...(recorder === undefined ? {} : { recorder }),
    gruuSecret: stores.gruuSecret,
  })
  opened.defer(() => running.close(base.drainedBy()))
  base.sip.sprout = running
  await openMonitoring(base, sproutHttp, server => {
    running.addRoutes(server)
    if (chronos !== undefined) addTimerRoute(server, chronos, log)
  })
  return {
    ports: { ...ports, ...serverPorts(place), http: sproutHttp },
    doors: [{ name: 'sprout', kind: 'sip', port: scscf }],
    quiescence: running.quiescence,
    follow: ({ settings, shared, emergencyUri, cluster, otherSite }) => {
      stores.follow(cluster, otherSite)
      options.regMaxExpires = settings.regMaxExpires
      options.nonceCountSupported = settings.nonceCountSupported
      options.applyFallbackIfcs = settings.applyFallbackIfcs
      options.emergencyUri = emergencyUri
      Object.assign(options, shared)
      refill(protection.priorities, shared.priorities)
    },
  }
}

/** Timers that all sprouts share, where there is a cluster for them: whichever of them is there is told when one pops. */
function openChronosTimers(
  base: Base,
  environment: EmbeddedEnvironment,
  admission: Admission,
): ChronosTimers | undefined {
  const { place, clock, log } = base
  if (place.chronos === undefined) return undefined
  return new ChronosTimers({
    origin: `http://${uriHost(place.address)}:${place.ports.chronos}`,
    otherSite: (place.chronos.otherSite ?? []).map(each => `http://${uriHost(each)}:${place.ports.chronos}`),
    callback: `http://${place.sproutHostname}:${place.ports.sproutHttp}/timers`,
    ...{ clock, log, environment },
    servers: httpServers(base, admission),
    tags: { [EXPIRY]: [{ type: 'REG', count: 1 }] },
  })
}

/** What writes down the calls that Memento sees. */
async function openRecorder(base: Base): Promise<Recorder> {
  const { clock, log, opened, figures } = base
  const { callLists: settings, limits } = base.place
  const store = (await openCassandra(base, 'memento'))?.callLists ?? ownCallLists(base, 'write')
  const recording = openRecording({ clock, log, store, settings, overload: limits.overload })
  opened.defer(() => recording.close())
  figures.push(recording.metrics)
  return recording.recorder
}

function serverPorts({ servers }: Place): Readonly<Record<string, number>> {
  return Object.fromEntries(servers.flatMap(({ name, port }) => (port === undefined ? [] : [[name, port]])))
}

/** The subscriber server of the deployment. What it refuses for its load is taken for this daemon's own. */
function openHomestead(base: Base, admission: Admission): HttpHomestead {
  const { place, opened } = base
  const homestead = new HttpHomestead({ origin: place.homestead, servers: httpServers(base, admission) })
  opened.defer(() => homestead.close())
  return homestead
}

/** What is known of HTTP servers in a cluster. */
function httpServers({ place, clock }: Base, admission: Admission): HttpServers {
  return {
    lookup: place.lookup,
    graylist: new Graylist({ clock, blackFor: place.limits.httpBlacklist }),
    onOverload: () => admission.penalise(),
  }
}

/** Against more requests than can be answered, and peers that do not answer. */
function protectionOf({
  place: { limits, shared },
  clock,
}: Base): NodeProtection & { readonly admission: Admission; readonly priorities: Set<string> } {
  return {
    priorities: new Set(shared.priorities),
    admission: new Admission(limits.overload),
    graylist: new Graylist({ clock, blackFor: limits.sipBlacklist }),
    statelessProxies: limits.statelessProxies,
  }
}

/** The same set with other values, for those who hold it. */
function refill(set: Set<string>, values: Iterable<string>): void {
  set.clear()
  for (const value of values) set.add(value)
}

/** Where bono's requests go: the I-CSCF, and the S-CSCF that a registration named. */
function sproutPools({ upstream, sproutHostname, limits }: Place): NonNullable<NodeProtection['pooled']> {
  return {
    hosts: new Set([uriHost(upstream.host), `icscf.${sproutHostname}`, `scscf.${sproutHostname}`]),
    connections: limits.upstreamConnections,
    lifetime: limits.upstreamLifetime,
  }
}

/** What an owner keeps in the deployment's Cassandra; undefined where there is none. Loaded only where there is one. */
async function openCassandra(
  { place, clock, log, opened, figures, details, needs }: Base,
  owner: 'homestead' | 'homer' | 'memento',
): Promise<CassandraStores | undefined> {
  if (place.cassandra === undefined) return undefined
  const { openCassandraStores } = await import('../../lib/store/cassandra/stores.ts')
  const stores = await openCassandraStores([owner], { view: place.cassandra, clock, log })
  const { database } = stores
  opened.defer(() => database.close())
  figures.push(() => database.metrics())
  if (owner !== 'memento') needs.push(() => database.connected)
  details.push(() => ({ cassandra: database.connected ? 'reachable' : 'not reachable' }))
  return stores
}

/** What this node kept itself until now goes to Cassandra. */
async function moveIn(
  what: 'moveSubscribersIn' | 'moveDocumentsIn',
  base: Base,
  stores: CassandraStores,
): Promise<void> {
  const moves = await import('../../lib/store/cassandra/move-in.ts')
  await moves[what](await base.openStores(), stores, base.log)
}

async function homestead(base: Base): Promise<Part> {
  const { place, clock, log, opened } = base
  const cassandra = await openCassandra(base, 'homestead')
  if (cassandra !== undefined) await moveIn('moveSubscribersIn', base, cassandra)
  const running = await startHomestead({
    clock,
    log,
    stores: cassandra ?? embeddedSubscribers(await base.openStores()),
    isAlive: () => cassandra?.database.connected !== false,
    bind: place.bind,
    port: place.ports.homestead,
    provisioningPort: place.ports.provisioning,
    homeDomain: place.homeDomains[0],
    scscfUri: place.scscfUri,
    admission: new Admission(place.limits.overload),
    addRoutes: base.addMonitoring,
  })
  opened.defer(() => running.close())
  const { port, provisioningPort } = running
  return {
    ports: { homestead: port, provisioning: provisioningPort },
    doors: [
      { name: 'homestead', kind: 'http', port },
      { name: 'homestead-prov', kind: 'http', port: provisioningPort },
    ],
    ...FIXED,
  }
}

async function homer(base: Base): Promise<Part> {
  const cassandra = await openCassandra(base, 'homer')
  if (cassandra !== undefined) await moveIn('moveDocumentsIn', base, cassandra)
  const documents = cassandra?.documents ?? new EmbeddedDocumentStore(await base.openStores())
  const isAlive = (): boolean => cassandra?.database.connected !== false
  const { bind, ports } = base.place
  const { log, addMonitoring: addRoutes } = base
  const running = await startHomer({ log, documents, isAlive, bind, port: ports.homer, addRoutes })
  return httpPart('homer', base, running)
}

async function memento(base: Base): Promise<Part> {
  const { place, clock, log, addMonitoring: addRoutes } = base
  const admission = new Admission(place.limits.overload)
  const callLists = (await openCassandra(base, 'memento'))?.callLists ?? ownCallLists(base, 'read')
  const { apiKey } = place.callLists
  const running = await startMemento({
    clock,
    log,
    callLists,
    homestead: openHomestead(base, admission),
    challenges: new MemoryChallengeStore<HttpChallenge>({ clock }),
    homeDomain: place.homeDomains[0],
    ...(apiKey === undefined ? {} : { apiKey }),
    bind: place.bind,
    port: place.ports.callLists,
    admission,
    addRoutes,
  })
  base.figures.push(running.metrics)
  return httpPart('memento', base, running)
}

/** Call lists on this node: sprout writes them, memento reads them. */
function ownCallLists({ place, clock, opened }: Base, access: 'read' | 'write'): CallListStore {
  const { diskLimit } = place.callLists
  const store = openCallLists({ dir: join(place.dataDir, 'call-lists'), clock, access, diskLimit })
  opened.defer(() => store.close())
  return store
}

async function ellis(base: Base): Promise<Part> {
  const { bind, ports } = base.place
  const { log, addMonitoring: addRoutes } = base
  return httpPart('ellis', base, await startEllis({ log, bind, port: ports.ellis, addRoutes }))
}

async function ralf(base: Base): Promise<Part> {
  const { bind, ports } = base.place
  const { log, addMonitoring: addRoutes } = base
  return httpPart('ralf', base, await startRalf({ log, bind, port: ports.ralf, addRoutes }))
}

async function configManager(base: Base): Promise<Part> {
  const { place, clock, log } = base
  const node = nodeOf(base)
  const running = await startConfigManager(
    {
      site: node.site,
      node: node.name,
      address: node.managementAddress,
      queueId: node.queueId,
      configDir: node.folder,
      stateDir: join(place.dataDir, 'config-manager'),
      bind: place.bind,
      port: place.ports.configManager,
    },
    {
      ...{ clock, log, etcd: openEtcd(base, node), units: new SystemdUnits() },
      ask: readingByHttp(monitoringOrigins(place)),
    },
  )
  return httpPart('config-manager', base, running)
}

async function queueManager(base: Base): Promise<Part> {
  const { place, clock, log } = base
  const node = nodeOf(base)
  const health = Object.entries(monitoringOrigins(place)).map(([daemon, origin]) => [
    daemon,
    `${origin}/health`,
  ])
  const running = await startQueueManager(
    { site: node.site, queueId: node.queueId, bind: place.bind, port: place.ports.queueManager },
    {
      clock,
      log,
      etcd: openEtcd(base, node),
      units: new SystemdUnits(),
      isHealthy: healthByHttp(Object.fromEntries(health) as Record<string, string>),
    },
  )
  return httpPart('queue-manager', base, running)
}

async function clusterManager(base: Base): Promise<Part> {
  const { place, clock, log } = base
  const node = nodeOf(base)
  const running = await startClusterManager(
    {
      site: node.site,
      remoteSite: node.remoteSite,
      folder: node.folder,
      chronosFile: chronosFileOf(node.folder),
      memcachedPort: place.ports.memcached,
      bind: place.bind,
      port: place.ports.clusterManager,
    },
    {
      ...{ clock, log, own: place.address, etcd: openEtcd(base, node), units: new SystemdUnits() },
      ask: statusByHttp(monitoringOrigins(place)),
    },
    place.clusters,
  )
  return { ...httpPart('cluster-manager', base, running), follow: next => running.use(next.clusters) }
}

async function astaire(base: Base): Promise<Part> {
  const { place, clock, log } = base
  const running = await startAstaire(
    {
      local: `${uriHost(place.address)}:${place.ports.memcached}`,
      bind: place.bind,
      port: place.ports.astaire,
      ...(place.node === undefined ? {} : { snmpMaster: MASTER_SOCKET }),
      ...{ clock, log },
    },
    astaireSettings(place),
  )
  return {
    ...httpPart('astaire', base, running),
    resynchronise: running.resynchronise,
    follow: next => {
      if (next.cluster !== undefined) running.use(astaireSettings(next))
    },
  }
}

async function chronos(base: Base): Promise<Part> {
  const { place, clock, log, opened, addMonitoring: addRoutes } = base
  if (place.chronos === undefined) {
    throw new CwError('OPTION_INVALID', 'chronos has no cluster to be a node of', {
      why: 'there is no chronos_cluster.conf in the folder chronos beside the configuration folder',
      changed: 'nothing',
      remedies: ["name the folder of the node's files: --config /etc/clearwater"],
    })
  }
  const admission = new Admission(place.limits.overload)
  const running = await startChronos({
    bind: place.bind,
    port: place.ports.chronos,
    view: place.chronos,
    ...{ clock, log, admission, addRoutes },
    servers: httpServers(base, admission),
  })
  opened.defer(() => running.close())
  base.figures.push(() => running.metrics())
  base.details.push(() => running.status())
  const { port } = running
  return {
    ports: { chronos: port },
    doors: [{ name: 'chronos', kind: 'http', port }],
    follow: next => {
      if (next.chronos !== undefined) running.follow(next.chronos)
    },
  }
}

/** @throws CwError OPTION_INVALID without a cluster: nobody is there to be synchronised with */
function astaireSettings({ cluster: view, otherSite, limits }: Place): AstaireSettings {
  if (view !== undefined) {
    return { view, ...(otherSite === undefined ? {} : { otherSite }), cpuLimit: limits.astaireCpu }
  }
  throw new CwError('OPTION_INVALID', 'astaire works where several sprouts share memcached servers only', {
    why: 'there is no cluster_settings in the configuration folder',
    changed: 'nothing',
    remedies: ["name the folder of the node's files: --config /etc/clearwater"],
  })
}

/** Where each daemon of this node tells how it is. */
function monitoringOrigins({ address, ports }: Place): Readonly<Record<string, string>> {
  const { bonoHttp, sproutHttp, homestead, homer, callLists, ellis, ralf, astaire, chronos } = ports
  const all = {
    bono: bonoHttp,
    sprout: sproutHttp,
    homestead,
    homer,
    memento: callLists,
    ellis,
    ralf,
    astaire,
    chronos,
  }
  return Object.fromEntries(
    Object.entries(all).map(([daemon, port]) => [daemon, `http://${uriHost(address)}:${port}`]),
  )
}

/** @throws CwError OPTION_INVALID without a node's files, FILE_INVALID without etcd in them */
function nodeOf({ place: { node } }: Base): NodeIdentity {
  if (node === undefined) {
    throw new CwError('OPTION_INVALID', 'this daemon works on a node of a deployment only', {
      changed: 'nothing',
      remedies: ["name the folder of the node's files: --config /etc/clearwater"],
    })
  }
  if (node.etcd.length > 0) return node
  throw new CwError('FILE_INVALID', 'the configuration gives no etcd_cluster that can be used', {
    where: { file: node.folder },
    changed: 'nothing',
    remedies: ['write the files of this node again: cw deploy'],
  })
}

function openEtcd({ clock, opened }: Base, node: NodeIdentity): EtcdClient {
  const credentials = (): Promise<EtcdCredentials> => readCredentials(join(node.folder, 'tls'))
  return opened.use(new EtcdClient({ origins: node.etcd, credentials, clock }))
}

/** A daemon with one port, for HTTP. */
function httpPart(
  name: string,
  { opened }: Base,
  running: { readonly port: number; close(): Promise<void> },
): Part {
  opened.defer(() => running.close())
  return { ports: { [name]: running.port }, doors: [{ name, kind: 'http', port: running.port }], ...FIXED }
}

/** The port on which a SIP daemon tells how it is. */
async function openMonitoring(
  { place, log, opened, addMonitoring }: Base,
  port: number,
  addRoutes: (server: HttpServer) => void = () => undefined,
): Promise<void> {
  const server = new HttpServer({ log })
  addMonitoring(server)
  addRoutes(server)
  await server.listen(place.bind, port)
  opened.defer(() => server.close())
}
