import { impuOf } from '../../lib/ims/identity.ts'
import { andThen, type Awaitable } from '../../lib/kit/awaitable.ts'
import type { Clock } from '../../lib/kit/clock.ts'
import { detached } from '../../lib/kit/text.ts'
import {
  credentialsOf,
  hasEmergencyContact,
  isDeregistration,
  registeredImpu,
} from '../../lib/ims/register-request.ts'
import type { NextHop, Sender, ServerExchange } from '../../lib/sip/exchange.ts'
import { authParam, formatCredentials, withAuthParam, withoutAuthParam } from '../../lib/sip/credentials.ts'
import { forward } from '../../lib/sip/forward.ts'
import { H } from '../../lib/sip/header-names.ts'
import type { HeaderEdit } from '../../lib/sip/headers.ts'
import type { SipRequest, SipResponse } from '../../lib/sip/message.ts'
import { restOfList } from '../../lib/sip/list.ts'
import { parseNameAddr } from '../../lib/sip/name-addr.ts'
import { parseUri } from '../../lib/sip/uri.ts'
import { parseContact, parseDeltaSeconds } from '../../lib/sip/values.ts'
import type { FlowIdentity } from '../../lib/store/flow-store.ts'
import { withoutAkaKeys } from './aka-keys.ts'
import { edgeExpiry, type ClientFlow, type FlowTable } from './flows.ts'
import { agreeToKeepAlives, withFlowTimer } from './keep-alive.ts'
import type { BonoOptions } from './options.ts'
import type { EdgeRoutes } from './routes.ts'
import { removeClaims, responseTowards } from './trust.ts'

/** What only an edge may say in credentials. */
const CLAIM = 'integrity-protected'
/** Lifetime of a binding whose 200 does not say, in seconds. */
const DEFAULT_EXPIRES = 300

/** What a registration needs of the edge it comes through. */
export interface RegistrationEdge {
  readonly options: BonoOptions
  readonly node: Sender & { readonly clock: Clock }
  readonly flows: FlowTable
  readonly routes: EdgeRoutes
  /** Where requests enter the core, as a Route and as a next hop. */
  readonly upstreamRoute: string
  readonly upstreamHop: NextHop
  /** Set while this edge is about to go. */
  readonly quiescing: boolean
  /** Answers without forwarding. */
  refuse(exchange: ServerExchange, status: number): void
  /** Adds P-Charging headers, where charging is configured. */
  addCharging(edit: HeaderEdit, request: SipRequest): void
}

/**
 * A client registers (TS 24.229 §5.2.2): its request goes to the core with a Path back to its flow; when the core
 * accepts it, the flow may speak for the identities of the answer.
 */
export function register(exchange: ServerExchange, edge: RegistrationEdge): Awaitable<void> {
  const { flow, request } = exchange
  if (flow === undefined) return edge.refuse(exchange, 405)
  if (!edge.options.allowEmergencyRegistration && hasEmergencyContact(request))
    return edge.refuse(exchange, 503)
  const client = edge.flows.open(flow)
  // It finds another edge by DNS, once its call is over (sip.md §3.12). Who leaves need not go anywhere else for it.
  if (edge.quiescing && !client.isInCall(edge.node.clock.now()) && !isDeregistration(request))
    return edge.refuse(exchange, 305)

  const outgoing = towardsCore(request, client, edge)
  const forwarded = forward(exchange, [{ request: outgoing, hop: edge.upstreamHop }], {
    sender: edge.node,
    as: edge.routes.coreName,
    holdFinal: true,
  })

  return andThen(forwarded, ({ response }) => {
    const noted = response.status === 200 ? noteIdentities(response, request, client, edge) : undefined
    return andThen(noted, () => {
      const answer = withFlowTimer(responseTowards(response, 'client'), flow)
      exchange.respond(answer.status === 401 ? withoutAkaKeys(answer) : answer)
    })
  })
}

function towardsCore(request: SipRequest, client: ClientFlow, edge: RegistrationEdge): SipRequest {
  const { options } = edge
  const edit = removeClaims(request.headers.edit(), 'client').remove(H.Route)
  const secure = request.to?.uri.startsWith('sips:') === true ? 'sips' : 'sip'
  const firstHop = hasOneVia(request) ? ';ob' : ''
  edit.prepend(H.Path, `<${secure}:${client.token}@${edge.routes.coreName};transport=TCP;lr${firstHop}>`)
  edit.append(H.Route, edge.upstreamRoute)
  edit.append(H['P-Visited-Network-ID'], options.homeDomains[0])
  edge.addCharging(edit, request)
  agreeToKeepAlives(edit, request, client.flow)
  markAuthorization(edit, request, client, edge)
  return request.with(edit.done())
}

