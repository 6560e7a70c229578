import { millis, seconds, type Clock, type Duration, type Timer } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import type { EmbeddedEnvironment } from '../store/embedded/environment.ts'
import { nextKey, type EmbeddedTable } from '../store/embedded/table.ts'
import type { TimerPop, TimerService } from './timer-service.ts'

export interface InProcessTimersOptions {
  readonly clock: Clock
  readonly log: Log
  /** Where timers are kept over a restart; absent: in memory only. */
  readonly environment?: EmbeddedEnvironment
}

interface StoredTimer {
  /** Unix time in milliseconds. */
  readonly due: number
  readonly opaque: string
}

interface LiveTimer extends StoredTimer {
  readonly timer: Timer
}

interface Topic {
  readonly timers: Map<string, LiveTimer>
  handler: ((pop: TimerPop) => Promise<void>) | undefined
  /** Due before there was a handler. */
  readonly overdue: Set<string>
}

type Handler = NonNullable<Topic['handler']>

/** How many pops may be in work at one time: after a long stop, thousands are due at once. */
const MAX_RUNNING = 100
const RETRY_AFTER = seconds(10)
const MAX_TRIES = 6
const LOAD_SLICE = 1000

/**
 * Timers of one process, kept in its embedded store.
 *
 * A handler that rejects is called again after 10 s, six times in all; then the timer is given up and logged.
 */
export class InProcessTimers implements TimerService {
  readonly #clock: Clock
  readonly #log: Log
  readonly #environment: EmbeddedEnvironment | undefined
  readonly #stored: EmbeddedTable<StoredTimer> | undefined
  readonly #topics = new Map<string, Topic>()
  readonly #waiting: (() => Promise<void>)[] = []
  #running = 0
  #closed = false

  constructor(options: InProcessTimersOptions) {
    this.#clock = options.clock
    this.#log = options.log
    this.#environment = options.environment
    this.#stored = options.environment?.table<StoredTimer>('timers')
    this.#load()
  }

  async set(topic: string, id: string, delay: Duration, opaque: string): Promise<void> {
    const state = this.#topic(topic)
    const stored: StoredTimer = { due: this.#clock.now() + delay, opaque }
    this.#arm(topic, state, id, stored)
    this.#stored?.set(keyOf(topic, id), stored)
    await this.#environment?.commit('shared')
  }

  async cancel(topic: string, id: string): Promise<void> {
    const state = this.#topic(topic)
    state.timers.get(id)?.timer.cancel()
    state.timers.delete(id)
    state.overdue.delete(id)
    if (this.#stored?.remove(keyOf(topic, id)) === true) await this.#environment?.commit('shared')
  }

  onPop(topic: string, handler: Handler): void {
    const state = this.#topic(topic)
    state.handler = handler
    for (const id of state.overdue) this.#pop(topic, state, id)
    state.overdue.clear()
  }

  /** Stops popping. Durable timers stay in the store for the next start. */
  close(): void {
    this.#closed = true
    this.#waiting.length = 0
    for (const { timers } of this.#topics.values()) for (const { timer } of timers.values()) timer.cancel()
    this.#topics.clear()
  }

  #topic(name: string): Topic {
    let topic = this.#topics.get(name)
    if (topic === undefined) {
      topic = { timers: new Map(), handler: undefined, overdue: new Set() }
      this.#topics.set(name, topic)
    }
    return topic
  }

  #load(): void {
    let start: string | undefined
    for (;;) {
      const keys = this.#stored?.keys({ ...(start === undefined ? {} : { start }), limit: LOAD_SLICE }) ?? []
      for (const key of keys) {
        const stored = this.#stored?.get(key)
        const { topic, id } = splitKey(key)
        if (stored !== undefined) this.#arm(topic, this.#topic(topic), id, stored)
      }
      const last = keys.at(-1)
      if (last === undefined || keys.length < LOAD_SLICE) return
      start = nextKey(last)
    }
  }

  #arm(name: string, topic: Topic, id: string, stored: StoredTimer): void {
    topic.timers.get(id)?.timer.cancel()
    topic.overdue.delete(id)
    const delay = millis(Math.max(0, stored.due - this.#clock.now()))
    const timer = this.#clock.after(delay, () => {
      if (topic.handler === undefined) topic.overdue.add(id)
      else this.#pop(name, topic, id)
    })
    topic.timers.set(id, { ...stored, timer })
  }

  #pop(name: string, topic: Topic, id: string): void {
    const live = topic.timers.get(id)
    if (live !== undefined) this.#enqueue(() => this.#run(name, topic, id, live, 1))
  }

  /** Tries the handler, unless the timer was cancelled or set anew while it waited for its turn. */
  async #run(name: string, topic: Topic, id: string, live: LiveTimer, attempt: number): Promise<void> {
    if (this.#closed || topic.timers.get(id) !== live || topic.handler === undefined) return
    try {
      await topic.handler({ id, opaque: live.opaque })
    } catch (error) {
      if (attempt < MAX_TRIES) {
        this.#log.warn('a timer could not be handled and is tried again', { topic: name, id, error })
        this.#clock.after(RETRY_AFTER, () =>
          this.#enqueue(() => this.#run(name, topic, id, live, attempt + 1)),
        )
        return
      }
      this.#log.error('a timer could not be handled and is given up', { topic: name, id, error })
    }
    if (topic.timers.get(id) === live) await this.cancel(name, id)
  }

  #enqueue(job: () => Promise<void>): void {
    this.#waiting.push(job)
    while (this.#running < MAX_RUNNING) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#running++
      void this.#finish(next())
    }
  }

  async #finish(job: Promise<void>): Promise<void> {
    try {
      await job
    } catch (error) {
      this.#log.error('a timer that has popped could not be removed', { error })
    }
    this.#running--
    const next = this.#waiting.shift()
    if (next === undefined) return
    this.#running++
    void this.#finish(next())
  }
}

/** A topic is a name of ours, without NUL. */
function keyOf(topic: string, id: string): string {
  return `${topic}\0${id}`
}

function splitKey(key: string): { topic: string; id: string } {
  const end = key.indexOf('\0')
  return { topic: key.slice(0, end), id: key.slice(end + 1) }
}
