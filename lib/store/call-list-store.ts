import type { Impu } from '../ims/identity.ts'
import type { Duration } from '../kit/clock.ts'

/** What a fragment tells of a call: that it was answered, that it has ended, or that it never came about. */
export type FragmentKind = 'begin' | 'end' | 'rejected'

/** A part of what is known of one call, as it is written down when it becomes known. */
export interface CallFragment {
  /** When the call began, `YYYYMMDDHHMMSS`. */
  readonly timestamp: string
  /** Tells calls of one second apart; letters and digits. */
  readonly id: string
  readonly kind: FragmentKind
  /** Those children of `<call>` that belong to this part. */
  readonly xml: string
}

/**
 * Call lists: for each public identity the fragments of its calls.
 *
 * Fragments are only ever added and removed, never changed, so that stores without transactions can hold them: what
 * is one call is for the reader to find. Consistency: a resolved promise means that the change survives the death of
 * the process; a reader may see it some moments later.
 */
export interface CallListStore {
  /**
   * Adds a fragment, or replaces the one of the same call and kind. It vanishes by itself some time after `ttl`.
   *
   * @throws CwError STORE_FAILED if it could not be written
   */
  add(impu: Impu, fragment: CallFragment, ttl: Duration): Promise<void>
  /**
   * All fragments of an identity in order of timestamp, then id, then kind.
   *
   * @throws CwError STORE_FAILED if they could not be read
   */
  fragments(impu: Impu): Promise<readonly CallFragment[]>
  /** Removes these fragments; those that are not there do not matter. */
  remove(impu: Impu, fragments: readonly CallFragment[]): Promise<void>
}

/** The column of the original's table that a fragment is kept in (interfaces.md §13.4). */
export function columnOf({ timestamp, id, kind }: CallFragment): string {
  return `call_${timestamp}_${id}_${kind}`
}

const COLUMN = /^call_(\d{14})_([0-9A-Za-z]+)_(begin|end|rejected)$/

/** What a column holds; undefined if its name is no fragment's. */
export function fragmentOf(column: string, xml: string): CallFragment | undefined {
  const match = COLUMN.exec(column)
  if (match === null) return undefined
  return { timestamp: match[1] ?? '', id: match[2] ?? '', kind: match[3] as FragmentKind, xml }
}
