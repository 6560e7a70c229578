import { detached } from '../kit/text.ts'
import { H } from '../sip/header-names.ts'
import type { SipRequest } from '../sip/message.ts'
import { param, withoutParam } from '../sip/params.ts'
import { unquote } from '../sip/scan.ts'
import { parseUri, uriParam } from '../sip/uri.ts'
import { parseContact, parseDeltaSeconds, type Contact } from '../sip/values.ts'
import type { Binding, RegistrationRecord } from '../store/registration-store.ts'
import { instanceOf } from './gruu.ts'
import { supports } from './session-timer.ts'

/** One contact of a REGISTER, with the name its binding has. */
export interface AskedContact {
  readonly key: string
  readonly uri: string
  /** Granted lifetime in seconds; 0 removes the binding. */
  readonly expires: number
  readonly q: number
  /** From the first `;` on, without `expires` and `q`. */
  readonly params: string
  readonly emergency: boolean
}

/** What a REGISTER asks for (RFC 3261 §10.3 step 6). */
export type Asked =
  | { readonly kind: 'fetch' }
  | { readonly kind: 'remove-all' }
  | { readonly kind: 'contacts'; readonly contacts: readonly AskedContact[] }
  | { readonly kind: 'malformed'; readonly why: string }

/** Contact parameters that are the registrar's own affair. */
const OWN_PARAMS = ['expires', 'q', 'pub-gruu', 'temp-gruu']

/** More contacts than any user has; a registrar that keeps them all would be a store for strangers. */
const MOST_CONTACTS = 32

/**
 * Reads the contacts of a REGISTER. Contacts that are no SIP URIs are left out.
 *
 * @param longest largest lifetime that is granted, in seconds
 */
export function askedOf(request: SipRequest, longest: number): Asked {
  const values = request.headers.list(H.Contact)
  if (values.length === 0) return { kind: 'fetch' }
  if (values.length > MOST_CONTACTS) return { kind: 'malformed', why: 'Too many contacts' }
  const general = expiresOf(request)
  const contacts: AskedContact[] = []
  for (const value of values) {
    const contact = parseContact(value)
    if (contact === undefined) return { kind: 'malformed', why: 'Contact is malformed' }
    if (contact.kind === 'star') {
      const alone = values.length === 1 && general === 0
      return alone
        ? { kind: 'remove-all' }
        : { kind: 'malformed', why: 'Contact: * needs Expires: 0 and no other contact' }
    }
    const asked = askedContact(contact, general, longest)
    if (asked !== undefined) contacts.push(asked)
  }
  return { kind: 'contacts', contacts }
}

function expiresOf(request: SipRequest): number | undefined {
  const value = request.headers.get(H.Expires)
  return value === undefined ? undefined : parseDeltaSeconds(value)
}

function askedContact(
  contact: Extract<Contact, { kind: 'address' }>,
  general: number | undefined,
  longest: number,
): AskedContact | undefined {
  const uri = parseUri(contact.address.uri)
  if (uri?.kind !== 'sip') return undefined
  const params = OWN_PARAMS.reduce(withoutParam, contact.address.params)
  const emergency = uriParam(uri, 'sos') !== undefined
  return {
    key: detached((emergency ? 'sos' : '') + bindingKey(contact.address.uri, params)),
    uri: detached(contact.address.uri),
    expires: Math.min(contact.expires ?? general ?? longest, longest),
    q: contact.q ?? 1,
    params: detached(params),
    emergency,
  }
}

/** An instance keeps its binding over address changes; with reg-id each of its flows has one (RFC 5626 §4.2). */
function bindingKey(uri: string, params: string): string {
  const instance = param(params, '+sip.instance')
  if (instance === undefined) return uri
  const regId = param(params, 'reg-id')
  return regId === undefined ? unquote(instance) : `${unquote(instance)}:${regId}`
}

