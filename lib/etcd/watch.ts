import { millis, pause, seconds, type Clock, type Duration } from '../kit/clock.ts'
import type { Gateway } from './gateway.ts'
import { numberIn, objectIn, objectsIn, parseJson, textIn, type JsonObject } from './json.ts'
import {
  clusterOf,
  decodeKeyValue,
  prefixRange,
  revisionOf,
  type KeyValue,
  type Snapshot,
} from './key-value.ts'
import { linesOf } from './lines.ts'

/** What a watcher is told. */
export type WatchEvent =
  | { readonly kind: 'put'; readonly item: KeyValue; readonly revision: number }
  | { readonly kind: 'delete'; readonly key: string; readonly revision: number }
  /** All there is. What was known before no longer counts: what led from it to this can no longer be told. */
  | { readonly kind: 'snapshot'; readonly items: readonly KeyValue[]; readonly revision: number }

export interface WatchOptions {
  /** The first revision to be told. Absent: a snapshot first, then what comes after it. */
  readonly from?: number
  readonly signal: AbortSignal
  /** Told when the connection is lost and when there is one again. */
  readonly onConnection?: (connected: boolean, reason: string) => void
}

export interface WatchParts {
  readonly gateway: Gateway
  readonly clock: Clock
  /** Silence for so long may be a host that is gone: the watch is opened anew, elsewhere if need be. */
  readonly silence: Duration
  readonly readPrefix: (prefix: string) => Promise<Snapshot>
}

const MAX_LINE_BYTES = 64 * 1024 * 1024
const RETRY = { first: 100, most: seconds(5) } as const

/** Where a watch stands: the next revision it has not told yet, of which cluster. */
interface Place {
  next: number
  cluster: string
}

/**
 * Follows all keys under a prefix. Whatever happens to connections and members, each event is told once and in order,
 * and what compaction has swallowed, or a cluster made anew, is told as a snapshot. Ends with the signal only.
 */
export async function* watchPrefix(
  parts: WatchParts,
  prefix: string,
  options: WatchOptions,
): AsyncGenerator<WatchEvent, void> {
  const { signal } = options
  let place: Place | undefined = options.from === undefined ? undefined : { next: options.from, cluster: '' }
  let wait: number = RETRY.first
  let connected = true
  const tell = (now: boolean, reason: string): void => {
    if (connected !== now) options.onConnection?.(now, reason)
    connected = now
  }
  while (!signal.aborted) {
    try {
      if (place === undefined) {
        const { items, revision, cluster } = await parts.readPrefix(prefix)
        place = { next: revision + 1, cluster }
        yield { kind: 'snapshot', items, revision }
      }
      for await (const step of stream(parts, prefix, place, signal)) {
        wait = RETRY.first
        tell(true, '')
        if (step.kind !== 'open') yield step
      }
    } catch (error) {
      if (isAborted(signal)) return
      if (error instanceof HistoryLost) {
        if (error.certain || !(await isIntact(parts, prefix, place))) place = undefined
      } else {
        tell(false, error instanceof Error ? error.message : String(error))
      }
    }
    await pause(parts.clock, millis(wait), signal)
    wait = Math.min(wait * 2, RETRY.most)
  }
}

/** One connection's share of a watch; moves `place` on as it tells. */
async function* stream(
  parts: WatchParts,
  prefix: string,
  place: Place,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent | { readonly kind: 'open' }, void> {
  const cut = new AbortController()
  const request = {
    create_request: { ...prefixRange(prefix), start_revision: String(place.next), progress_notify: true },
  }
  const opened = await parts.gateway.open('/v3/watch', request, AbortSignal.any([signal, cut.signal]))
  const state = { silent: false }
  const whenSilent = (): void => {
    state.silent = true
    cut.abort()
  }
  let silence = parts.clock.after(parts.silence, whenSilent)
  let heard = false
  try {
    for await (const line of linesOf(opened.body, MAX_LINE_BYTES)) {
      silence.cancel()
      silence = parts.clock.after(parts.silence, whenSilent)
      const result = resultOf(line)
      if (numberIn(result, 'compact_revision') > 0) throw new HistoryLost(true)
      if (result.canceled === true)
        throw new Error(`the watch was cancelled: ${textIn(result, 'cancel_reason')}`)
      if (result.created === true) {
        requireSameHistory(result, place)
        yield { kind: 'open' }
      }
      yield* eventsOf(result, place)
      heard = true
    }
  } catch (error) {
    // Nothing may have happened under the prefix for long: the watch is opened anew, and that shows who is alive.
    if (!state.silent) throw error
  } finally {
    silence.cancel()
    cut.abort()
    if (!heard) parts.gateway.blame(opened.origin)
  }
}

function* eventsOf(result: JsonObject, place: Place): Generator<WatchEvent> {
  const events = objectsIn(result, 'events')
  let last = place.next - 1
  for (const event of events) {
    const item = decodeKeyValue(objectIn(event, 'kv'))
    if (item.revision < place.next) continue
    last = item.revision
    yield event.type === 'DELETE'
      ? { kind: 'delete', key: item.key, revision: item.revision }
      : { kind: 'put', item, revision: item.revision }
  }
  // Only now: several keys written in one transaction share a revision. A notice without events says that none is due.
  place.next = last + 1
  if (events.length === 0 && result.created !== true)
    place.next = Math.max(place.next, revisionOf(result) + 1)
}

/** A store that is behind what has been told was made anew, or this member answers before it has caught up. */
function requireSameHistory(result: JsonObject, place: Place): void {
  const cluster = clusterOf(result)
  if (place.cluster === '') place.cluster = cluster
  if (cluster !== place.cluster || revisionOf(result) < place.next - 1) throw new HistoryLost(false)
}

/** Whether the store as all its members agree on it still goes on from where the watch stands. */
async function isIntact(parts: WatchParts, prefix: string, place: Place | undefined): Promise<boolean> {
  if (place === undefined) return false
  try {
    const { revision, cluster } = await parts.readPrefix(prefix)
    return cluster === place.cluster && revision >= place.next - 1
  } catch {
    return false
  }
}

/** Asked again: it may have become so while something was awaited. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted
}

class HistoryLost extends Error {
  readonly certain: boolean

  constructor(certain: boolean) {
    super('the history of the store is lost')
    this.certain = certain
  }
}

function resultOf(line: string): JsonObject {
  const answer = parseJson(line)
  if (answer.error !== undefined) throw new Error(textIn(objectIn(answer, 'error'), 'message'))
  return objectIn(answer, 'result')
}
