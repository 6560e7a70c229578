import { isObject, jsonObject } from '../../http/message.ts'
import { millis, seconds, type Duration } from '../../kit/clock.ts'

/** A timer as chronos nodes have it (interfaces.md §12). */
export interface ChronosTimer {
  /** 16 hexadecimal digits. */
  readonly id: string
  /** Unix time in milliseconds. */
  readonly start: number
  /** From one pop to the next. */
  readonly interval: Duration
  /** From the start to the last pop, at most. */
  readonly repeatFor: Duration
  /** Pops that are done. */
  readonly sequence: number
  /** Addresses of the nodes that have it; the first one pops it. */
  readonly replicas: readonly string[]
  /** The view of the cluster that the replicas are from. */
  readonly view: string
  /** Where a pop is posted; empty for a tombstone: the timer was deleted, or has popped for the last time. */
  readonly uri: string
  /** What is posted. */
  readonly opaque: string
  readonly tags: readonly TimerTag[]
}

/** What a timer counts for in statistics. */
export interface TimerTag {
  readonly type: string
  readonly count: number
}

/** What a request says of a timer. */
export interface TimerRequest {
  readonly timer: Pick<ChronosTimer, 'interval' | 'repeatFor' | 'uri' | 'opaque' | 'tags'>
  readonly factor: number | undefined
  /** From another node, which has it already; absent in what a client asks for. */
  readonly replicated?: {
    readonly replicas: readonly string[]
    readonly view: string
    readonly sequence: number
    /** Start relative to the sender's present, in milliseconds. */
    readonly startDelta: number
  }
}

/** Each replica waits so much longer than the one before it. */
export const REPLICA_DELAY = seconds(2)
const MOST_REPLICAS = 8
const MOST_SECONDS = 366 * 24 * 3600
/** Start times of one and the same timer differ by no more: it takes that long from node to node. */
const SAME_START_MS = 200

/** When a node has to pop a timer next, in Unix milliseconds, if it is the replica of that number. */
export function dueAt({ start, sequence, interval }: ChronosTimer, replica: number): number {
  return start + (sequence + 1) * interval + replica * REPLICA_DELAY
}

export function isTombstone({ uri }: Pick<ChronosTimer, 'uri'>): boolean {
  return uri === ''
}

/** The timer after a pop that was taken; the last one leaves a tombstone. */
export function popped(timer: ChronosTimer): ChronosTimer {
  const next = { ...timer, sequence: timer.sequence + 1 }
  const isLast = timer.interval === 0 || (timer.sequence + 2) * timer.interval > timer.repeatFor
  return isLast ? { ...next, uri: '', opaque: '', tags: [] } : next
}

/** Whether what has come replaces what is there (§12.4). @param view the present one */
export function supersedes(incoming: ChronosTimer, present: ChronosTimer, view: string): boolean {
  if (incoming.view === view && present.view !== view) return true
  if (incoming.sequence === present.sequence) return incoming.start >= present.start
  const isSame = Math.abs(incoming.start - present.start) <= SAME_START_MS
  return !(isSame && incoming.sequence < present.sequence && incoming.sequence !== 0)
}

