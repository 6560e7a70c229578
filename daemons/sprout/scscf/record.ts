import { andThen, type Awaitable } from '../../../lib/kit/awaitable.ts'
import { millis } from '../../../lib/kit/clock.ts'
import type { Impu } from '../../../lib/ims/identity.ts'
import { isWatched, withNotices, type Notice } from '../../../lib/ims/reg-event.ts'
import type { ContactEvent } from '../../../lib/ims/reginfo.ts'
import { emptyRecord, isEmpty, nextExpiry, withoutExpired } from '../../../lib/ims/registration.ts'
import type { RegistrationRecord } from '../../../lib/store/registration-store.ts'
import type { Core } from '../core.ts'

/** Topic of the timers by which a record is looked at when something in it expires. */
export const EXPIRY = 'registration'
/** A record that is fought over this often is not fought over but stuck. */
const MOST_ATTEMPTS = 20

export interface Change {
  readonly before: RegistrationRecord
  readonly after: RegistrationRecord
  /** What watchers are to be told of it. */
  readonly notices: readonly Notice[]
}

export interface UpdateOptions {
  /** What has become of bindings that are gone and have not expired. */
  readonly ended?: ContactEvent
  /** Watchers are told nothing. */
  readonly quiet?: boolean
}

const NONE: readonly Notice[] = []

/**
 * Changes a record by compare-and-set, however many do so at once, and has it looked at when something expires.
 *
 * @returns undefined if the store would not take it
 */
export function update(
  core: Core,
  impu: Impu,
  change: (record: RegistrationRecord | undefined, now: number) => RegistrationRecord,
  options: UpdateOptions = {},
  attempt = 1,
): Awaitable<Change | undefined> {
  return andThen(core.registrations.get(impu), stored => {
    const now = core.clock.now()
    const before = stored?.value ?? emptyRecord([], core.scscfUri)
    const changed = withoutExpired(change(stored?.value, now), now)
    const { record: after, notices } = isWatched(before, changed)
      ? noticed(before, changed, now, options, core)
      : { record: changed, notices: NONE }
    if (after === stored?.value || (stored === undefined && isEmpty(after))) return { before, after, notices }
    const next = nextExpiry(after)
    const watching = watchFrom(core, impu, nextExpiry(before), next, now)
    const written = write(core, impu, after, next, stored?.version)
    const both =
      watching === undefined ? written : Promise.all([written, watching]).then(([result]) => result)
    return andThen(both, result => {
      if (result !== 'conflict') return { before, after, notices }
      if (attempt < MOST_ATTEMPTS) return update(core, impu, change, options, attempt + 1)
      core.log.error('a registration record changes too often to be written', { impu })
      return undefined
    })
  })
}

function noticed(
  before: RegistrationRecord,
  changed: RegistrationRecord,
  now: number,
  { ended = 'unregistered', quiet = false }: UpdateOptions,
  core: Core,
): { readonly record: RegistrationRecord; readonly notices: readonly Notice[] } {
  if (!quiet) return withNotices(before, changed, { now, gruus: core.gruus, ended })
  return { record: isEmpty(changed) ? { ...changed, subscriptions: {} } : changed, notices: NONE }
}

/** @param next when something in the record expires; undefined: there is nothing left in it */
function write(
  core: Core,
  impu: Impu,
  record: RegistrationRecord,
  next: number | undefined,
  version: number | undefined,
): Awaitable<'stored' | 'removed' | 'conflict'> {
  if (next !== undefined) return core.registrations.put(impu, record, version)
  return version === undefined ? 'removed' : core.registrations.remove(impu, version)
}

/**
 * A renewal leaves the timer as it is, and so does the end of the last binding, since somebody else may register just
 * then: when it pops, it looks again and is set for what then expires next, if anything.
 */
function watchFrom(
  core: Core,
  impu: Impu,
  before: number | undefined,
  next: number | undefined,
  now: number,
): Promise<void> | undefined {
  if (next === undefined || (before !== undefined && next >= before)) return undefined
  return core.timers.set(EXPIRY, impu, millis(next - now), impu)
}
