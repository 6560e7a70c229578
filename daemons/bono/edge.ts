import { andThen, type Awaitable } from '../../lib/kit/awaitable.ts'
import type { Clock } from '../../lib/kit/clock.ts'
import { isEmergencyUrn } from '../../lib/ims/emergency.ts'
import { withSessionAnswer, withSessionExpires } from '../../lib/ims/session-timer.ts'
import { newTag } from '../../lib/sip/branch.ts'
import type { NextHop, Sender, ServerExchange } from '../../lib/sip/exchange.ts'
import { forward, forwardAck, type Fork } from '../../lib/sip/forward.ts'
import { H, type HeaderId } from '../../lib/sip/header-names.ts'
import type { HeaderEdit } from '../../lib/sip/headers.ts'
import { responseTo, type SipRequest, type SipResponse } from '../../lib/sip/message.ts'
import { isEmergency } from '../../lib/sip/priority.ts'
import { nextHopOf, topRoute } from '../../lib/sip/routing.ts'
import type { Flow } from '../../lib/sip/transport/flow.ts'
import { formatUri, parseUri, uriParam } from '../../lib/sip/uri.ts'
import { faultOf } from './acceptance.ts'
import { Calls, concernsCall } from './calls.ts'
import { supportEarlyMedia } from './early-media.ts'
import { endedIdentities, isOfRegistrar } from './ended-registrations.ts'
import type { ClientFlow, FlowTable } from './flows.ts'
import { identitiesOf, withoutIdentitiesAt } from './identities.ts'
import { agreeToKeepAlives } from './keep-alive.ts'
import type { BonoOptions } from './options.ts'
import { register, type RegistrationEdge } from './register.ts'
import { EdgeRoutes } from './routes.ts'
import { removeClaims, removeSecrets, responseFrom, responseTowards, type Outsider } from './trust.ts'