/** Reads the body of a request for a timer. A string says what is wrong with it. */
export function parseTimerRequest(body: string): TimerRequest | string {
  const root = jsonObject(body)
  if (root === undefined) return 'the body is no JSON object'
  const { timing, callback, reliability = {}, statistics } = root
  if (!isObject(timing)) return 'timing is missing'
  const interval = secondsOf(timing.interval)
  const repeatFor = timing['repeat-for'] === undefined ? interval : secondsOf(timing['repeat-for'])
  if (interval === undefined || repeatFor === undefined) return 'interval and repeat-for are whole seconds'
  if (interval === 0 && repeatFor !== 0) return 'an interval of 0 with repeat-for never ends'
  const http = isObject(callback) ? callback.http : undefined
  if (!isObject(http) || typeof http.uri !== 'string' || typeof http.opaque !== 'string')
    return 'callback.http has no uri, or no opaque'
  if (!isObject(reliability)) return 'reliability is no object'
  const factor = reliability['replication-factor']
  if (factor !== undefined && !isCount(factor, 1, MOST_REPLICAS))
    return `replication-factor is 1 to ${MOST_REPLICAS}`
  const replicated = replicationOf(timing, reliability)
  if (typeof replicated === 'string') return replicated
  if (replicated === undefined && !isCallback(http.uri)) return 'the uri of the callback is no http URL'
  return {
    timer: {
      interval: seconds(interval),
      repeatFor: seconds(repeatFor),
      uri: http.uri,
      opaque: http.opaque,
      tags: tagsOf(statistics),
    },
    factor,
    ...(replicated === undefined ? {} : { replicated }),
  }
}

/** The body by which one node tells another of a timer. @param now the sender's present */
export function formatReplication(timer: ChronosTimer, now: number): string {
  return JSON.stringify({
    timing: {
      interval: timer.interval / 1000,
      'repeat-for': timer.repeatFor / 1000,
      'start-time-delta': Math.round(timer.start - now),
      'sequence-number': timer.sequence,
    },
    callback: { http: { uri: timer.uri, opaque: timer.opaque } },
    reliability: {
      'replication-factor': timer.replicas.length,
      replicas: timer.replicas,
      'cluster-view-id': timer.view,
    },
    ...(timer.tags.length === 0 ? {} : { statistics: { 'tag-info': timer.tags } }),
  })
}

/** The last part of a timer's path: id and replication factor. */
export function formatTimerId(id: string, factor: number): string {
  return `${id}-${factor}`
}

export function parseTimerId(text: string): { readonly id: string; readonly factor: number } | undefined {
  const match = /^([0-9a-f]{16})-([1-8])$/.exec(text)
  return match?.[1] === undefined ? undefined : { id: match[1], factor: Number(match[2]) }
}

function replicationOf(
  timing: Readonly<Record<string, unknown>>,
  { replicas, 'cluster-view-id': view = '' }: Readonly<Record<string, unknown>>,
): TimerRequest['replicated'] | string {
  if (replicas === undefined) return undefined
  if (!Array.isArray(replicas) || replicas.length === 0 || replicas.length > MOST_REPLICAS)
    return 'replicas is no list of nodes'
  if (!replicas.every(each => typeof each === 'string' && each !== '')) return 'replicas is no list of nodes'
  const { 'start-time-delta': startDelta = 0, 'sequence-number': sequence = 0 } = timing
  if (!isCount(sequence, 0, Number.MAX_SAFE_INTEGER)) return 'sequence-number is no number'
  if (typeof startDelta !== 'number' || !Number.isSafeInteger(startDelta))
    return 'start-time-delta is no number'
  if (typeof view !== 'string') return 'cluster-view-id is no text'
  return { replicas: replicas as string[], view, sequence, startDelta }
}

/** Malformed ones are passed over; equal types are added up. */
function tagsOf(statistics: unknown): readonly TimerTag[] {
  const info = isObject(statistics) ? statistics['tag-info'] : undefined
  const counts = new Map<string, number>()
  for (const each of Array.isArray(info) ? (info as unknown[]) : []) {
    if (!isObject(each)) continue
    const { type, count = 1 } = each
    if (typeof type !== 'string' || !isCount(count, 0, 1_000_000)) continue
    counts.set(type, (counts.get(type) ?? 0) + count)
  }
  return [...counts].map(([type, count]) => ({ type, count }))
}

function secondsOf(value: unknown): number | undefined {
  return isCount(value, 0, MOST_SECONDS) ? value : undefined
}

function isCount(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most
}

function isCallback(uri: string): boolean {
  return URL.canParse(uri) && /^https?:$/.test(new URL(uri).protocol)
}

/** How long a tombstone is kept at least. */
export const TOMBSTONE_LIFE = millis(10_000)
