import type { Clock } from '../../lib/kit/clock.ts'
import type { Log } from '../../lib/kit/log.ts'
import type { Homestead } from '../../lib/ims/homestead.ts'
import type { ServerExchange, SipFunction } from '../../lib/sip/exchange.ts'
import type { LocalNet } from '../../lib/sip/local-net.ts'
import { SipNode, type NodeProtection } from '../../lib/sip/node.ts'
import type { Resolver } from '../../lib/sip/resolver.ts'
import { topRoute } from '../../lib/sip/routing.ts'
import { RFC_TIMERS } from '../../lib/sip/transaction/timers.ts'
import { TcpTransport } from '../../lib/sip/transport/tcp.ts'
import { UdpTransport } from '../../lib/sip/transport/udp.ts'
import { uriParam, type SipUri } from '../../lib/sip/uri.ts'
import type { ChallengeStore } from '../../lib/store/challenge-store.ts'
import type { RegistrationStore } from '../../lib/store/registration-store.ts'
import type { TimerService } from '../../lib/timers/timer-service.ts'
import { bgcf } from './bgcf/bgcf.ts'
import { Core, type FunctionName } from './core.ts'
import { icscf } from './icscf/icscf.ts'
import type { SproutOptions } from './options.ts'
import { isPoll, answerPoll } from './poll.ts'
import { watchUnanswered } from './scscf/authentication.ts'
import { watchExpiry } from './scscf/registrar.ts'
import { scscf } from './scscf/scscf.ts'

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
}

export interface RunningSprout {
  readonly node: SipNode
  /** Finishes what is under way, at most until the deadline (Unix ms), and closes the ports. */
  close(deadline: number): Promise<void>
}

const FUNCTIONS = { icscf, scscf, bgcf } as const
const NAMES = Object.keys(FUNCTIONS) as readonly FunctionName[]

/**
 * Opens the core's ports, 5052 I-CSCF, 5053 BGCF, 5054 S-CSCF, UDP and TCP each, with their functions behind them.
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
  const core = new Core(options, { ...around, log, node })
  const { bindAddress: address, localHost, ports, sproutHostname } = options
  try {
    for (const name of NAMES) {
      const port = ports[name]
      const service = { point: { name, host: localHost, port }, handle: dispatcher(name, core) }
      const outbound = name === 'scscf'
      await node.listen(events => UdpTransport.open({ address, port, name, events }), service, outbound)
      await node.listen(
        events => TcpTransport.open({ address, port, name, events, clock }),
        service,
        outbound,
      )
      net.announce(localHost, port, service)
      for (const uriPort of [0, port]) net.announce(`${name}.${sproutHostname}`, uriPort, service)
    }
  } catch (error) {
    await node.close(0)
    throw error
  }
  watchUnanswered(core)
  watchExpiry(core)
  log.info('sprout is ready', { ports })
  return { node, close: deadline => node.close(deadline) }
}

/** Hands a request to the function it names, or else to that of the port it arrived at (sip.md §1.3). */
function dispatcher(name: FunctionName, core: Core): SipFunction {
  return (exchange: ServerExchange) => {
    if (isPoll(exchange.request, core)) {
      answerPoll(exchange, core)
      return
    }
    const refusal = refusalOf(exchange)
    if (refusal !== undefined) {
      core.answer(exchange, refusal)
      return
    }
    return FUNCTIONS[namedFunction(exchange, core) ?? name](exchange, core)
  }
}

function namedFunction(exchange: ServerExchange, core: Core): FunctionName | undefined {
  const { request } = exchange
  const target = request.parsedUri
  const uri = topRoute(request) ?? (target?.kind === 'sip' ? target : undefined)
  if (uri === undefined || !core.isLocal(uri)) return undefined
  return NAMES.find(name => names(uri, name))
}

function names(uri: SipUri, name: FunctionName): boolean {
  if (uriParam(uri, 'service') === name) return true
  return uri.host.length > name.length && uri.host.charAt(name.length) === '.' && uri.host.startsWith(name)
}

const SCHEMES = ['sip', 'sips', 'tel', 'urn']

function refusalOf(exchange: ServerExchange): number | undefined {
  const { uri } = exchange.request
  const scheme = uri.slice(0, uri.indexOf(':')).toLowerCase()
  return SCHEMES.includes(scheme) ? undefined : 416
}
