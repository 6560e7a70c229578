import { andThen, type Awaitable } from '../../lib/kit/awaitable.ts'
import type { Clock } from '../../lib/kit/clock.ts'
import { isEmergencyUrn } from '../../lib/ims/emergency.ts'
import { impuOf } from '../../lib/ims/identity.ts'
import { withSessionAnswer, withSessionExpires } from '../../lib/ims/session-timer.ts'
import { newTag } from '../../lib/sip/branch.ts'
import type { NextHop, Sender, ServerExchange } from '../../lib/sip/exchange.ts'
import { forward, forwardAck, type Fork } from '../../lib/sip/forward.ts'
import { H } from '../../lib/sip/header-names.ts'
import type { HeaderEdit } from '../../lib/sip/headers.ts'
import { responseTo, type SipRequest, type SipResponse } from '../../lib/sip/message.ts'
import { parseNameAddr } from '../../lib/sip/name-addr.ts'
import { nextHopOf, topRoute } from '../../lib/sip/routing.ts'
import { formatUri, parseUri, uriParam, type SipUri } from '../../lib/sip/uri.ts'
import { parseMaxForwards } from '../../lib/sip/values.ts'
import type { FlowIdentity } from '../../lib/store/flow-store.ts'
import { supportEarlyMedia } from './early-media.ts'
import type { ClientFlow, FlowTable } from './flows.ts'
import { agreeToKeepAlives } from './keep-alive.ts'
import type { BonoOptions } from './options.ts'
import { register, type RegistrationEdge } from './register.ts'
import { removeClaims, removeSecrets, responseFrom, responseTowards } from './trust.ts'

/** Requests that neither make nor refresh a dialog, so that a Record-Route in them would mean nothing. */
const NO_RECORD_ROUTE = new Set(['ACK', 'BYE', 'CANCEL', 'PRACK'])

/**
 * The edge proxy: P-CSCF for clients, IBCF for trunks (TS 24.229 §5.2, §5.10).
 *
 * What comes from outside is checked, stripped of what only the core may say, and given an asserted identity; what
 * goes outside is stripped of what is the core's business. Each dialog runs through two Record-Routes, one a side.
 */
export class Edge implements RegistrationEdge {
  readonly options: BonoOptions
  readonly node: Sender & { readonly clock: Clock }
  readonly flows: FlowTable
  /** This node as the core sees it, `host:port`. */
  readonly coreName: string
  /** Route of requests that have no better one. */
  readonly upstreamRoute: string
  readonly upstreamHop: NextHop

  constructor(options: BonoOptions, node: Edge['node'], flows: FlowTable) {
    this.options = options
    this.node = node
    this.flows = flows
    this.coreName = `${options.localHost}:${options.ports.trusted}`
    const { host, port } = options.upstream
    const upstream = `sip:${port === undefined ? host : `${host}:${port}`};transport=TCP;lr;orig`
    this.upstreamRoute = `<${upstream}>`
    const uri = parseUri(upstream)
    if (uri?.kind !== 'sip') throw new TypeError(`upstream ${upstream} is not a SIP URI`)
    this.upstreamHop = { via: 'uri', uri }
  }

