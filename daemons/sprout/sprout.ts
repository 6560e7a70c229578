import type { Clock } from '../../lib/kit/clock.ts'
import { CwError } from '../../lib/kit/errors.ts'
import type { Log } from '../../lib/kit/log.ts'
import type { HttpServer } from '../../lib/http/server.ts'
import type { Homestead } from '../../lib/ims/homestead.ts'
import type { ServiceDocuments } from '../../lib/ims/service-documents.ts'
import type { LocalNet } from '../../lib/sip/local-net.ts'
import { SipNode, type NodeProtection } from '../../lib/sip/node.ts'
import { LONGEST_DRAIN, type Quiescing } from '../../lib/sip/quiescing.ts'
import type { Resolver } from '../../lib/sip/resolver.ts'
import { RFC_TIMERS } from '../../lib/sip/transaction/timers.ts'
import { TcpTransport } from '../../lib/sip/transport/tcp.ts'
import { UdpTransport } from '../../lib/sip/transport/udp.ts'
import type { ChallengeStore } from '../../lib/store/challenge-store.ts'
import type { RegistrationStore } from '../../lib/store/registration-store.ts'
import type { TimerService } from '../../lib/timers/timer-service.ts'
import type { ApplicationServer } from './as/invocation.ts'
import { cdiv } from './cdiv/cdiv.ts'
import { Core, isCscf, serverHosts, type FunctionName } from './core.ts'
import { functionsOf } from './dispatch.ts'
import { enumOf } from './enum.ts'
import { gemini } from './gemini/gemini.ts'
import { mangelwurzel } from './mangelwurzel/mangelwurzel.ts'
import { memento } from './memento/memento.ts'
import type { Recorder } from './memento/recorder.ts'
import { openMmtel } from './mmtel/mmtel.ts'
import type { ServerName, SproutOptions } from './options.ts'
import { addRegistrationRoutes } from './registrations-api.ts'
import { watchUnanswered } from './scscf/authentication.ts'
import { watchExpiry } from './scscf/deregister.ts'

export interface SproutSurroundings {
  readonly clock: Clock
  readonly log: Log
  readonly net: LocalNet
  readonly resolver: Resolver
  readonly protection?: NodeProtection
  readonly homestead: Homestead
  readonly registrations: RegistrationStore
  readonly challenges: ChallengeStore
  readonly timers: TimerService
  /** Writes calls down, where Memento is among the servers. Closed by the caller, after sprout. */
  readonly recorder?: Recorder
  /** What temporary GRUUs are enciphered with: the same for all sprouts, and after a restart. */
  readonly gruuSecret: string
  /** What users have set up for calls. */
  readonly documents: ServiceDocuments
}

export interface RunningSprout {
  readonly node: SipNode
  /** Adds its interface for homestead and for operators. */
  addRoutes(server: HttpServer): void
  /** Finishes calls that are being set up, and takes nothing new any more. */
  readonly quiescence: Quiescing
  /** Finishes what is under way, at most until the deadline (Unix ms), and closes the ports. */
  close(deadline: number): Promise<void>
}

/**
 * Opens the core's ports, 5052 I-CSCF, 5053 BGCF, 5054 S-CSCF and those of built-in servers, UDP and TCP each, with
 * their functions behind them.
 *
 * @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED, ADDRESS_NOT_LOCAL
 */
export async function startSprout(
  options: SproutOptions,
  around: SproutSurroundings,
): Promise<RunningSprout> {
  const { clock, net, resolver } = around
  const log = around.log.with({ daemon: 'sprout' })
  const node = new SipNode({ clock, timers: RFC_TIMERS, log, net, resolver, ...around.protection })
  const numbers = enumOf(options)
  const core = new Core(options, {
    ...around,
    log,
    node,
    ...(numbers === undefined ? {} : { enum: numbers }),
  })
  const { bindAddress: address, localHost, ports } = options
  try {
    for (const [name, handle] of functionsOf(core, serversOf(options, around))) {
      const { port, hosts } = placeOf(name, options)
      const service = { point: { name, host: localHost, port: port ?? ports.scscf }, handle }
      for (const host of hosts) {
        for (const uriPort of [0, service.point.port]) net.announce(host, uriPort, service)
      }
      if (port === undefined) continue
      const outbound = name === 'scscf'
      await node.listen(events => UdpTransport.open({ address, port, name, events }), service, outbound)
      await node.listen(
        events => TcpTransport.open({ address, port, name, events, clock }),
        service,
        outbound,
      )
      net.announce(localHost, port, service)
    }
  } catch (error) {
    await node.close(0)
    throw error
  }
  watchUnanswered(core)
  watchExpiry(core)
  log.info('sprout is ready', { ports })
  return {
    node,
    addRoutes: server => addRegistrationRoutes(server, core),
    // Nobody is tied to a sprout but by what is being answered (sip.md §3.12).
    quiescence: {
      begin: () => node.drain(clock.now() + LONGEST_DRAIN),
      end: () => Promise.resolve(node.takeAgain()),
    },
    close: deadline => node.close(deadline),
  }
}

/** What is behind the name of each built-in server that is switched on. */
function serversOf(
  { servers }: SproutOptions,
  { recorder, documents }: SproutSurroundings,
): ReadonlyMap<ServerName, ApplicationServer> {
  const make: Readonly<Record<ServerName, () => ApplicationServer>> = {
    mmtel: () => openMmtel(documents),
    cdiv: () => cdiv,
    gemini: () => gemini,
    mangelwurzel: () => mangelwurzel,
    memento: () => {
      if (recorder === undefined) throw new CwError('BUG', 'Memento is switched on without a recorder')
      return memento(recorder)
    },
  }
  return new Map(servers.map(({ name }) => [name, make[name]()]))
}

/** Where a function listens, if it has a port of its own, and the hosts that lead to it. */
function placeOf(
  name: FunctionName,
  options: SproutOptions,
): { readonly port: number | undefined; readonly hosts: readonly string[] } {
  if (isCscf(name)) return { port: options.ports[name], hosts: [`${name}.${options.sproutHostname}`] }
  const ports = new Map(options.servers.map(server => [server.name, server.port]))
  return { port: ports.get(name), hosts: serverHosts(name, options) }
}
