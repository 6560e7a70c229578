/** Milliseconds, as a type of its own, so that a bare number cannot be mistaken for a time. */
export type Duration = number & { readonly __unit: 'ms' }

export const millis = (n: number): Duration => n as Duration
export const seconds = (n: number): Duration => (n * 1000) as Duration
export const minutes = (n: number): Duration => (n * 60_000) as Duration

/** A timer that was set; cancelling twice, or after it fired, is harmless. */
export interface Timer {
  cancel(): void
}

/** Where time comes from. Daemons take it as an argument, so that a test owns it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Calls `fire` once, no earlier than `delay` from now (resolution up to 50 ms late). */
  after(delay: Duration, fire: () => void): Timer
}

/** Resolves after `delay`, or at once when the signal aborts. */
export function pause(clock: Clock, delay: Duration, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.after(signal?.aborted === true ? millis(0) : delay, done)
    signal?.addEventListener('abort', done)
  })
}

const TICK_MS = 50
/** 1024 slots of 50 ms: one turn is 51.2 s, longer timers go round. */
const SLOTS = 1024

class WheelTimer implements Timer {
  next: WheelTimer | undefined
  readonly dueTick: number
  #fire: (() => void) | undefined

  constructor(dueTick: number, fire: () => void) {
    this.dueTick = dueTick
    this.#fire = fire
  }

  // Lazy: the entry stays in its slot, without what it held, until the wheel passes.
  cancel(): void {
    this.#fire = undefined
  }

  fire(): void {
    const fire = this.#fire
    this.#fire = undefined
    fire?.()
  }
}

/**
 * A hashed timer wheel: setting and cancelling cost a few stores however many timers are live, where a
 * transaction-stateful SIP node sets several per message. One Node timer drives it, only while timers are set.
 *
 * As with Node's own timers, the process lives as long as one is set: who waits for nothing else waits for that.
 * {@link close} ends it.
 */
export class TimerWheel implements Clock {
  readonly #slots: (WheelTimer | undefined)[] = new Array<WheelTimer | undefined>(SLOTS).fill(undefined)
  readonly #onError: (error: unknown) => void
  #tick = Math.floor(performance.now() / TICK_MS)
  #live = 0
  #interval: NodeJS.Timeout | undefined
  readonly #holdsProcess: boolean

  /**
   * @param onError what to do with an exception of a timer's callback; the wheel itself goes on
   * @param options `holdsProcess: false` for one that nobody closes: the process may end with timers set
   */
  constructor(onError: (error: unknown) => void, options: { readonly holdsProcess?: boolean } = {}) {
    this.#onError = onError
    this.#holdsProcess = options.holdsProcess ?? true
  }

  now(): number {
    return Date.now()
  }

  after(delay: Duration, fire: () => void): Timer {
    if (this.#interval === undefined) {
      this.#tick = Math.floor(performance.now() / TICK_MS)
      this.#interval = setInterval(() => this.#turn(), TICK_MS)
      if (!this.#holdsProcess) this.#interval.unref()
    }
    const dueTick = Math.max(this.#tick + 1, Math.ceil((performance.now() + delay) / TICK_MS))
    const timer = new WheelTimer(dueTick, fire)
    const slot = dueTick % SLOTS
    timer.next = this.#slots[slot]
    this.#slots[slot] = timer
    this.#live++
    return timer
  }

  /** Stops the wheel; timers that are still set never fire. */
  close(): void {
    clearInterval(this.#interval)
    this.#interval = undefined
    this.#slots.fill(undefined)
    this.#live = 0
  }

  #turn(): void {
    const target = Math.floor(performance.now() / TICK_MS)
    while (this.#tick < target) {
      this.#tick++
      this.#runSlot(this.#tick % SLOTS)
    }
    if (this.#live === 0) {
      clearInterval(this.#interval)
      this.#interval = undefined
    }
  }

  #runSlot(slot: number): void {
    let timer = this.#slots[slot]
    this.#slots[slot] = undefined
    let due: WheelTimer | undefined
    while (timer !== undefined) {
      const next = timer.next
      const list = timer.dueTick <= this.#tick ? due : this.#slots[slot]
      timer.next = list
      if (timer.dueTick <= this.#tick) due = timer
      else this.#slots[slot] = timer
      timer = next
    }
    for (; due !== undefined; due = due.next) {
      this.#live--
      try {
        due.fire()
      } catch (error) {
        this.#onError(error)
      }
    }
  }
}

/** A clock that a test advances by hand. Timers fire in the order in which they are due. */
export class TestClock implements Clock {
  #now: number
  #timers: { readonly due: number; readonly seq: number; fire: () => void }[] = []
  #seq = 0

  constructor(now = 1_000_000_000_000) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  after(delay: Duration, fire: () => void): Timer {
    const timer = { due: this.#now + delay, seq: this.#seq++, fire }
    this.#timers.push(timer)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter(other => other !== timer)
      },
    }
  }

  /** Moves time on, firing every timer that becomes due on the way, also those set by another one. */
  advance(by: Duration): void {
    const end = this.#now + by
    for (;;) {
      const due = this.#timers
        .filter(timer => timer.due <= end)
        .sort((a, b) => a.due - b.due || a.seq - b.seq)[0]
      if (due === undefined) break
      this.#timers = this.#timers.filter(timer => timer !== due)
      this.#now = Math.max(this.#now, due.due)
      due.fire()
    }
    this.#now = end
  }

  /** How many timers are set: a test that expects none left asks here. */
  get pending(): number {
    return this.#timers.length
  }
}