  /** A request from outside: ports 5060 and 5062. */
  fromOutside(exchange: ServerExchange): Awaitable<void> {
    const { request, flow } = exchange
    if (flow === undefined || this.#answerPoll(exchange)) return
    if (request.method !== 'ACK') {
      const refusal = refusalOf(request)
      if (refusal !== undefined) return this.refuse(exchange, refusal)
    }
    if (this.options.trustedPeers.includes(flow.remoteAddress)) return this.#fromTrunk(exchange)
    if (request.method === 'REGISTER') return register(exchange, this)
    const client = this.flows.find(flow) ?? (this.#isForAnybody(request) ? this.flows.open(flow) : undefined)
    if (client === undefined) return this.refuse(exchange, 403)
    return this.#fromClient(exchange, client)
  }

  /** A request from the core: port 5058. */
  async fromCore(exchange: ServerExchange): Promise<void> {
    if (this.#answerPoll(exchange)) return
    const { request } = exchange
    if (request.method === 'REGISTER') return this.refuse(exchange, 405)
    const { routed, token } = this.#withoutOwnRoutes(request)
    if (token !== undefined) {
      const client = this.flows.findByToken(token)
      if (client === undefined) return this.refuse(exchange, 430)
      return this.#toClient(exchange, routed, client)
    }
    if (!routed.headers.has(H.Route) && this.#isOwnTarget(routed)) {
      return this.#passOn(exchange, routed, this.upstreamHop)
    }
    const hop = nextHopOf(routed)
    if (hop === undefined) return this.refuse(exchange, 416)
    if (this.options.trustedPeers.includes(hop.uri.host)) return this.#toTrunk(exchange, routed, hop)
    return this.#passOn(exchange, routed, hop)
  }

  /** Answers without forwarding; an ACK is dropped. */
  refuse(exchange: ServerExchange, status: number): void {
    if (exchange.request.method === 'ACK') return
    const edit =
      status === 420
        ? (headers: HeaderEdit): unknown =>
            headers.append(H.Unsupported, exchange.request.headers.lines(H['Proxy-Require']).join(', '))
        : undefined
    exchange.respond(
      responseTo(exchange.request, status, {
        toTag: newTag(),
        ...(edit === undefined ? {} : { edit: headers => void edit(headers) }),
      }),
    )
  }

  /** P-Charging headers of this edge, where charging is configured (RFC 7315). */
  addCharging(edit: HeaderEdit, request: SipRequest): void {
    const { cdfIdentity, publicHost } = this.options
    if (cdfIdentity === undefined) return
    const icid = request.callId.replace(/[@"]/g, '')
    edit.set(H['P-Charging-Function-Addresses'], `ccf=${cdfIdentity}`)
    edit.set(H['P-Charging-Vector'], `icid-value=${icid};icid-generated-at=${publicHost}`)
  }

  async #fromClient(exchange: ServerExchange, client: ClientFlow): Promise<void> {
    const { request } = exchange
    const identities = this.#identitiesOf(request, client)
    const [served] = identities
    const { routed, token, seal } = this.#withoutOwnRoutes(request)
    // In a dialog a client goes the way it was given, and no other.
    if (!request.isInitial && !this.#isGivenOut(routed, token, seal)) return this.refuse(exchange, 403)
    if (served === undefined && !this.#isForAnybody(request)) return this.refuse(exchange, 403)

    const edit = removeClaims(routed.headers.edit(), 'client').remove(H['P-Preferred-Identity'])
    for (const { asserted } of identities) edit.append(H['P-Asserted-Identity'], asserted)
    if (request.isInitial) {
      // Where its requests enter the core is for the core to say, as it did when the client registered.
      edit.remove(H.Route)
      const usual = served === undefined ? this.upstreamRoute.replace(';orig', '') : this.upstreamRoute
      const routes = served === undefined || served.serviceRoute.length === 0 ? [usual] : served.serviceRoute
      for (const route of routes) edit.append(H.Route, route)
    }
    this.#recordRoute(edit, request, this.#outerUri(client), this.#innerUri())
    this.addCharging(edit, request)
    supportEarlyMedia(edit, request)
    agreeToKeepAlives(edit, request, client.flow)
    const plain = routed.with(edit.done())
    const outgoing = plain.with(withSessionExpires(plain, this.options.sessionExpires))
    const hop = nextHopOf(outgoing)
    if (hop === undefined) return this.refuse(exchange, 416)
    return this.#forward(exchange, { request: outgoing, hop }, response => {
      const answer = responseTowards(withSessionAnswer(response, request, outgoing), 'client')
      // Somebody talks to a caller whom we do not know: what follows in the call is theirs too.
      if (served === undefined && answer.status < 300) this.flows.keepForCall(client)
      return request.isInitial ? this.#withSealedRoutes(answer, client) : answer
    })
  }

  /**
   * Whether a request needs no identity: a call to an emergency service where such calls may be anonymous (TS 24.229
   * §5.2.10.4), and what is said in it afterwards.
   */
  #isForAnybody(request: SipRequest): boolean {
    if (!this.options.allowAnonymousEmergencyCalls) return false
    return !request.isInitial || isEmergencyUrn(request.uri)
  }

  #toClient(exchange: ServerExchange, routed: SipRequest, client: ClientFlow): Awaitable<void> {
    const edit = removeSecrets(routed.headers, 'client')
    const seal = this.flows.seal(client.token, routed.headers.list(H['Record-Route']))
    this.#recordRoute(edit, routed, this.#innerUri(), this.#outerUri(client, seal))
    const plain = routed.with(edit.done())
    const outgoing = plain.with(withSessionExpires(plain, this.options.sessionExpires))
    return this.#forward(exchange, { request: outgoing, hop: { via: 'flow', flow: client.flow } }, response =>
      withSessionAnswer(responseFrom(response, 'client'), exchange.request, outgoing),
    )
  }

  async #fromTrunk(exchange: ServerExchange): Promise<void> {
    const { request } = exchange
    if (request.method === 'REGISTER') return this.refuse(exchange, 405)
    const top = topRoute(request)
    if (top !== undefined && uriParam(top, 'orig') !== undefined) return this.refuse(exchange, 403)
    const { routed } = this.#withoutOwnRoutes(request)
    const edit = removeClaims(routed.headers.edit(), 'trunk')
    this.#withoutOurIdentities(edit, request)
    if (request.isInitial) {
      edit.remove(H.Route).append(H.Route, this.upstreamRoute.replace(';orig', ''))
    }
    this.#recordRoute(edit, request, this.#trunkUri(), this.#innerUri())
    this.addCharging(edit, request)
    const target = request.parsedUri
    const own = target?.kind === 'sip' && this.#isOwnHost(target.host)
    const uri = own ? formatUri({ ...target, host: this.options.homeDomains[0] }) : request.uri
    const outgoing = routed.with(edit.done(), uri)
    const hop = nextHopOf(outgoing)
    if (hop === undefined) return this.refuse(exchange, 416)
    return this.#forward(exchange, { request: outgoing, hop }, response => responseTowards(response, 'trunk'))
  }

