import type { Binding, RegistrationRecord, Subscription } from '../store/registration-store.ts'
import type { Gruus } from './gruu.ts'
import { formatReginfo, type ContactEvent, type ContactState } from './reginfo.ts'

/** A document for a watcher, to be sent once the record that counts it is stored. */
export interface Notice {
  readonly subscription: Subscription
  readonly cseq: number
  /** Value of Subscription-State. */
  readonly state: string
  readonly document: string
}

export interface Noticing {
  readonly now: number
  readonly gruus: Gruus
  /** Why a binding is gone that has not expired. */
  readonly ended: ContactEvent
}

/** Whether anybody watches the registration, before or after a change. */
export function isWatched(before: RegistrationRecord, after: RegistrationRecord): boolean {
  for (const _tag in before.subscriptions) return true
  for (const _tag in after.subscriptions) return true
  return false
}

/**
 * What the watchers of a registration are told of a change to its record (RFC 3680, TS 24.229 §5.4.2.1.2), and the record
 * in which that is noted.
 *
 * Who has just subscribed or renewed is told everything, the others what has changed. A subscription ends with its time,
 * and with the last contact.
 */
export function withNotices(
  before: RegistrationRecord,
  changed: RegistrationRecord,
  { now, gruus, ended }: Noticing,
): { readonly record: RegistrationRecord; readonly notices: readonly Notice[] } {
  const changes = contactChanges(before.bindings, changed.bindings, ended, now)
  const contacts = changed.bindings.filter(binding => !binding.emergency)
  const active = contacts.length > 0
  const sameAors = sameTexts(before.associatedUris, changed.associatedUris)
  const formerAors = before.associatedUris.filter(aor => !changed.associatedUris.includes(aor))
  const gone = urisGone(changes, contacts)

  let { notifyCseq } = changed
  const kept: Record<string, Subscription> = {}
  const notices: Notice[] = []
  for (const [tag, subscription] of Object.entries(changed.subscriptions)) {
    const isNew = before.subscriptions[tag] !== subscription
    const over = subscription.expiresAt <= now
    if (!isNew && gone.has(subscription.requestUri)) continue
    if (!isNew && !over && changes.length === 0 && sameAors) {
      kept[tag] = subscription
      continue
    }
    const full = isNew || over || !active || !sameAors
    const info = {
      version: subscription.version,
      state: full ? ('full' as const) : ('partial' as const),
      id: tag,
      aors: changed.associatedUris,
      wildcards: subscription.wildcards ?? [],
      formerAors: isNew ? [] : formerAors,
      contacts: full ? allContacts(contacts, changes) : changes,
      active,
      now,
    }
    const state = stateOf(subscription, over, active, now)
    notices.push({ subscription, cseq: notifyCseq++, state, document: formatReginfo(info, gruus) })
    if (!over && active) kept[tag] = { ...subscription, version: subscription.version + 1 }
  }
  if (notices.length === 0 && sameKeys(kept, changed.subscriptions)) return { record: changed, notices }
  return { record: { ...changed, subscriptions: kept, notifyCseq }, notices }
}

function stateOf(subscription: Subscription, over: boolean, active: boolean, now: number): string {
  if (!active) return 'terminated;reason=deactivated'
  if (over) return 'terminated;reason=timeout'
  return `active;expires=${Math.ceil((subscription.expiresAt - now) / 1000)}`
}

/** What has happened to the contacts that others may know of; those for emergencies are not among them. */
function contactChanges(
  before: readonly Binding[],
  after: readonly Binding[],
  ended: ContactEvent,
  now: number,
): readonly ContactState[] {
  const changes: ContactState[] = []
  for (const old of before) {
    if (old.emergency) continue
    const next = after.find(({ key }) => key === old.key)
    if (next === undefined) changes.push({ binding: old, event: old.expiresAt <= now ? 'expired' : ended })
    else if (next.uri !== old.uri) changes.push({ binding: old, event: 'deactivated' })
    else if (next !== old)
      changes.push({ binding: next, event: next.expiresAt < old.expiresAt ? 'shortened' : 'refreshed' })
  }
  for (const binding of after) {
    const old = before.find(({ key }) => key === binding.key)
    if (!binding.emergency && old?.uri !== binding.uri) changes.push({ binding, event: 'created' })
  }
  return changes
}

/** Every contact: with what has happened to it now, else as one that is registered. */
function allContacts(
  contacts: readonly Binding[],
  changes: readonly ContactState[],
): readonly ContactState[] {
  const unchanged = contacts.filter(binding => !changes.some(change => change.binding === binding))
  return [...unchanged.map(binding => ({ binding, event: 'registered' as const })), ...changes]
}

/**
 * The contacts of phones that have gone themselves, or are not there any more: nobody is left there to be told. One that
 * the network has put out is told.
 */
function urisGone(changes: readonly ContactState[], contacts: readonly Binding[]): ReadonlySet<string> {
  const left = changes
    .filter(({ event }) => event === 'expired' || event === 'unregistered')
    .map(({ binding }) => binding.uri)
  return new Set(left.filter(uri => !contacts.some(binding => binding.uri === uri)))
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((text, place) => text === b[place]))
}

function sameKeys(a: object, b: object): boolean {
  return Object.keys(a).length === Object.keys(b).length
}

/** As many as any set has watchers; those whose time ends first make room. */
const MOST_SUBSCRIPTIONS = 32

/** The record with a new or renewed subscription. */
export function withSubscription(record: RegistrationRecord, subscription: Subscription): RegistrationRecord {
  const others = Object.entries(record.subscriptions)
    .filter(([tag]) => tag !== subscription.toTag)
    .sort(([, a], [, b]) => b.expiresAt - a.expiresAt)
    .slice(0, MOST_SUBSCRIPTIONS - 1)
  return {
    ...record,
    subscriptions: Object.fromEntries([...others, [subscription.toTag, subscription]]),
  }
}

/** The record without a subscription whose watcher is told nothing. */
export function withoutSubscription(record: RegistrationRecord, tag: string): RegistrationRecord {
  if (record.subscriptions[tag] === undefined) return record
  const { [tag]: _gone, ...subscriptions } = record.subscriptions
  return { ...record, subscriptions }
}
