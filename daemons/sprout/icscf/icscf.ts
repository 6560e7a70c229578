import { classifyUri, defaultImpi, impuOf, type Impi, type Impu } from '../../../lib/ims/identity.ts'
import type { Answer, ServerChoice } from '../../../lib/ims/homestead.ts'
import {
  credentialsOf,
  hasEmergencyContact,
  isDeregistration,
  registeredImpu,
} from '../../../lib/ims/register-request.ts'
import { isEmergencyUrn } from '../../../lib/ims/emergency.ts'
import { originatingUser } from '../../../lib/ims/originating-user.ts'
import { authParam } from '../../../lib/sip/credentials.ts'
import { andThen, type Awaitable } from '../../../lib/kit/awaitable.ts'
import type { ServerExchange } from '../../../lib/sip/exchange.ts'
import type { Outcome } from '../../../lib/sip/forward.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import { nextHopOf, withoutOwnRoute } from '../../../lib/sip/routing.ts'
import { formatUri, uriParam, type SipUri, type Uri } from '../../../lib/sip/uri.ts'
import type { Core } from '../core.ts'
import { toEmergencyCentre } from '../emergency.ts'
import { numberOf } from '../number.ts'
import { leadsOut, translated } from '../translate.ts'
import { Candidates } from './candidates.ts'

/** Result codes with which an identity has, or may be given, an S-CSCF (TS 29.229 §6.2). */
const SUCCESS = new Set([2001, 2002, 2003])
const NOT_REGISTERED = 5003

/** The I-CSCF (TS 24.229 §5.3): finds the S-CSCF of who registers or is called, and steps out of the way. */
export function icscf(exchange: ServerExchange, core: Core): Awaitable<void> {
  const { request, own } = withoutOwnRoute(exchange.request, uri => core.isLocal(uri))
  if (request.method === 'REGISTER') return registerAt(exchange, request, core)
  if (request.headers.has(H.Route)) {
    const hop = nextHopOf(request)
    return hop === undefined ? core.answer(exchange, 400) : core.proxy(exchange, { request, hop }, 'icscf')
  }
  if (request.method === 'ACK') return
  return locate(exchange, request, own !== undefined && uriParam(own, 'orig') !== undefined, core)
}

// Registration (§5.3.1)

function registerAt(exchange: ServerExchange, request: SipRequest, core: Core): Awaitable<void> {
  const impu = registeredImpu(request)
  if (impu === undefined) return core.answer(exchange, 400)
  const query = {
    impi: impiOf(request, impu, core),
    impu,
    visitedNetwork: request.headers.get(H['P-Visited-Network-ID']) ?? core.options.homeDomains[0],
    authType: isDeregistration(request) ? ('DEREG' as const) : ('REG' as const),
    emergency: hasEmergencyContact(request),
  }
  return andThen(core.homestead.registrationStatus(query), first => {
    const refusal = refusalOfStatus(first)
    if (refusal !== undefined) return core.answer(exchange, refusal)

    const candidates = new Candidates(core)
    const ask = async (): Promise<Answer<ServerChoice>> => {
      const answer = await core.homestead.registrationStatus({ ...query, authType: 'CAPAB' })
      return refusalOfStatus(answer) === 403 ? { ok: false, status: 403 } : answer
    }
    return andThen(first.ok ? candidates.first(first.value, ask) : 600, target => {
      if (typeof target === 'number') return core.answer(exchange, target)
      return andThen(toScscf(exchange, request, target, core), outcome =>
        mayTryAnother(outcome)
          ? tryOthers(exchange, request, outcome, () => candidates.another(ask), core)
          : exchange.respond(outcome.response),
      )
    })
  })
}

/** After an S-CSCF that does not serve, those that can do what the subscriber server asks for. */
async function tryOthers(
  exchange: ServerExchange,
  request: SipRequest,
  first: Outcome,
  another: () => ReturnType<Candidates['another']>,
  core: Core,
): Promise<void> {
  let outcome = first
  while (mayTryAnother(outcome) && exchange.cancelled === undefined) {
    const other = await another()
    if (typeof other === 'number') return core.answer(exchange, other)
    outcome = await toScscf(exchange, request, other, core)
  }
  exchange.respond(outcome.response)
}

/** REGISTER goes by its Request-URI, which becomes the S-CSCF's (§5.3.1.2). */
function toScscf(
  exchange: ServerExchange,
  request: SipRequest,
  target: SipUri,
  core: Core,
): Awaitable<Outcome> {
  const headers = request.headers.edit().remove(H.Route).done()
  const rewritten = request.with(headers, formatUri(target))
  return core.forward(exchange, [{ request: rewritten, hop: { via: 'uri', uri: target } }], 'icscf', {
    holdFinal: true,
  })
}

function mayTryAnother(outcome: Outcome): boolean {
  const { status } = outcome.response
  return (
    outcome.made === 'timeout' ||
    outcome.made === 'unreachable' ||
    (status >= 300 && status < 400) ||
    status === 480
  )
}

