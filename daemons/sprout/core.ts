import { scscfUriOf } from '../../lib/config/names.ts'
import type { Awaitable } from '../../lib/kit/awaitable.ts'
import type { Clock } from '../../lib/kit/clock.ts'
import type { Log } from '../../lib/kit/log.ts'
import type { Homestead } from '../../lib/ims/homestead.ts'
import { Gruus } from '../../lib/ims/gruu.ts'
import { isHomeDomain, type UriContext } from '../../lib/ims/identity.ts'
import type { EnumService } from '../../lib/ims/enum/enum.ts'
import { Criteria } from '../../lib/ims/ifc/criteria.ts'
import { newTag } from '../../lib/sip/branch.ts'
import type { Sender, ServerExchange } from '../../lib/sip/exchange.ts'
import { forward, forwardAck, type Fork, type ForwardOptions, type Outcome } from '../../lib/sip/forward.ts'
import { responseTo, type ResponseOptions, type SipRequest } from '../../lib/sip/message.ts'
import { parseUri, type SipUri } from '../../lib/sip/uri.ts'
import type { ChallengeStore } from '../../lib/store/challenge-store.ts'
import type { RegistrationStore } from '../../lib/store/registration-store.ts'
import type { TimerService } from '../../lib/timers/timer-service.ts'
import type { ServerName, SproutOptions } from './options.ts'
import type { Visit } from './scscf/visit.ts'

/** The network functions of sprout. */
export type FunctionName = (typeof CSCF_NAMES)[number] | ServerName

/** Those that every sprout has. */
export const CSCF_NAMES = ['icscf', 'scscf', 'bgcf'] as const

export function isCscf(name: FunctionName): name is (typeof CSCF_NAMES)[number] {
  return (CSCF_NAMES as readonly FunctionName[]).includes(name)
}

/** What sprout works with; the embedded ones of one machine or those of a deployment. */
export interface CoreSurroundings {
  readonly clock: Clock
  readonly log: Log
  readonly node: Sender
  readonly homestead: Homestead
  readonly registrations: RegistrationStore
  readonly challenges: ChallengeStore
  readonly timers: TimerService
  /** What temporary GRUUs are enciphered with: the same for all sprouts, and after a restart. */
  readonly gruuSecret: string
  /** What numbers stand for; absent: nobody knows. */
  readonly enum?: EnumService
}

/** What the functions of one sprout share: their names, their stores, and how they send. */
export class Core implements Omit<CoreSurroundings, 'enum' | 'gruuSecret'> {
  readonly options: SproutOptions
  readonly clock: Clock
  readonly log: Log
  readonly node: Sender
  readonly homestead: Homestead
  readonly registrations: RegistrationStore
  readonly challenges: ChallengeStore
  readonly timers: TimerService
  readonly gruus: Gruus
  /** Server-Name of the S-CSCF cluster in Cx, and its address in Service-Route and Record-Route. */
  readonly scscfUri: string
  /** Host and port that application servers send requests back to: this very node, which waits for them. */
  readonly scscfNode: string
  readonly icscfRoute: string
  readonly bgcfRoute: string
  readonly uriContext: UriContext
  /** How a target is classed when ENUM has been asked: an address at home is one, whatever its user looks like. */
  readonly routingContext: UriContext
  readonly criteria: Criteria
  readonly enum: EnumService | undefined
  /** Application servers that are being visited, by the token of the visit. */
  readonly visits = new Map<string, Visit>()
  readonly #localNames: ReadonlySet<string>
  readonly #sentBy: ReadonlyMap<FunctionName, string>
  readonly #scscfHost: string