/** A Proxy-Authorization that proves nothing, and asks the core for a challenge. */
const NO_CREDENTIALS = 'Digest username="", realm="", nonce="", uri="", response=""'

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
  readonly routes: EdgeRoutes
  /** Route of requests that have no better one. */
  readonly upstreamRoute: string
  readonly upstreamHop: NextHop
  /** Set while this edge is about to go. */
  quiescing = false
  /** Those with trunks and PBXes. */
  readonly #peerCalls = new Calls()

  constructor(options: BonoOptions, node: Edge['node'], flows: FlowTable) {
    this.options = options
    this.node = node
    this.flows = flows
    this.routes = new EdgeRoutes(options)
    const { host, port } = options.upstream
    const upstream = `sip:${port === undefined ? host : `${host}:${port}`};transport=TCP;lr;orig`
    this.upstreamRoute = `<${upstream}>`
    const uri = parseUri(upstream)
    if (uri?.kind !== 'sip') throw new TypeError(`upstream ${upstream} is not a SIP URI`)
    this.upstreamHop = { via: 'uri', uri }
  }

  /**
   * What comes from somebody who is not known here, before anything else is done about it: the status of its answer.
   * Undefined for who is known, for who registers, and for what anybody may ask: a poll, and help.
   */
  turnsAway(request: SipRequest, flow: Flow): number | undefined {
    if (request.method === 'REGISTER' || this.#isPeer(flow) || this.flows.find(flow) !== undefined)
      return undefined
    if (this.routes.isPoll(request) || isEmergency(request) || this.#isForAnybody(request)) return undefined
    return faultOf(request, this.options.priorities)?.status ?? 403
  }

  /** A request from outside: ports 5060 and 5062. */
  fromOutside(exchange: ServerExchange): Awaitable<void> {
    const { request, flow } = exchange
    if (flow === undefined || this.#answerPoll(exchange)) return
    if (request.method !== 'ACK') {
      const fault = faultOf(request, this.options.priorities)
      if (fault !== undefined) return this.refuse(exchange, fault.status, fault.header)
    }
    if (this.options.trustedPeers.includes(flow.remoteAddress)) return this.#fromTrunk(exchange)
    if (request.method === 'REGISTER') return register(exchange, this)
    if (this.options.pbxes.includes(flow.remoteAddress)) return this.#fromPbx(exchange)
    const client = this.flows.find(flow) ?? (this.#isForAnybody(request) ? this.flows.open(flow) : undefined)
    if (client === undefined) return this.refuse(exchange, 403)
    return this.#fromClient(exchange, client)
  }

  /** A request from the core: port 5058. */
  async fromCore(exchange: ServerExchange): Promise<void> {
    if (this.#answerPoll(exchange)) return
    const { request } = exchange
    if (request.method === 'REGISTER') return this.refuse(exchange, 405)
    if (isOfRegistrar(request) && this.routes.isOwnTarget(request)) return this.#endRegistrations(exchange)
    const { routed, token } = this.routes.withoutOwn(request)
    if (token !== undefined) {
      const client = this.flows.findByToken(token)
      if (client === undefined) return this.refuse(exchange, 430)
      return this.#toClient(exchange, routed, client)
    }
    if (!routed.headers.has(H.Route) && this.routes.isOwnTarget(routed)) {
      return this.#passOn(exchange, routed, this.upstreamHop)
    }
    const hop = nextHopOf(routed)
    if (hop === undefined) return this.refuse(exchange, 416)
    if (this.options.trustedPeers.includes(hop.uri.host)) return this.#toPeer(exchange, routed, hop, 'trunk')
    if (this.options.pbxes.includes(hop.uri.host)) return this.#toPeer(exchange, routed, hop, 'client')
    return this.#passOn(exchange, routed, hop)
  }

  /** Nobody may speak over a flow any more for whom the core has de-registered. */
  async #endRegistrations(exchange: ServerExchange): Promise<void> {
    const { parsedUri: target, body } = exchange.request
    const token = target?.kind === 'sip' ? target.user : undefined
    const client = token === undefined ? undefined : this.flows.findByToken(token)
    if (client === undefined) return this.refuse(exchange, 481)
    const ended = endedIdentities(body)
    if (ended === undefined) return this.refuse(exchange, 400)
    await this.flows.revoke(client, ended)
    exchange.respond(responseTo(exchange.request, 200, { toTag: newTag() }))
  }

  /** Whether any client is registered here, or any call goes on. */
  isInUse(): boolean {
    const now = this.node.clock.now()
    return this.#peerCalls.areOpen(now) || this.flows.areInUse(now)
  }

  /** Answers without forwarding; an ACK is dropped. */
  refuse(exchange: ServerExchange, status: number, header?: readonly [id: HeaderId, value: string]): void {
    if (exchange.request.method === 'ACK') return
    const edit = header === undefined ? {} : { edit: (headers: HeaderEdit) => void headers.append(...header) }
    exchange.respond(responseTo(exchange.request, status, { toTag: newTag(), ...edit }))
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
    const identities = identitiesOf(request, client, this.node.clock.now())
    const [served] = identities
    const { routed, token, seal } = this.routes.withoutOwn(request)
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
    this.routes.record(edit, request, this.routes.outer(client), this.routes.inner)
    this.addCharging(edit, request)
    supportEarlyMedia(edit, request)
    agreeToKeepAlives(edit, request, client.flow)
    const plain = routed.with(edit.done())
    const outgoing = plain.with(withSessionExpires(plain, this.options.sessionExpires))
    const hop = nextHopOf(outgoing)
    if (hop === undefined) return this.refuse(exchange, 416)
    return this.#forward(exchange, { request: outgoing, hop }, response => {
      const answer = responseTowards(withSessionAnswer(response, request, outgoing), 'client')
      this.#noteCall(client, request, answer)
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
    this.routes.record(edit, routed, this.routes.inner, this.routes.outer(client, seal))
    const plain = routed.with(edit.done())
    const outgoing = plain.with(withSessionExpires(plain, this.options.sessionExpires))
    return this.#forward(
      exchange,
      { request: outgoing, hop: { via: 'flow', flow: client.flow } },
      response => {
        const answer = withSessionAnswer(responseFrom(response, 'client'), exchange.request, outgoing)
        this.#noteCall(client, routed, answer)
        return answer
      },
    )
  }

  async #fromTrunk(exchange: ServerExchange): Promise<void> {
    const { request } = exchange
    if (request.method === 'REGISTER') return this.refuse(exchange, 405)
    const top = topRoute(request)
    if (top !== undefined && uriParam(top, 'orig') !== undefined) return this.refuse(exchange, 403)
    const { routed } = this.routes.withoutOwn(request)
    const edit = removeClaims(routed.headers.edit(), 'trunk')
    withoutIdentitiesAt(this.options.homeDomains, edit, request)
    if (request.isInitial) {
      edit.remove(H.Route).append(H.Route, this.upstreamRoute.replace(';orig', ''))
    }
    this.routes.record(edit, request, this.routes.peers, this.routes.inner)
    this.addCharging(edit, request)
    const target = request.parsedUri
    const own = target?.kind === 'sip' && this.routes.isOwnHost(target.host)
    const uri = own ? formatUri({ ...target, host: this.options.homeDomains[0] }) : request.uri
    const outgoing = routed.with(edit.done(), uri)
    const hop = nextHopOf(outgoing)
    if (hop === undefined) return this.refuse(exchange, 416)
    return this.#forward(exchange, { request: outgoing, hop }, response => {
      this.#notePeerCall(request, response)
      return responseTowards(response, 'trunk')
    })
  }

  /**
   * A PBX that does not register (sip.md §3.7) is known by its address alone, and so the core is given something to
   * challenge it by. Who calls is what its From says, for the core to check.
   */
  async #fromPbx(exchange: ServerExchange): Promise<void> {
    const { request } = exchange
    const { routed } = this.routes.withoutOwn(request)
    const edit = removeClaims(routed.headers.edit(), 'client')
    if (request.isInitial) {
      const { pbxServiceRoute } = this.options
      edit
        .remove(H.Route)
        .append(H.Route, pbxServiceRoute === undefined ? this.upstreamRoute : `<${pbxServiceRoute}>`)
      if (!request.headers.has(H['Proxy-Authorization']))
        edit.append(H['Proxy-Authorization'], NO_CREDENTIALS)
    }
    this.routes.record(edit, request, this.routes.peers, this.routes.inner)
    this.addCharging(edit, request)
    supportEarlyMedia(edit, request)
    const outgoing = routed.with(edit.done())
    const hop = nextHopOf(outgoing)
    if (hop === undefined) return this.refuse(exchange, 416)
    return this.#forward(exchange, { request: outgoing, hop }, response => {
      this.#notePeerCall(request, response)
      return responseTowards(response, 'client')
    })
  }

  #toPeer(exchange: ServerExchange, routed: SipRequest, hop: NextHop, peer: Outsider): Awaitable<void> {
    const edit = removeSecrets(routed.headers, peer)
    this.routes.record(edit, routed, this.routes.inner, this.routes.peers)
    return this.#forward(exchange, { request: routed.with(edit.done()), hop }, response => {
      this.#notePeerCall(routed, response)
      return responseFrom(response, peer)
    })
  }

  /** An edge that is to go waits for the calls of its clients. */
  #noteCall(client: ClientFlow, request: SipRequest, response: SipResponse): void {
    if (concernsCall(request, response)) client.calls.note(request, response, this.node.clock.now())
  }

  #notePeerCall(request: SipRequest, response: SipResponse): void {
    if (concernsCall(request, response)) this.#peerCalls.note(request, response, this.node.clock.now())
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
      forwardAck(fork.request, fork.hop, this.node, this.routes.coreName)
      return
    }
    const forwarded = forward(exchange, [fork], { sender: this.node, as: this.routes.coreName, onResponse })
    return andThen(forwarded, ({ response }) => {
      if (response.status >= 300) exchange.respond(response)
    })
  }

  /** Answered whatever the load. */
  #answerPoll(exchange: ServerExchange): boolean {
    const { request } = exchange
    if (!this.routes.isPoll(request)) return false
    exchange.respond(responseTo(request, 200, { toTag: newTag() }))
    return true
  }

  #isPeer({ remoteAddress }: Flow): boolean {
    return this.options.trustedPeers.includes(remoteAddress) || this.options.pbxes.includes(remoteAddress)
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
    const sealed = recorded.with(own, this.routes.outer(client, seal))
    return response.with(response.headers.edit().set(H['Record-Route'], sealed.join(', ')).done())
  }
}
