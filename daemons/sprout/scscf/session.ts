import { withSecondIdentity } from '../../../lib/ims/asserted-identity.ts'
import { assertService } from '../../../lib/ims/communication-service.ts'
import { isEmergencyUrn } from '../../../lib/ims/emergency.ts'
import { classifyUri, impuOf } from '../../../lib/ims/identity.ts'
import { originatingUser } from '../../../lib/ims/originating-user.ts'
import type { ServerExchange } from '../../../lib/sip/exchange.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import { nextHopOf, topRoute, withoutOwnRoute } from '../../../lib/sip/routing.ts'
import { uriParam, type SipUri } from '../../../lib/sip/uri.ts'
import type { Core } from '../core.ts'
import { toEmergencyCentre } from '../emergency.ts'
import { leadsOut, translated } from '../translate.ts'
import { chainFor, visitServers, type Chain } from './as-chain.ts'
import { authenticateSender, claimedSender } from './authentication.ts'
import { toContacts } from './contacts.ts'
import { withoutTermIoi } from './isc.ts'
import { parseOdi, type OdiToken } from './odi.ts'
import { recordRoute, recordsInner } from './record-route.ts'
import { ReturnedExchange } from './returned-exchange.ts'
import { isServed, serve, type Served } from './served.ts'

/** A request to or from a served user, other than REGISTER (TS 24.229 §5.4.3). */
export async function session(exchange: ServerExchange, core: Core): Promise<void> {
  const { request, own } = withoutOwnRoute(exchange.request, uri => core.isLocal(uri))
  if (!request.isInitial) return byRoute(exchange, withoutPassesHere(request, core), core)
  const token = own?.user === undefined ? undefined : parseOdi(own.user)
  if (token !== undefined && request.method !== 'ACK') return goOn(exchange, token, core)
  const originating = own !== undefined && uriParam(own, 'orig') !== undefined
  return originating ? originate(exchange, request, own, core) : terminate(exchange, request, core)
}

/**
 * A call between two users of ours has this S-CSCF twice in its Route set, for the caller and for the callee. In the
 * dialog both passes are made at once.
 */
function withoutPassesHere(request: SipRequest, core: Core): SipRequest {
  let left = request
  for (let top = topRoute(left); top !== undefined && core.isScscf(top); top = topRoute(left)) {
    left = left.with(left.headers.withoutTop(H.Route))
  }
  return left
}

/** In a dialog, or for nobody of ours: the Route set or the Request-URI decides. */
function byRoute(exchange: ServerExchange, request: SipRequest, core: Core): Promise<void> | void {
  const hop = nextHopOf(request)
  return hop === undefined ? core.answer(exchange, 400) : core.proxy(exchange, { request, hop }, 'scscf')
}

// Originating (§5.4.3.2)

async function originate(
  exchange: ServerExchange,
  request: SipRequest,
  own: SipUri,
  core: Core,
): Promise<void> {
  const user = originatingUser(request)
  const impu = user === undefined || !isServed(user, core) ? undefined : impuOf(user)
  if (impu === undefined) return byRoute(exchange, request, core)
  const proves = isToBeProven(request, core)
  if (proves && (await authenticateSender(exchange, impu, core)) === undefined) return
  // Who cannot register is registered by calling (sip.md §3.7).
  const registers = uriParam(own, 'auto-reg') !== undefined
  const served = await serve(impu, request, core, registers ? claimedSender(request, impu, core) : undefined)
  if (typeof served === 'number') return core.answer(exchange, served)
  if (served.barred) return core.answer(exchange, 403)

  const edit = request.headers.edit()
  if (proves) edit.remove(H['Proxy-Authorization'])
  recordRoute(edit, request, 'charge-orig', core)
  assertService(edit, request, served.profile)
  withSecondIdentity(edit, request.headers, served.profile, core.options.homeDomains[0])
  const left = request.with(edit.done())
  const chain = chainFor(served, 'orig', request, core)
  if (chain === undefined) return toTarget(exchange, left, core)
  return visitServers(exchange, left, chain, core, last => toTarget(exchange, last, core))
}

/** Whether a request that begins here has to be its sender's (`non_register_authentication`). */
function isToBeProven({ method, headers }: SipRequest, { options }: Core): boolean {
  if (options.nonRegisterAuthentication === 'never' || method === 'ACK') return false
  return headers.has(H['Proxy-Authorization'])
}