  constructor(options: SproutOptions, around: CoreSurroundings) {
    this.options = options
    this.clock = around.clock
    this.log = around.log
    this.node = around.node
    this.homestead = around.homestead
    this.registrations = around.registrations
    this.challenges = around.challenges
    this.timers = around.timers
    this.gruus = new Gruus(around.gruuSecret)
    this.enum = around.enum
    const { sproutHostname, localHost, homeDomains, ports, servers } = options
    this.scscfUri = scscfUriOf(sproutHostname, ports.scscf)
    const node = parseUri(options.scscfNodeUri ?? '')
    this.scscfNode = node?.kind === 'sip' ? hostAndPort(node) : `${localHost}:${ports.scscf}`
    this.icscfRoute = `<${options.externalIcscfUri ?? `sip:icscf.${sproutHostname};transport=TCP`};lr>`
    this.bgcfRoute = `<sip:bgcf.${sproutHostname};transport=TCP;lr>`
    this.#scscfHost = `scscf.${sproutHostname}`
    this.#sentBy = new Map<FunctionName, string>([
      ...CSCF_NAMES.map(name => [name, `${name}.${sproutHostname}:${ports[name]}`] as const),
      ...servers.map(({ name, port }) => [name, `${name}.${sproutHostname}:${port ?? ports.scscf}`] as const),
    ])
    this.#localNames = new Set([
      localHost,
      ...(node?.kind === 'sip' ? [node.host] : []),
      sproutHostname,
      ...CSCF_NAMES.map(name => `${name}.${sproutHostname}`),
      ...servers.flatMap(({ name }) => serverHosts(name, options)),
    ])
    this.uriContext = {
      homeDomains,
      localNames: [...this.#localNames],
      enforceUserPhone: options.enforceUserPhone,
      enforceGlobalOnly: options.enforceGlobalOnlyLookups,
    }
    this.routingContext =
      around.enum === undefined ? this.uriContext : { ...this.uriContext, preferSip: true }
    this.criteria = new Criteria({
      log: around.log,
      sets: () => options.criteriaSets,
      appliesFallback: () => options.applyFallbackIfcs,
    })
  }

  /** sent-by of a function's Via, as if its hop were on the wire. */
  nameOf(name: FunctionName): string {
    return this.#sentBy.get(name) ?? name
  }

  /** True for the names and addresses of this node. */
  isLocal(uri: SipUri): boolean {
    return this.#localNames.has(uri.host) || this.#localNames.has(uri.host.toLowerCase())
  }

  /** True for the name that this cluster's S-CSCF puts into Record-Route. */
  isScscf(uri: SipUri): boolean {
    return uri.host === this.#scscfHost && (uri.port === undefined || uri.port === this.options.ports.scscf)
  }

  isHome(uri: SipUri): boolean {
    return isHomeDomain(uri.host, this.uriContext)
  }

  /** For work that no answer waits for: its failure is logged and harms nobody else. */
  inBackground(work: () => Awaitable<unknown>): void {
    const failed = (error: unknown): void => this.log.error('background work failed', { error })
    try {
      const working = work()
      if (working instanceof Promise) working.catch(failed)
    } catch (error) {
      failed(error)
    }
  }

  /** Answers a request here; an ACK is dropped. */
  answer(exchange: ServerExchange, status: number, options: ResponseOptions = {}): void {
    if (exchange.request.method === 'ACK') return
    exchange.respond(responseTo(exchange.request, status, { toTag: newTag(), ...options }))
  }

  /** Forwards to one or several next hops; resolves when a final response has gone up or is the caller's to send. */
  forward(
    exchange: ServerExchange,
    forks: readonly Fork[],
    as: FunctionName,
    options: Partial<ForwardOptions> = {},
  ): Awaitable<Outcome> {
    return forward(exchange, forks, { sender: this.node, as: this.nameOf(as), ...options })
  }

  /** Forwards to one next hop and passes every answer on. */
  async proxy(exchange: ServerExchange, fork: Fork, as: FunctionName): Promise<void> {
    if (exchange.request.method === 'ACK') {
      forwardAck(fork.request, fork.hop, this.node, this.nameOf(as))
      return
    }
    const { response } = await this.forward(exchange, [fork], as)
    if (response.status >= 300) exchange.respond(response)
  }
}

/** Hosts by which a built-in server is known: what criteria are written with by default names the home domain. */
export function serverHosts(
  name: ServerName,
  { sproutHostname, homeDomains }: Pick<SproutOptions, 'sproutHostname' | 'homeDomains'>,
): readonly string[] {
  return [sproutHostname, ...homeDomains].map(domain => `${name}.${domain}`)
}

function hostAndPort({ host, port }: SipUri): string {
  return port === undefined ? host : `${host}:${port}`
}

/** Methods that can start a dialog, so that a proxy which wants to stay in it must say so. */
export function startsDialog(request: SipRequest): boolean {
  return (
    request.method === 'INVITE' ||
    request.method === 'SUBSCRIBE' ||
    request.method === 'REFER' ||
    request.method === 'NOTIFY'
  )
}
