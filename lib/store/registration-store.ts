import type { Awaitable } from '../kit/awaitable.ts'

/** One contact of a registered user, with what is needed to reach it. */
export interface Binding {
  /** Names it within its record: the contact's instance and flow, or its URI. */
  readonly key: string
  /** The Contact URI as registered. */
  readonly uri: string
  readonly callId: string
  readonly cseq: number
  /** Unix time in milliseconds. */
  readonly expiresAt: number
  /** q value, 0 to 1. */
  readonly q: number
  /** Contact header parameters without `expires` and `q`, as text from the first `;` on, or ''. */
  readonly params: string
  /** Path header values, topmost first, each a name-addr. */
  readonly paths: readonly string[]
  readonly impi: string
  readonly emergency: boolean
  /** CSeq of the first REGISTER under this Call-ID whose answer gave out a temporary GRUU; absent: none did. */
  readonly gruuFrom?: number
}

/** A watcher of the reg event package (RFC 3680). */
export interface Subscription {
  readonly requestUri: string
  readonly fromUri: string
  readonly fromTag: string
  readonly toUri: string
  readonly toTag: string
  readonly callId: string
  readonly routes: readonly string[]
  /** Unix time in milliseconds. */
  readonly expiresAt: number
  /** CSeq of the last SUBSCRIBE. */
  readonly cseq: number
  /** Version of the next document that is sent (RFC 3680 §5.1). */
  readonly version: number
  /** The Event header, where it says more than `reg`. */
  readonly event?: string
  /** Wildcarded identities of the set when it was subscribed to or renewed, where there are any. */
  readonly wildcards?: readonly string[]
}

/** Everything known about the registration of one implicit registration set; its key is the default IMPU. */
export interface RegistrationRecord {
  /** In the order in which they were first registered; no key twice. */
  readonly bindings: readonly Binding[]
  /** By the tag of our side. */
  readonly subscriptions: Readonly<Record<string, Subscription>>
  /** All identities of the set, default first; barred ones are marked by the profile, not here. */
  readonly associatedUris: readonly string[]
  /** CSeq of the next NOTIFY; it rises over all subscriptions. */
  readonly notifyCseq: number
  readonly scscfUri: string
  /** What a store whose records are at two sites has noted. Whoever changes the record carries it along. */
  readonly history?: RecordHistory
}

/** When what is in a record was changed, so that two sites that could not talk can be made to agree. */
export interface RecordHistory {
  /** When the record itself was changed last, Unix time in milliseconds. */
  readonly at: number
  /** By `binding:` and the key, and by `subscription:` and the tag: what is in the record, and what was until lately. */
  readonly entries: Readonly<Record<string, EntryHistory>>
}

/** Times in Unix milliseconds. */
export interface EntryHistory {
  /** When it came first. */
  readonly since: number
  /** When it was changed or removed last. */
  readonly at: number
  /** When it expires, or would have. */
  readonly until: number
  /** It was removed, so that another site's older copy of it must not bring it back. */
  readonly removed?: true
}

/** A value with the version that a compare-and-set names. */
export interface Versioned<T> {
  readonly value: T
  readonly version: number
}

/**
 * Registrations, keyed by default IMPU.
 *
 * Consistency: `put` and `remove` are compare-and-set; a resolved promise means that the change survives the death
 * of the process. A record whose bindings and subscriptions have all expired may vanish by itself, no earlier than
 * 10 s after the last expiry.
 */
export interface RegistrationStore {
  get(impu: string): Awaitable<Versioned<RegistrationRecord> | undefined>
  /** @param expected the version that was read; undefined if there was no record. */
  put(impu: string, record: RegistrationRecord, expected: number | undefined): Promise<'stored' | 'conflict'>
  remove(impu: string, expected: number): Promise<'removed' | 'conflict'>
}

/** When nothing in a record is alive any more, in Unix milliseconds; 0 if nothing is in it. */
export function lastExpiry(record: RegistrationRecord): number {
  let last = 0
  for (const { expiresAt } of record.bindings) last = Math.max(last, expiresAt)
  for (const key in record.subscriptions) last = Math.max(last, record.subscriptions[key]?.expiresAt ?? 0)
  return last
}