function refusalOfStatus(answer: Answer<ServerChoice>): number | undefined {
  if (!answer.ok) return answer.status === 404 || answer.status === 403 ? 403 : 480
  const { resultCode } = answer.value
  if (SUCCESS.has(resultCode)) return undefined
  return resultCode === NOT_REGISTERED ? 480 : 403
}

function impiOf(request: SipRequest, impu: Impu, core: Core): Impi {
  const credentials = credentialsOf(request)
  const username = credentials === undefined ? undefined : authParam(credentials, 'username')
  return (username ?? defaultImpi(impu, core.options.homeDomains[0])) as Impi
}

// Everything else (§5.3.2)

async function locate(
  exchange: ServerExchange,
  request: SipRequest,
  originating: boolean,
  core: Core,
): Promise<void> {
  if (!originating && isEmergencyUrn(request.uri)) return toEmergencyCentre(exchange, request, 'icscf', core)
  const uri = originating ? originatingUser(request) : request.parsedUri
  if (uri === undefined) return core.answer(exchange, 400)
  const impu = core.gruus.userOf(uri)
  if (impu === undefined) return core.answer(exchange, impuOf(uri) === undefined ? 400 : 404)
  const plain = request.with(request.headers.edit().remove(H['P-Profile-Key']).done())

  let answer = await core.homestead.location({ impu, originating })
  let target = plain
  const number = originating || found(answer) ? undefined : numberOf(uri, core.uriContext)
  if (number !== undefined && uri.kind === 'sip') {
    // The callee may be known by number only.
    target = plain.with(plain.headers, `tel:${number}`)
    answer = await core.homestead.location({ impu: `tel:${number}` as Impu })
  }
  // A number may be known by what ENUM makes of it, and that by what ENUM makes of that.
  for (let round = 0; isUnknown(answer) && number !== undefined && round < MOST_TRANSLATIONS; round++) {
    const next = await translated(target, 'any', core)
    const to = next.parsedUri
    if (next === target || to === undefined) break
    target = next
    const known = leadsOut(classifyUri(to, core.routingContext), to, core) ? undefined : impuOf(to)
    if (known === undefined) return notOurs(exchange, target, to, originating, core)
    answer = await core.homestead.location({ impu: known })
  }
  if (!answer.ok && answer.status !== 404) return core.answer(exchange, 480)
  if (!found(answer) || !answer.ok) {
    if (answer.ok && answer.value.resultCode === NOT_REGISTERED) return core.answer(exchange, 480)
    return notOurs(exchange, plain, uri, originating, core)
  }
  const { wildcardIdentity } = answer.value
  const candidates = new Candidates(core)
  const ask = (): Awaitable<Answer<ServerChoice>> =>
    core.homestead.location({ impu: impuOfTarget(target, impu, originating), originating, authType: 'CAPAB' })
  let scscf: SipUri | number = await candidates.first(answer.value, ask)
  for (;;) {
    if (typeof scscf === 'number') return core.answer(exchange, scscf)
    const edit = target.headers
      .edit()
      .append(H.Route, `<${formatUri(scscf)};lr${originating ? ';orig' : ''}>`)
    if (wildcardIdentity !== undefined) edit.append(H['P-Profile-Key'], `<${encodeURI(wildcardIdentity)}>`)
    const fork = { request: target.with(edit.done()), hop: { via: 'uri', uri: scscf } as const }
    const progress = { heard: false }
    const { response, made } = await core.forward(exchange, [fork], 'icscf', {
      onResponse: each => {
        if (each.status < 200) progress.heard = true
        return each
      },
    })
    // What an S-CSCF says itself is the answer (sip.md §6.7), unlike with REGISTER. Who has rung does not ring again.
    if (progress.heard || (made !== 'timeout' && made !== 'unreachable')) {
      if (response.status >= 300) exchange.respond(response)
      return
    }
    scscf = await candidates.another(ask)
  }
}

/** How often ENUM is asked for a callee: a circle of entries has to end. */
const MOST_TRANSLATIONS = 2

/** Whom a request is for after its translation. */
function impuOfTarget(request: SipRequest, impu: Impu, originating: boolean): Impu {
  const target = request.parsedUri
  return originating || target === undefined ? impu : (impuOf(target) ?? impu)
}

function isUnknown(answer: Answer<ServerChoice>): boolean {
  return !found(answer) && (answer.ok ? answer.value.resultCode !== NOT_REGISTERED : answer.status === 404)
}

function found(answer: Answer<ServerChoice>): boolean {
  return answer.ok && SUCCESS.has(answer.value.resultCode)
}

/** Nobody of ours: a number or a foreign address may be somebody elsewhere (sip.md §6.7). */
function notOurs(
  exchange: ServerExchange,
  request: SipRequest,
  uri: Uri,
  originating: boolean,
  core: Core,
): Promise<void> | void {
  const kind = classifyUri(uri, core.uriContext)
  if (originating || kind === 'home-sip' || kind === 'local-sip' || kind === 'unknown')
    return core.answer(exchange, 404)
  const routed = request.with(request.headers.edit().append(H.Route, core.bgcfRoute).done())
  const hop = nextHopOf(routed)
  return hop === undefined
    ? core.answer(exchange, 500)
    : core.proxy(exchange, { request: routed, hop }, 'icscf')
}