/**
 * Where the originating side ends: a Route that is left decides, else a target of ours is the I-CSCF's to find, any
 * other, and a number that ENUM does not know, the BGCF's to route (sip.md §6.5).
 */
async function toTarget(exchange: ServerExchange, request: SipRequest, core: Core): Promise<void> {
  if (request.headers.has(H.Route)) return byRoute(exchange, request, core)
  const called = await translated(request, 'any', core)
  const target = called.parsedUri
  const kind = target === undefined ? 'unknown' : classifyUri(target, core.routingContext)
  if (target === undefined || kind === 'unknown') {
    return isEmergencyUrn(called.uri)
      ? toEmergencyCentre(exchange, called, 'scscf', core)
      : core.answer(exchange, 400)
  }
  const next = leadsOut(kind, target, core) ? core.bgcfRoute : core.icscfRoute
  const routed = called.with(called.headers.edit().append(H.Route, next).done())
  return byRoute(exchange, routed, core)
}

// Terminating (§5.4.3.3)

async function terminate(exchange: ServerExchange, request: SipRequest, core: Core): Promise<void> {
  const target = request.parsedUri
  // A Route below ours was put there by somebody trusted, who has chosen the target.
  if (request.headers.has(H.Route) || target === undefined || !isServed(target, core)) {
    return byRoute(exchange, request, core)
  }
  const impu = core.gruus.userOf(target)
  if (impu === undefined) return core.answer(exchange, impuOf(target) === undefined ? 400 : 404)
  const served = await serve(impu, request, core)
  if (typeof served === 'number') return core.answer(exchange, served)
  if (served.barred && !served.emergencyOnly) return core.answer(exchange, 404)
  const chain = chainFor(served, 'term', request, core)
  if (chain === undefined) return toContacts(exchange, request, served, core)
  return visitServers(exchange, request, chain, core, last => toContacts(exchange, last, served, core))
}

// Back from an application server

/** Goes on with the chain of servers where the token says, with the request as the server has left it (§5.4.3.4). */
async function goOn(arrived: ServerExchange, token: OdiToken, core: Core): Promise<void> {
  const visit = core.visits.get(token.visit)
  // The session has gone on without this server, and may be ringing elsewhere.
  if (visit?.givenUp === true) return core.answer(arrived, 487)
  visit?.returned()
  const served = await serve(token.impu, arrived.request, core)
  if (typeof served === 'number') return core.answer(arrived, served)
  const exchange = ReturnedExchange.of(arrived, token.maxForwards)
  const { request } = withoutOwnRoute(exchange.request, uri => core.isLocal(uri))
  if (token.side === 'term') return goOnTerminating(exchange, request, token, served, core)
  return goOnOriginating(exchange, request, chainAt(token, served, core), core)
}

function goOnOriginating(
  exchange: ServerExchange,
  request: SipRequest,
  chain: Chain,
  core: Core,
): Promise<void> {
  return visitServers(exchange, request, chain, core, last => toTarget(exchange, inSight(last, core), core))
}

async function goOnTerminating(
  exchange: ServerExchange,
  request: SipRequest,
  token: OdiToken,
  served: Served,
  core: Core,
): Promise<void> {
  const target = request.parsedUri
  if (target !== undefined && core.gruus.userOf(target) === token.impu) {
    return visitServers(exchange, request, chainAt(token, served, core), core, last =>
      last.headers.has(H.Route) ? byRoute(exchange, last, core) : toContacts(exchange, last, served, core),
    )
  }
  // Sent elsewhere: by a Route the server has chosen the way too, else the callee's services for that are due.
  if (request.headers.has(H.Route)) return byRoute(exchange, request, core)
  const diverted = request.with(withoutTermIoi(request.headers))
  const chain = chainFor(served, 'cdiv', request, core)
  if (chain === undefined) return toTarget(exchange, inSight(diverted, core), core)
  return goOnOriginating(exchange, diverted, chain, core)
}

function chainAt(token: OdiToken, served: Served, core: Core): Chain {
  const { side, registered, next } = token
  return { served, side, registered, from: next, criteria: core.criteria.of(served.profile) }
}

/** The originating side is left by another pass than the one that began it. */
function inSight(request: SipRequest, core: Core): SipRequest {
  if (!recordsInner(core)) return request
  const edit = request.headers.edit()
  recordRoute(edit, request, 'charge-none', core)
  return request.with(edit.done())
}
