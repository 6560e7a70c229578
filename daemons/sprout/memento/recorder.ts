import { finishedCalls } from '../../../lib/ims/call-list/calls.ts'
import type { Impu } from '../../../lib/ims/identity.ts'
import { pause, seconds, type Clock, type Duration } from '../../../lib/kit/clock.ts'
import type { Log } from '../../../lib/kit/log.ts'
import type { Admission } from '../../../lib/overload/admission.ts'
import type { CallFragment, CallListStore, FragmentKind } from '../../../lib/store/call-list-store.ts'

export interface RecorderOptions {
  readonly clock: Clock
  readonly log: Log
  readonly store: CallListStore
  /** `call_list_store_ttl`. */
  readonly ttl: Duration
  /** `max_call_list_length`; 0 is no limit. */
  readonly maxLength: number
  /** `memento_threads`: writes at one time. */
  readonly writers: number
  /** Lets in as many calls as the store can take. */
  readonly admission: Admission
  /** Is told of each change; must not throw. */
  readonly notify?: (impu: Impu) => void
  /** A number from 0 to below 1. */
  readonly chance?: () => number
  readonly maxQueued?: number
}

/**
 * Fragments that are on disk, by what they tell; calls that were let pass unrecorded, since the store has too much to do;
 * fragments that could not be written.
 */
export type RecorderCounts = Record<FragmentKind | 'unrecorded' | 'lost', number>

interface Entry {
  readonly impu: Impu
  readonly fragment: CallFragment
  readonly queuedAt: number
}

const MAX_QUEUED = 10_000
/** A store that fails is asked again after these; a restart of it or a moment's lock costs no record. */
const RETRY_AFTER = [seconds(1), seconds(5), seconds(15)]
/** A list is trimmed when it is so much longer than allowed, to be shorter for a while. */
const SURPLUS = 1.1
/** Writes between two looks at the length of a list, as part of the allowed length. */
const LOOKS = 10

/**
 * Writes fragments of calls down behind the calls' back: whatever the store does, a call is neither late nor refused for
 * it. What waits is bounded; beyond, calls go unrecorded.
 */
export class Recorder {
  readonly counts: RecorderCounts = { begin: 0, rejected: 0, end: 0, unrecorded: 0, lost: 0 }
  readonly #options: RecorderOptions
  readonly #chance: () => number
  readonly #maxQueued: number
  readonly #closing = new AbortController()
  #queue: Entry[] = []
  #next = 0
  #writing = 0
  #idle: (() => void) | undefined

  constructor(options: RecorderOptions) {
    this.#options = options
    this.#chance = options.chance ?? Math.random
    this.#maxQueued = options.maxQueued ?? MAX_QUEUED
  }

  /** Fragments that wait or are being written. */
  get waiting(): number {
    return this.#queue.length - this.#next + this.#writing
  }

  /** Whether a call that begins now will be recorded. One that is not is counted. */
  admits(): boolean {
    const { admission } = this.#options
    if (this.waiting < this.#maxQueued && admission.take(performance.now())) return true
    admission.refused()
    this.counts.unrecorded++
    return false
  }

  /** Takes a fragment to be written, and returns at once. */
  record(impu: Impu, fragment: CallFragment): void {
    // The end of a call that was admitted may find the queue full all the same.
    if (this.waiting >= this.#maxQueued || this.#closing.signal.aborted) {
      this.counts.lost++
      return
    }
    this.#queue.push({ impu, fragment, queuedAt: performance.now() })
    if (this.#writing < this.#options.writers) void this.#write()
  }

  /** Writes what waits, without patience for a store that fails, and takes no more. */
  async close(): Promise<void> {
    this.#closing.abort()
    if (this.waiting > 0) await new Promise<void>(resolve => (this.#idle = resolve))
  }

  async #write(): Promise<void> {
    this.#writing++
    for (let entry = this.#take(); entry !== undefined; entry = this.#take()) await this.#store(entry)
    this.#writing--
    if (this.waiting === 0) this.#idle?.()
  }

  #take(): Entry | undefined {
    const entry = this.#queue[this.#next]
    if (entry === undefined) {
      this.#queue = []
      this.#next = 0
      return undefined
    }
    this.#next++
    return entry
  }

  async #store({ impu, fragment, queuedAt }: Entry): Promise<void> {
    const { store, ttl, notify, admission, log, clock } = this.#options
    for (let attempt = 0; ; attempt++) {
      try {
        await store.add(impu, fragment, ttl)
        break
      } catch (error) {
        const wait = this.#closing.signal.aborted ? undefined : RETRY_AFTER[attempt]
        if (wait === undefined) {
          this.counts.lost++
          log.error('a part of a call could not be recorded', { impu, kind: fragment.kind, error })
          return
        }
        await pause(clock, wait, this.#closing.signal)
      }
    }
    const now = performance.now()
    admission.completed(now - queuedAt, now)
    this.counts[fragment.kind]++
    notify?.(impu)
    await this.#trim(impu)
  }

  async #trim(impu: Impu): Promise<void> {
    const { store, maxLength, log } = this.#options
    if (maxLength === 0 || this.#chance() >= LOOKS / maxLength) return
    try {
      const calls = finishedCalls(await store.fragments(impu))
      if (calls.length <= maxLength * SURPLUS) return
      const oldest = calls.slice(0, calls.length - maxLength)
      await store.remove(
        impu,
        oldest.flatMap(({ fragments }) => fragments),
      )
    } catch (error) {
      // The next look will find it too long still.
      log.warn('a call list could not be trimmed', { impu, error })
    }
  }
}