/**
 * Says in the credentials what this edge vouches for (TS 24.229 §5.2.2). A client's own word on it would save it the
 * challenge and is taken out. `no` is never said: the S-CSCF would understand a wish for AKA.
 */
function markAuthorization(
  edit: HeaderEdit,
  request: SipRequest,
  client: ClientFlow,
  edge: RegistrationEdge,
): void {
  const given = request.headers.get(H.Authorization)
  const isKnown = client.identity(registeredImpu(request), edge.node.clock.now()) !== undefined
  if (given === undefined) {
    if (isKnown) edit.set(H.Authorization, `Digest username="${userOf(request)}", ${CLAIM}=ip-assoc-yes`)
    return
  }
  const credentials = credentialsOf(request)
  // Malformed ones go on for the registrar to refuse; what it could yet take for a claim must not.
  if (credentials === undefined) {
    edit.set(H.Authorization, given.replace(/integrity-protected/gi, 'x-claim'))
    return
  }
  const answers = (authParam(credentials, 'response') ?? '') !== ''
  const mark = isKnown ? 'ip-assoc-yes' : answers ? 'ip-assoc-pending' : undefined
  const claims = authParam(credentials, CLAIM) !== undefined
  const isAlone = request.headers.count(H.Authorization) === 1
  if (!claims && mark === undefined && isAlone) return
  const own = claims ? withoutAuthParam(credentials, CLAIM) : credentials
  const text = claims ? formatCredentials(own) : given
  if (mark !== undefined)
    edit.set(
      H.Authorization,
      own.params.length === 0 ? `${own.scheme} ${CLAIM}=${mark}` : `${text},${CLAIM}=${mark}`,
      withAuthParam(own, CLAIM, mark, false),
    )
  else if (own.params.length === 0) edit.remove(H.Authorization)
  else edit.set(H.Authorization, text, own)
}

function userOf(request: SipRequest): string {
  return request.to?.uri.replace(/^sips?:/, '').replace(/;.*/, '') ?? ''
}

function noteIdentities(
  response: SipResponse,
  request: SipRequest,
  client: ClientFlow,
  edge: RegistrationEdge,
): Awaitable<void> {
  const path = response.headers.top(H.Path)
  if (path === undefined || !path.includes(`:${client.token}@`)) return
  const associated = response.headers.list(H['P-Associated-URI'])
  const names = associated.length > 0 ? associated : [`<${request.to?.uri ?? ''}>`]
  const serviceRoute = edge.flows.sharedRoute(response.headers.list(H['Service-Route']))
  const lifetime = grantedLifetime(response, request)
  if (lifetime === undefined) return
  const expiresAt = edgeExpiry(edge.node.clock.now(), lifetime)
  const identities: FlowIdentity[] = []
  names.forEach((asserted, index) => {
    const uri = uriOfNameAddr(asserted)
    const impu = uri === undefined ? undefined : impuOf(uri)
    if (impu === undefined) return
    const { token, flow } = client
    const { remoteAddress: address, remotePort: port } = flow
    const point = flow.local.name ?? ''
    identities.push({
      token,
      address,
      port,
      point,
      impu: detached(impu),
      asserted: detached(asserted),
      serviceRoute,
      expiresAt,
      isDefault: index === 0,
    })
  })
  if (lifetime > 0) return edge.flows.authorise(client, identities)
  return edge.flows.revoke(
    client,
    identities.map(identity => identity.impu),
  )
}

/** Only the first hop speaks for the client's flow (RFC 5626 §5.1). */
function hasOneVia(request: SipRequest): boolean {
  return request.headers.count(H.Via) === 1 && restOfList(request.headers.get(H.Via) ?? '') === ''
}

/**
 * How long the contacts of a REGISTER were accepted for, in seconds: the longest of theirs in the 200, not of others'
 * that it lists too. 0 when none of them is left; undefined when it asked for nothing.
 */
function grantedLifetime(response: SipResponse, request: SipRequest): number | undefined {
  const asked = request.headers.list(H.Contact)
  if (asked.length === 0) return undefined
  const own = new Set(asked.map(text => parseNameAddr(text)?.uri))
  const general = parseDeltaSeconds(response.headers.get(H.Expires) ?? '')
  let longest = 0
  for (const text of response.headers.list(H.Contact)) {
    const contact = parseContact(text)
    if (contact?.kind !== 'address' || !own.has(contact.address.uri)) continue
    longest = Math.max(longest, contact.expires ?? general ?? DEFAULT_EXPIRES)
  }
  return longest
}

function uriOfNameAddr(text: string): ReturnType<typeof parseUri> {
  const address = parseNameAddr(text)
  return address === undefined ? undefined : parseUri(address.uri)
}
