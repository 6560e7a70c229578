import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import { startBono } from '../../daemons/bono/bono.ts'
import { startHomestead } from '../../daemons/homestead/homestead.ts'
import { startHomer } from '../../daemons/homer/homer.ts'
import { UNANSWERED_CHALLENGE } from '../../daemons/sprout/scscf/authentication.ts'
import { startSprout } from '../../daemons/sprout/sprout.ts'
import { scscfUriOf } from '../../lib/config/names.ts'
import { portsAt, type CorePorts } from '../../lib/config/ports.ts'
import { DEFAULT_SETTINGS } from '../../lib/config/settings.ts'
import { SipResolver } from '../../lib/dns/sip-resolver.ts'
import { addMonitoringRoutes } from '../../lib/http/monitoring.ts'
import type { HttpServer } from '../../lib/http/server.ts'
import { HttpHomestead } from '../../lib/ims/homestead-http.ts'
import { uriHost } from '../../lib/kit/address.ts'
import { seconds, TimerWheel, type Clock } from '../../lib/kit/clock.ts'
import { openLog, type Log, type LogLevel } from '../../lib/kit/log.ts'
import { LocalNet } from '../../lib/sip/local-net.ts'
import type { Resolver, Target } from '../../lib/sip/resolver.ts'
import { openEmbedded, type EmbeddedEnvironment } from '../../lib/store/embedded/environment.ts'
import { EmbeddedDocumentStore } from '../../lib/store/embedded/documents.ts'
import { EmbeddedFlowStore } from '../../lib/store/embedded/flows.ts'
import { EmbeddedProvisioningStore } from '../../lib/store/embedded/provisioning.ts'
import { EmbeddedRegistrationStore } from '../../lib/store/embedded/registrations.ts'
import { keptSecret } from '../../lib/store/embedded/secret.ts'
import { EmbeddedSubscriberCacheStore } from '../../lib/store/embedded/subscriber-cache.ts'
import { MemoryChallengeStore } from '../../lib/store/memory-challenges.ts'
import { InProcessTimers } from '../../lib/timers/in-process.ts'
import { ownAddress, reachableHere, requireAddress } from './addresses.ts'
import { readyCheck, type Door } from './ready.ts'
import { withKnownHosts } from './known-hosts.ts'

const READY_WITHIN_MS = 15_000
/** Transactions in flight get this long when the daemon is told to stop. */
const DRAIN = seconds(5)

export interface DaemonOptions {
  /** Each daemon keeps its data in a folder of its own name in here. */
  readonly dataDir: string
  readonly domain: string
  readonly bind: string
  readonly advertise: string | undefined
  readonly portOffset: number
  readonly logLevel: LogLevel
  /** Base of the names of sprout's functions: `scscf.<it>`. */
  readonly sproutHostname: string
  /** Where bono's requests enter the core, and the other functions of that sprout are. */
  readonly upstream: { readonly host: string; readonly port: number }
  /** `http://host:port`, for sprout. */
  readonly homestead: string
}

export interface RunningDaemon {
  readonly ports: Readonly<Record<string, number>>
  readonly address: string
  close(): Promise<void>
}

/** What every daemon stands on. */
interface Base extends DaemonOptions {
  readonly address: string
  readonly clock: Clock
  readonly log: Log
  readonly environment: EmbeddedEnvironment
  readonly corePorts: CorePorts
  readonly resolver: Resolver
}

interface Started {
  readonly ports: Readonly<Record<string, number>>
  readonly doors: readonly Omit<Door, 'host'>[]
  close(): Promise<void>
}

const STARTERS = { bono, sprout, homestead, homer } satisfies Record<string, (base: Base) => Promise<Started>>

export type DaemonName = keyof typeof STARTERS

/** Starts one daemon on embedded stores of its own, and returns once it answers. */
export async function startDaemon(name: DaemonName, options: DaemonOptions): Promise<RunningDaemon> {
  requireAddress('--bind', options.bind)
  const address = options.advertise ?? ownAddress(options.bind)
  requireAddress('--advertise', address)

  const opened = new AsyncDisposableStack()
  try {
    const log = openLog(options.logLevel, { daemon: name })
    const clock = new TimerWheel(error => {
      log.error('a timer failed', { error })
    })
    opened.defer(() => {
      clock.close()
    })
    const environment = await openEmbedded({ dir: join(options.dataDir, name) })
    opened.defer(() => environment.close())
    const corePorts = portsAt(options.portOffset)
    const resolver = resolverOf(options, address, corePorts)
    const started = await STARTERS[name]({
      ...options,
      address,
      clock,
      log,
      environment,
      corePorts,
      resolver,
    })
    opened.defer(() => started.close())
    const host = reachableHere(options.bind)
    await readyCheck(
      started.doors.map(door => ({ ...door, host, selfName: address })),
      READY_WITHIN_MS,
    )
    return { ports: started.ports, address, close: () => opened.disposeAsync() }
  } catch (error) {
    await opened.disposeAsync()
    throw error
  }
}

