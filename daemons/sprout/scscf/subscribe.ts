import { classifyUri, impuOf, type Impu } from '../../../lib/ims/identity.ts'
import { defaultImpuOf, wildcardsOf } from '../../../lib/ims/registered-set.ts'
import { withSubscription } from '../../../lib/ims/reg-event.ts'
import { emptyRecord } from '../../../lib/ims/registration.ts'
import { detached } from '../../../lib/kit/text.ts'
import { newTag } from '../../../lib/sip/branch.ts'
import type { ServerExchange } from '../../../lib/sip/exchange.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import { param } from '../../../lib/sip/params.ts'
import { topRoute } from '../../../lib/sip/routing.ts'
import { parseUri, uriParam } from '../../../lib/sip/uri.ts'
import { parseContact, parseDeltaSeconds, parseEvent } from '../../../lib/sip/values.ts'
import type { RegistrationRecord, Subscription } from '../../../lib/store/registration-store.ts'
import type { Core } from '../core.ts'
import { chargingFunctions } from './isc.ts'
import { notifyWatchers } from './notify.ts'
import { update } from './record.ts'
import { mayWatch } from './watcher.ts'

/** Default lifetime of a subscription, in seconds (RFC 3680 §4.4). */
const USUAL_EXPIRES = 3761

/** The S-CSCF answers for the registrations that it keeps; other SUBSCRIBEs are for servers and phones (sip.md §5.1). */
export function isForRegEvent(request: SipRequest, core: Core): boolean {
  if (request.method !== 'SUBSCRIBE') return false
  if (request.headers.parsed(H.Event, parseEvent)?.package !== 'reg') return false
  const accepted = request.headers.list(H.Accept).map(type => type.split(';', 1)[0]?.trim().toLowerCase())
  if (accepted.length > 0 && !accepted.some(type => type === 'application/reginfo+xml')) return false
  const top = topRoute(request)
  if (request.headers.list(H.Route).length > 1 || (top !== undefined && !core.isLocal(top))) return false
  const target = request.parsedUri
  if (target === undefined) return false
  const kind = classifyUri(target, core.uriContext)
  return kind !== 'offnet-sip' && kind !== 'unknown'
}

/** Begins, renews or ends a subscription to the state of a registration (TS 24.229 §5.4.2.1, RFC 3680). */
export async function subscribe(exchange: ServerExchange, core: Core): Promise<void> {
  const { request } = exchange
  const impu = watchedImpu(request)
  if (impu === undefined) return core.answer(exchange, 404)
  const contact = contactOf(request)
  if (typeof contact === 'number') return refuse(exchange, contact, core)

  const answer = await core.homestead.readRegistrationData(impu)
  if (!answer.ok) return core.answer(exchange, statusOf(answer.status))
  const { subscription, state, charging } = answer.value
  if (subscription === undefined) return core.answer(exchange, 480)
  const setName = defaultImpuOf(subscription)
  const record = setName === undefined ? undefined : (await core.registrations.get(setName))?.value
  const { isInitial } = request
  if (isInitial && !mayWatch(request, subscription, record, core)) return core.answer(exchange, 403)
  if (state !== 'REGISTERED') return core.answer(exchange, 480)
  if (setName === undefined || record === undefined) return core.answer(exchange, 403)
  const known = isInitial ? undefined : dialogOf(request, record)
  if (!isInitial && known === undefined) return core.answer(exchange, 481)
  const cseq = request.cseq?.number ?? 0
  if (known !== undefined && cseq <= known.cseq) return core.answer(exchange, 500)

  const expires = Math.min(expiresOf(request), core.options.subMaxExpires)
  const toTag = known?.toTag ?? newTag()
  const wildcards = wildcardsOf(subscription)
  const change = await update(core, setName, (current, now) => {
    const old = current?.subscriptions[toTag]
    // It may have ended while we looked.
    if (current === undefined || (known !== undefined && old === undefined)) {
      return current ?? emptyRecord([], core.scscfUri)
    }
    const { wildcards: _earlier, ...dialog } = old ?? newDialog(request, toTag)
    const expiresAt = now + expires * 1000
    const renewed = { ...dialog, requestUri: detached(contact), cseq, expiresAt }
    return withSubscription(current, wildcards.length === 0 ? renewed : { ...renewed, wildcards })
  })
  if (change === undefined) return core.answer(exchange, 500)
  const isThere = change.notices.some(notice => notice.subscription.toTag === toTag)
  if (!isThere) return core.answer(exchange, known === undefined ? 403 : 481)
  core.answer(exchange, 200, {
    toTag,
    edit: headers => {
      headers.append(H.Expires, String(expires)).append(H.Contact, `<${core.scscfUri}>`)
      const functions = chargingFunctions(charging)
      if (functions !== '') headers.append(H['P-Charging-Function-Addresses'], functions)
    },
  })
  notifyWatchers(change, setName, core)
}

/** Whose registration it is about: To keeps naming it in the dialog, when the Request-URI names this S-CSCF. */
function watchedImpu(request: SipRequest): Impu | undefined {
  const uri = request.to === undefined ? undefined : parseUri(request.to.uri)
  return uri === undefined ? undefined : impuOf(uri)
}

/** Where the watcher wants to be told, or why it cannot be: a contact for emergency calls is for these alone. */
function contactOf(request: SipRequest): string | 400 | 489 {
  const [first] = request.headers.list(H.Contact)
  const contact = first === undefined ? undefined : parseContact(first)
  if (contact?.kind !== 'address') return 400
  const uri = parseUri(contact.address.uri)
  if (uri?.kind !== 'sip') return 400
  return uriParam(uri, 'sos') === undefined ? contact.address.uri : 489
}

function refuse(exchange: ServerExchange, status: number, core: Core): void {
  core.answer(exchange, status, {
    edit: headers => {
      if (status === 489) headers.append(H['Allow-Events'], 'reg')
    },
  })
}

/** sip.md §5.1. */
function statusOf(homestead: number): number {
  if (homestead === 404 || homestead === 403) return 403
  return homestead === 500 ? 500 : 504
}

function expiresOf(request: SipRequest): number {
  return parseDeltaSeconds(request.headers.get(H.Expires) ?? '') ?? USUAL_EXPIRES
}

/** The subscription that a SUBSCRIBE within a dialog is about. */
function dialogOf(request: SipRequest, record: RegistrationRecord): Subscription | undefined {
  const known = record.subscriptions[request.toTag ?? '']
  return known?.callId === request.callId && known.fromTag === fromTagOf(request) ? known : undefined
}

/** What the dialog keeps of its first SUBSCRIBE; the Route set in the order of a UAS (RFC 3261 §12.1.1). */
function newDialog(
  request: SipRequest,
  toTag: string,
): Omit<Subscription, 'requestUri' | 'cseq' | 'expiresAt'> {
  const event = request.headers.get(H.Event)?.trim() ?? 'reg'
  return {
    fromUri: detached(request.from?.uri ?? ''),
    fromTag: detached(fromTagOf(request)),
    toUri: detached(request.to?.uri ?? ''),
    toTag,
    callId: detached(request.callId),
    routes: request.headers.list(H['Record-Route']).map(detached),
    version: 0,
    ...(event === 'reg' ? {} : { event: detached(event) }),
  }
}

function fromTagOf(request: SipRequest): string {
  return param(request.from?.params ?? '', 'tag') ?? ''
}