/** The record after a REGISTER was carried out on it. */
export function withContacts(
  record: RegistrationRecord,
  contacts: readonly AskedContact[],
  request: SipRequest,
  impi: string,
  now: number,
): RegistrationRecord {
  const bindings = [...record.bindings]
  const paths = request.headers.list(H.Path).map(detached)
  const callId = detached(request.callId)
  const cseq = request.cseq?.number ?? 0
  for (const { key, uri, expires, q, params, emergency } of contacts) {
    const at = bindings.findIndex(binding => binding.key === key)
    if (expires === 0) {
      // An emergency registration ends by itself only (TS 24.229 §5.4.8.3).
      if (at >= 0 && !emergency) bindings.splice(at, 1)
      continue
    }
    const until = now + expires * 1000
    const before = at < 0 ? undefined : bindings[at]
    const expiresAt = emergency ? Math.max(until, before?.expiresAt ?? 0) : until
    const binding = { key, uri, callId, cseq, expiresAt, q, params, paths, impi, emergency }
    bindings[at < 0 ? bindings.length : at] = withGruuFrom(binding, before, request)
  }
  // The oldest make room: a phone that registers under ever new addresses has not many of them at once.
  return { ...record, bindings: bindings.slice(-MOST_CONTACTS) }
}

/** Notes since when a device has temporary GRUUs under this Call-ID; another Call-ID ends the earlier ones (RFC 5627 §5.2). */
function withGruuFrom(binding: Binding, before: Binding | undefined, request: SipRequest): Binding {
  if (binding.key === binding.uri || instanceOf(binding) === undefined) return binding
  const earlier = before?.callId === binding.callId ? before.gruuFrom : undefined
  const now = supports(request.headers, 'gruu') ? binding.cseq : undefined
  if (earlier === undefined && now === undefined) return binding
  return { ...binding, gruuFrom: Math.min(earlier ?? Infinity, now ?? Infinity) }
}

/**
 * The record after `Contact: *`: the bindings of this private identity are gone, others' and emergency ones stay, so
 * that one phone cannot silence the household (TS 24.229 §5.4.1.4.1).
 */
export function withoutOwnContacts(record: RegistrationRecord, impi: string): RegistrationRecord {
  return withBindings(record, binding => binding.impi !== impi || binding.emergency)
}

/** The record without bindings that have expired. */
export function withoutExpired(record: RegistrationRecord, now: number): RegistrationRecord {
  const expired = record.bindings.some(binding => binding.expiresAt <= now)
  return expired ? withBindings(record, binding => binding.expiresAt > now) : record
}

/** The record without the named binding. */
export function withoutBinding(record: RegistrationRecord, key: string): RegistrationRecord {
  return withBindings(record, binding => binding.key !== key)
}

function withBindings(record: RegistrationRecord, keep: (binding: Binding) => boolean): RegistrationRecord {
  return { ...record, bindings: record.bindings.filter(keep) }
}

export function isEmpty(record: RegistrationRecord): boolean {
  return record.bindings.length === 0
}

/** When the next binding or subscription expires, Unix ms; undefined if there is none. */
export function nextExpiry(record: RegistrationRecord): number | undefined {
  let next: number | undefined
  for (const { expiresAt } of [...record.bindings, ...Object.values(record.subscriptions)]) {
    if (next === undefined || expiresAt < next) next = expiresAt
  }
  return next
}

/** A record of a set that has not registered yet. */
export function emptyRecord(associatedUris: readonly string[], scscfUri: string): RegistrationRecord {
  return { bindings: [], subscriptions: {}, associatedUris, notifyCseq: 1, scscfUri }
}

/** A binding as a Contact value of the 200, with the seconds it has left (RFC 3261 §10.3 step 8). */
export function formatBinding(binding: Binding, now: number): string {
  let text = `<${binding.uri}>`
  if (binding.q !== 1) text += `;q=${binding.q}`
  text += `;expires=${Math.max(0, Math.ceil((binding.expiresAt - now) / 1000))}`
  return text + binding.params
}
