import type {
  Binding,
  EntryHistory,
  RecordHistory,
  RegistrationRecord,
  Subscription,
} from '../registration-store.ts'

/*
 * A record that is at two sites is changed at either, also while they cannot reach each other. Each binding and each
 * subscription has a time of its last change, and so has a removal: of two copies of a record, whatever is newer in
 * either stands in the merged one, and both sites come to the same.
 */

/** What is in a record, under the names that its history has for it. */
type Entries = ReadonlyMap<string, Binding | Subscription>

const BINDING = 'binding:'
const SUBSCRIPTION = 'subscription:'

/** The record with a history that says what has changed since the history it carries. */
export function withHistory(record: RegistrationRecord, now: number): RegistrationRecord {
  const before = record.history?.entries ?? {}
  // A clock that goes wrong, or another site's that is ahead, does not make the next change older than the last.
  const at = Math.max(now, (record.history?.at ?? 0) + 1)
  const entries: Record<string, EntryHistory> = {}
  for (const [name, { expiresAt }] of entriesOf(record)) {
    const known = before[name]
    const present = known?.removed === true ? undefined : known
    // Whatever renews an entry gives it another end.
    entries[name] =
      present?.until === expiresAt ? present : { since: present?.since ?? at, at, until: expiresAt }
  }
  for (const [name, known] of Object.entries(before)) {
    if (entries[name] !== undefined || known.until <= now) continue
    entries[name] = known.removed === true ? known : { ...known, at, removed: true }
  }
  return { ...record, history: { at, entries } }
}

/** The record after everything in it was removed, which its history remembers. */
export function emptied(record: RegistrationRecord, now: number): RegistrationRecord {
  return withHistory({ ...record, bindings: [], subscriptions: {} }, now)
}

export function isEmptied({ bindings, subscriptions }: RegistrationRecord): boolean {
  return bindings.length === 0 && Object.keys(subscriptions).length === 0
}

/** Until when a record is to be remembered, Unix milliseconds: something in it, or the removal of something, counts until then. */
export function remembersUntil(record: RegistrationRecord): number {
  let last = 0
  for (const { expiresAt } of entriesOf(record).values()) last = Math.max(last, expiresAt)
  for (const { until } of Object.values(record.history?.entries ?? {})) last = Math.max(last, until)
  return last
}

/**
 * Both copies of a record in one, the same whichever site merges them. What has expired stays only where it is already:
 * there it is yet to be told of.
 */
export function merged(own: RegistrationRecord, other: RegistrationRecord, now: number): RegistrationRecord {
  const [ours, theirs] = [historyOf(own), historyOf(other)]
  const [ourEntries, theirEntries] = [entriesOf(own), entriesOf(other)]
  const bindings: Binding[] = []
  const subscriptions: Record<string, Subscription> = {}
  const entries: Record<string, EntryHistory> = {}
  for (const name of new Set([...Object.keys(ours.entries), ...Object.keys(theirs.entries)])) {
    const mine = sideOf(name, ours, ourEntries)
    const yours = sideOf(name, theirs, theirEntries)
    const newest = mine === undefined || (yours !== undefined && isNewer(yours, mine)) ? yours : mine
    if (newest === undefined || (newest.history.until <= now && newest !== mine)) continue
    const since = Math.min(mine?.history.since ?? Infinity, yours?.history.since ?? Infinity)
    entries[name] = { ...newest.history, since }
    if (newest.entry === undefined) continue
    if (name.startsWith(BINDING)) bindings.push(newest.entry as Binding)
    else {
      const versions = [mine?.entry, yours?.entry].map(
        each => (each as Subscription | undefined)?.version ?? 0,
      )
      const subscription = newest.entry as Subscription
      subscriptions[name.slice(SUBSCRIPTION.length)] = { ...subscription, version: Math.max(...versions) }
    }
  }
  const sinceOf = ({ key }: Binding): number => entries[BINDING + key]?.since ?? 0
  bindings.sort((a, b) => sinceOf(a) - sinceOf(b) || (a.key < b.key ? -1 : 1))
  const latest = ours.at > theirs.at || (ours.at === theirs.at && textOf(own) >= textOf(other)) ? own : other
  return {
    ...latest,
    bindings,
    subscriptions,
    notifyCseq: Math.max(own.notifyCseq, other.notifyCseq),
    history: { at: Math.max(ours.at, theirs.at), entries },
  }
}

/**
 * What two sites that agree have the same of: the record without what has expired and without what only remembers, in
 * one order.
 */
export function comparable(record: RegistrationRecord, now: number): string | undefined {
  const { bindings, subscriptions, associatedUris, notifyCseq, scscfUri } = record
  const live = {
    bindings: bindings
      .filter(({ expiresAt }) => expiresAt > now)
      .toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    subscriptions: Object.entries(subscriptions)
      .filter(([, { expiresAt }]) => expiresAt > now)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  }
  if (live.bindings.length + live.subscriptions.length === 0) return undefined
  return sortedText({ ...live, associatedUris, notifyCseq, scscfUri })
}

/** A site's view of one entry. */
interface Side {
  readonly history: EntryHistory
  /** Undefined if it was removed. */
  readonly entry: Binding | Subscription | undefined
}

function sideOf(name: string, history: RecordHistory, entries: Entries): Side | undefined {
  const found = history.entries[name]
  return found && { history: found, entry: entries.get(name) }
}

/** At the same moment the one that counts further wins, so that both sites decide alike. */
function isNewer(a: Side, b: Side): boolean {
  if (a.history.at !== b.history.at) return a.history.at > b.history.at
  const [one, other] = [rankOf(a.entry), rankOf(b.entry)]
  return one === other ? sortedText(a) > sortedText(b) : one > other
}

function rankOf(entry: Binding | Subscription | undefined): number {
  if (entry === undefined) return Infinity
  return 'version' in entry ? entry.version : entry.cseq
}

function entriesOf({ bindings, subscriptions }: RegistrationRecord): Entries {
  const entries = new Map<string, Binding | Subscription>()
  for (const binding of bindings) entries.set(BINDING + binding.key, binding)
  for (const [tag, subscription] of Object.entries(subscriptions))
    entries.set(SUBSCRIPTION + tag, subscription)
  return entries
}

/** A record from before there was a second site: anything that has a history is newer. */
function historyOf(record: RegistrationRecord): RecordHistory {
  if (record.history !== undefined) return record.history
  const entries = [...entriesOf(record)].map(
    ([name, { expiresAt }]) => [name, { since: 0, at: 0, until: expiresAt }] as const,
  )
  return { at: 0, entries: Object.fromEntries(entries) }
}

function textOf({ associatedUris, scscfUri }: RegistrationRecord): string {
  return JSON.stringify([associatedUris, scscfUri])
}

/** JSON whose objects have their members in order, however they were made. */
function sortedText(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  )
}