  /** Another network says who its own users are, not who ours are. */
  #withoutOurIdentities(edit: HeaderEdit, request: SipRequest): void {
    const asserted = request.headers.list(H['P-Asserted-Identity'])
    const theirs = asserted.filter(text => {
      const uri = parseUri(parseNameAddr(text)?.uri ?? '')
      return uri !== undefined && !(uri.kind === 'sip' && this.#isHomeDomain(uri.host))
    })
    if (theirs.length === asserted.length) return
    edit.remove(H['P-Asserted-Identity'])
    for (const identity of theirs) edit.append(H['P-Asserted-Identity'], identity)
  }

  #toTrunk(exchange: ServerExchange, routed: SipRequest, hop: NextHop): Awaitable<void> {
    const edit = removeSecrets(routed.headers, 'trunk')
    this.#recordRoute(edit, routed, this.#innerUri(), this.#trunkUri())
    return this.#forward(exchange, { request: routed.with(edit.done()), hop }, response =>
      responseFrom(response, 'trunk'),
    )
  }

  #passOn(exchange: ServerExchange, request: SipRequest, hop: NextHop): Awaitable<void> {
    return this.#forward(exchange, { request, hop }, response => response)
  }

  #forward(
    exchange: ServerExchange,
    fork: Fork,
    onResponse: (response: SipResponse) => SipResponse,
  ): Awaitable<void> {
    if (exchange.request.method === 'ACK') {
      forwardAck(fork.request, fork.hop, this.node, this.coreName)
      return
    }
    const forwarded = forward(exchange, [fork], { sender: this.node, as: this.coreName, onResponse })
    return andThen(forwarded, ({ response }) => {
      if (response.status >= 300) exchange.respond(response)
    })
  }

  /** Monitors ask this node, not somebody behind it (sip.md §1.4): answered whatever the load. */
  #answerPoll(exchange: ServerExchange): boolean {
    const { request } = exchange
    if (request.method !== 'OPTIONS' || !this.#isOwnTarget(request)) return false
    const routes = request.headers.list(H.Route)
    const top = topRoute(request)
    if (routes.length > 1 || (routes.length === 1 && (top === undefined || !this.#isOwn(top)))) return false
    exchange.respond(responseTo(request, 200, { toTag: newTag() }))
    return true
  }

  /**
   * Who sends a client's request: the identity it prefers, or that of its From, or the flow's default, and only one
   * that has registered over this flow (TS 24.229 §5.2.6.3). It may prefer two, a name and a number (RFC 3325 §9.2).
   *
   * @returns the one that is served first; none if the request may not be sent
   */
  #identitiesOf(request: SipRequest, client: ClientFlow): readonly FlowIdentity[] {
    const now = this.node.clock.now()
    const preferred = request.headers.list(H['P-Preferred-Identity'])
    if (preferred.length === 0) {
      const usual = client.identity(impuOfText(request.from?.uri), now) ?? client.defaultIdentity(now)
      return usual === undefined ? [] : [usual]
    }
    const known = preferred
      .map(text => client.identity(impuOfText(parseNameAddr(text)?.uri), now))
      .filter(identity => identity !== undefined)
    if (known.length !== preferred.length || known.length > 2) return []
    const numbers = known.filter(({ impu }) => impu.startsWith('tel:')).length
    return known.length === 1 || numbers === 1 ? known : []
  }

  /**
   * Takes our Routes off the top. Each dialog has two of them, one a side; the one with the token names the client's
   * flow.
   */
  #withoutOwnRoutes(request: SipRequest): {
    readonly routed: SipRequest
    readonly token: string | undefined
    readonly seal: string | undefined
  } {
    let named: SipUri | undefined
    let routed = request
    for (let taken = 0; taken < 2; taken++) {
      const top = topRoute(routed)
      if (top === undefined || !this.#isOwn(top)) break
      if (top.user !== undefined && named !== undefined) break
      if (top.user !== undefined) named = top
      routed = routed.with(routed.headers.withoutTop(H.Route))
    }
    return { routed, token: named?.user, seal: named === undefined ? undefined : uriParam(named, 'seal') }
  }

  #isGivenOut(routed: SipRequest, token: string | undefined, seal: string | undefined): boolean {
    return token !== undefined && seal === this.flows.seal(token, routed.headers.list(H.Route))
  }

  /**
   * Seals the Route set that a caller takes from a response: the Record-Routes from the bottom up, of which ours are
   * the first two (RFC 3261 §12.1.2; that a proxy may change its own on the way back is §16.7 step 8).
   */
  #withSealedRoutes(response: SipResponse, client: ClientFlow): SipResponse {
    const recorded = response.headers.list(H['Record-Route'])
    const own = recorded.findLastIndex(route => route.includes(`:${client.token}@`))
    if (own < 1) return response
    const seal = this.flows.seal(client.token, recorded.slice(0, own - 1).reverse())
    const sealed = recorded.with(own, this.#outerUri(client, seal))
    return response.with(response.headers.edit().set(H['Record-Route'], sealed.join(', ')).done())
  }

  #isOwn(uri: SipUri): boolean {
    const { ports } = this.options
    const { port } = uri
    return (
      this.#isOwnHost(uri.host) &&
      (port === undefined || port === ports.untrusted || port === ports.trusted || port === ports.websocket)
    )
  }

  #isOwnHost(host: string): boolean {
    return host === this.options.localHost || host === this.options.publicHost
  }

  #isHomeDomain(host: string): boolean {
    return this.options.homeDomains.includes(host.toLowerCase())
  }

  #isOwnTarget(request: SipRequest): boolean {
    const target = request.parsedUri
    return target?.kind === 'sip' && this.#isOwn(target)
  }

  #recordRoute(edit: HeaderEdit, request: SipRequest, below: string, top: string): void {
    if (NO_RECORD_ROUTE.has(request.method)) return
    edit.prepend(H['Record-Route'], below).prepend(H['Record-Route'], top)
  }

  #outerUri(client: ClientFlow, seal?: string): string {
    const { flow, token } = client
    const port = flow.transport === 'WS' ? this.options.ports.websocket : this.options.ports.untrusted
    const mark = seal === undefined ? '' : `;seal=${seal}`
    return `<sip:${token}@${this.options.publicHost}:${port};transport=${flow.transport};lr${mark}>`
  }

  #innerUri(): string {
    return `<sip:${this.coreName};transport=TCP;lr>`
  }

  #trunkUri(): string {
    return `<sip:${this.options.publicHost}:${this.options.ports.untrusted};transport=TCP;lr>`
  }
}

const SCHEMES = new Set(['sip', 'sips', 'tel', 'urn'])

/** What every request from outside must have right (sip.md §2.1), in this order. */
function refusalOf(request: SipRequest): number | undefined {
  const scheme = request.uri.slice(0, request.uri.indexOf(':')).toLowerCase()
  if (!SCHEMES.has(scheme)) return 416
  const target = request.parsedUri
  // A Request-URI may not carry headers (RFC 3261 §19.1.1, RFC 4475 §3.1.2.11).
  if (target === undefined || (target.kind === 'sip' && target.headers !== '')) return 400
  const hops = parseMaxForwards(request.headers.get(H['Max-Forwards']) ?? '70') ?? 0
  if (hops <= 1) return 483
  if (request.headers.has(H['Proxy-Require'])) return 420
  return undefined
}

function impuOfText(text: string | undefined): ReturnType<typeof impuOf> {
  const uri = text === undefined ? undefined : parseUri(text)
  return uri === undefined ? undefined : impuOf(uri)
}
