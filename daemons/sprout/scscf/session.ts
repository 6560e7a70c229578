import type { Answer, RegistrationData } from '../../../lib/ims/homestead.ts'
import { classifyUri, impuOf, type Impu } from '../../../lib/ims/identity.ts'
import { originatingUser } from '../../../lib/ims/originating-user.ts'
import { defaultImpuOf, servedIdentity } from '../../../lib/ims/registered-set.ts'
import type { ImsSubscription, ServiceProfile } from '../../../lib/ims/subscription.ts'
import { withSecondIdentity } from '../../../lib/ims/asserted-identity.ts'
import type { ServerExchange } from '../../../lib/sip/exchange.ts'
import { forwardAck, type Fork } from '../../../lib/sip/forward.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import { nextHopOf, sipUriOf, topRoute, withoutOwnRoute } from '../../../lib/sip/routing.ts'
import { uriParam, type Uri } from '../../../lib/sip/uri.ts'
import type { Binding } from '../../../lib/store/registration-store.ts'
import { startsDialog, type Core } from '../core.ts'
import { forgetBinding } from './registrar.ts'

/** At most so many contacts of a user ring at once. */
const MOST_FORKS = 10

/** A request to or from a served user, other than REGISTER (TS 24.229 §5.4.3). */
export async function session(exchange: ServerExchange, core: Core): Promise<void> {
  const { request, own } = withoutOwnRoute(exchange.request, uri => core.isLocal(uri))
  if (!request.isInitial) return byRoute(exchange, withoutPassesHere(request, core), core)
  const originating = own !== undefined && uriParam(own, 'orig') !== undefined
  return originating ? originate(exchange, request, core) : terminate(exchange, request, core)
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

async function originate(exchange: ServerExchange, request: SipRequest, core: Core): Promise<void> {
  const user = originatingUser(request)
  const impu = user === undefined || !isServed(user, core) ? undefined : impuOf(user)
  if (impu === undefined) return byRoute(exchange, request, core)
  const served = await serve(impu, core)
  if (typeof served === 'number') return core.answer(exchange, served)
  if (served.barred) return core.answer(exchange, 403)

  const edit = request.headers.edit()
  recordRoute(edit, request, 'charge-orig', core)
  withSecondIdentity(edit, request.headers, served.profile, core.options.homeDomains[0])
  // The application servers of the profile are visited here, before the request leaves for its target.
  const left = request.with(edit.done())
  if (left.headers.has(H.Route)) return byRoute(exchange, left, core)
  return toTarget(exchange, left, core)
}

/** A target of ours is the I-CSCF's to find, any other the BGCF's to route (sip.md §6.5, without ENUM). */
function toTarget(exchange: ServerExchange, request: SipRequest, core: Core): Promise<void> | void {
  const target = request.parsedUri
  const kind = target === undefined ? 'unknown' : classifyUri(target, core.uriContext)
  if (kind === 'unknown') return core.answer(exchange, 400)
  const next = kind === 'offnet-sip' ? core.bgcfRoute : core.icscfRoute
  const routed = request.with(request.headers.edit().append(H.Route, next).done())
  return byRoute(exchange, routed, core)
}

// Terminating (§5.4.3.3)

async function terminate(exchange: ServerExchange, request: SipRequest, core: Core): Promise<void> {
  const target = request.parsedUri
  // A Route below ours was put there by somebody trusted, who has chosen the target.
  if (request.headers.has(H.Route) || target === undefined || !isServed(target, core)) {
    return byRoute(exchange, request, core)
  }
  const impu = impuOf(target)
  if (impu === undefined) return core.answer(exchange, 400)
  const served = await serve(impu, core)
  if (typeof served === 'number') return core.answer(exchange, served)
  if (served.barred && !served.emergencyOnly) return core.answer(exchange, 404)
  // The application servers of the callee's profile are visited here, before its contacts.
  return toContacts(exchange, request, impu, served, core)
}

async function toContacts(
  exchange: ServerExchange,
  request: SipRequest,
  impu: Impu,
  served: Served,
  core: Core,
): Promise<void> {
  const stored = await core.registrations.get(served.setName)
  const now = core.clock.now()
  const targets = targetsOf(stored?.value.bindings ?? [], served, now)
  if (targets.length === 0) return core.answer(exchange, 480)

  const edit = request.headers.edit().set(H['P-Called-Party-ID'], `<${impu}>`)
  recordRoute(edit, request, 'charge-term', core)
  const shared = edit.done()
  const forks: Fork[] = []
  const keys: string[] = []
  for (const binding of targets) {
    const fork = forkTo(binding, request.with(shared, binding.uri))
    if (fork === undefined) continue
    forks.push(fork)
    keys.push(binding.key)
  }
  const [first] = forks
  if (first === undefined) return core.answer(exchange, 480)
  if (request.method === 'ACK') {
    forwardAck(first.request, first.hop, core.node, core.nameOf('scscf'))
    return
  }
  const { response } = await core.forward(exchange, forks, 'scscf', {
    onForkEnd: (fork, end) => {
      const key = keys[fork]
      const flowIsGone = typeof end === 'object' && end.status === 430
      if (flowIsGone && key !== undefined) core.inBackground(forgetBinding(core, served.setName, key))
    },
  })
  if (response.status >= 300) exchange.respond(response)
}

/** The contacts that ring: at most ten, by q, then by how fresh they are. */
function targetsOf(bindings: readonly Binding[], served: Served, now: number): readonly Binding[] {
  return bindings
    .filter(binding => binding.expiresAt > now && (!served.emergencyOnly || binding.emergency))
    .sort((a, b) => b.q - a.q || b.expiresAt - a.expiresAt)
    .slice(0, MOST_FORKS)
}

/** The way to a contact is the Path it registered over (RFC 3327 §5.3). */
function forkTo(binding: Binding, request: SipRequest): Fork | undefined {
  const [first] = binding.paths
  if (first === undefined) {
    const hop = nextHopOf(request)
    return hop === undefined ? undefined : { request, hop }
  }
  const edit = request.headers.edit()
  for (const path of binding.paths) edit.append(H.Route, path)
  const uri = sipUriOf(first)
  return uri === undefined ? undefined : { request: request.with(edit.done()), hop: { via: 'uri', uri } }
}

// Both

/** The user on whose behalf a request is handled. */
interface Served {
  readonly subscription: ImsSubscription
  readonly profile: ServiceProfile
  /** Default identity of the implicit registration set: the key of its record. */
  readonly setName: Impu
  readonly barred: boolean
  /** Only contacts of an emergency registration may be reached. */
  readonly emergencyOnly: boolean
}

/** @returns the user's profile, or the SIP status to answer with */
async function serve(impu: Impu, core: Core): Promise<Served | number> {
  const answer: Answer<RegistrationData> = await core.homestead.registrationData(impu, {
    type: 'call',
    serverName: core.scscfUri,
  })
  if (!answer.ok) return answer.status === 503 || answer.status === 504 ? 504 : 404
  const { subscription } = answer.value
  const found = subscription === undefined ? undefined : servedIdentity(subscription, impu)
  if (subscription === undefined || found === undefined) return 404
  const setName = defaultImpuOf(subscription) ?? impu
  const { barred } = found.identity
  return { subscription, profile: found.profile, setName, barred, emergencyOnly: false }
}

/** Users of ours have an address at home or a number (sip.md §6.2 step 4). */
function isServed(uri: Uri, core: Core): boolean {
  return uri.kind === 'tel' || (uri.kind === 'sip' && (core.isHome(uri) || core.isLocal(uri)))
}

/** Stays in the dialog, as the cluster: any sprout may serve what follows (sip.md §6.9, level `pcscf`). */
function recordRoute(
  edit: { prepend(id: (typeof H)['Record-Route'], value: string): unknown },
  request: SipRequest,
  role: 'charge-orig' | 'charge-term',
  core: Core,
): void {
  if (!startsDialog(request)) return
  const { sproutHostname } = core.options
  edit.prepend(H['Record-Route'], `<sip:scscf.${sproutHostname};transport=TCP;lr;billing-role=${role}>`)
}