async function bono(base: Base): Promise<Started> {
  const { clock, log, resolver, environment, corePorts } = base
  const ports = { untrusted: corePorts.client, websocket: corePorts.webSocket, trusted: corePorts.trusted }
  const host = uriHost(base.address)
  const running = await startBono(
    {
      ...DEFAULT_SETTINGS,
      homeDomains: [base.domain],
      bindAddress: base.bind,
      innerAddress: base.bind,
      localHost: host,
      publicHost: host,
      ports,
      upstream: { host: uriHost(base.upstream.host), port: base.upstream.port },
      trustedPeers: [],
    },
    {
      clock,
      log,
      resolver,
      net: new LocalNet(),
      flowStore: new EmbeddedFlowStore(environment, clock),
      secret: await keptSecret(environment, 'flows'),
    },
  )
  return {
    ports,
    doors: [{ name: 'bono', kind: 'sip', port: ports.untrusted }],
    close: () => running.close(clock.now() + DRAIN),
  }
}

async function sprout(base: Base): Promise<Started> {
  const { clock, log, resolver, environment, corePorts } = base
  const { icscf, bgcf, scscf } = corePorts
  const ports = { icscf, bgcf, scscf }
  const homestead = new HttpHomestead({ origin: base.homestead })
  const timers = new InProcessTimers({
    clock,
    log,
    environment,
    volatileTopics: [UNANSWERED_CHALLENGE],
  })
  const running = await startSprout(
    {
      ...DEFAULT_SETTINGS,
      homeDomains: [base.domain],
      bindAddress: base.bind,
      localHost: uriHost(base.address),
      sproutHostname: base.sproutHostname,
      ports,
      bgcfRoutes: [],
    },
    {
      clock,
      log,
      resolver,
      homestead,
      timers,
      net: new LocalNet(),
      registrations: new EmbeddedRegistrationStore(environment, clock),
      challenges: new MemoryChallengeStore({ clock }),
    },
  )
  return {
    ports,
    doors: [{ name: 'sprout', kind: 'sip', port: ports.scscf }],
    close: async () => {
      await running.close(clock.now() + DRAIN)
      timers.close()
      await homestead.close()
    },
  }
}

async function homestead(base: Base): Promise<Started> {
  const { clock, log, environment, corePorts } = base
  const running = await startHomestead({
    clock,
    log,
    stores: {
      cache: new EmbeddedSubscriberCacheStore(environment),
      provisioning: new EmbeddedProvisioningStore(environment),
    },
    bind: base.bind,
    port: corePorts.homestead,
    provisioningPort: corePorts.provisioning,
    homeDomain: base.domain,
    scscfUri: scscfUriOf(base.sproutHostname, corePorts.scscf),
    addRoutes: addMonitoring,
  })
  const { port, provisioningPort } = running
  return {
    ports: { homestead: port, provisioning: provisioningPort },
    doors: [
      { name: 'homestead', kind: 'http', port },
      { name: 'homestead-prov', kind: 'http', port: provisioningPort },
    ],
    close: () => running.close(),
  }
}

async function homer({ log, environment, bind, corePorts }: Base): Promise<Started> {
  const documents = new EmbeddedDocumentStore(environment)
  const running = await startHomer({
    log,
    documents,
    bind,
    port: corePorts.homer,
    addRoutes: addMonitoring,
  })
  return {
    ports: { homer: running.port },
    doors: [{ name: 'homer', kind: 'http', port: running.port }],
    close: () => running.close(),
  }
}

/** DNS, except for the names of sprout's functions, which are where bono's upstream is. */
function resolverOf(
  { upstream, sproutHostname }: DaemonOptions,
  address: string,
  ports: CorePorts,
): Resolver {
  const dns = new SipResolver({ family: isIPv6(address) ? 6 : 4 })
  const at = (port: number): Target => ({ transport: 'TCP', address: upstream.host, port })
  const known = new Map([
    [`icscf.${sproutHostname}`, at(ports.icscf)],
    [`bgcf.${sproutHostname}`, at(ports.bgcf)],
    [`scscf.${sproutHostname}`, at(ports.scscf)],
  ])
  return withKnownHosts(known, dns)
}

/** What a process of its own says of itself; it listens only once it is ready. */
function addMonitoring(server: HttpServer): void {
  addMonitoringRoutes(server, { healthy: () => true, status: () => ({}), metrics: () => [] })
}
