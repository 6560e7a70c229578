import type { Clock, Timer } from '../../lib/kit/clock.ts'
import { millis } from '../../lib/kit/clock.ts'
import { dueAt, type ChronosTimer } from '../../lib/timers/chronos/timer.ts'

interface Entry {
  readonly timer: ChronosTimer
  readonly alarm: Timer
  /** Tries of the present pop that came to nothing. */
  readonly failures: number
}

/** The timers of one node, each with the alarm for its next pop. */
export class TimerTable {
  readonly #clock: Clock
  readonly #onDue: (timer: ChronosTimer) => void
  readonly #entries = new Map<string, Entry>()

  constructor(clock: Clock, onDue: (timer: ChronosTimer) => void) {
    this.#clock = clock
    this.#onDue = onDue
  }

  get size(): number {
    return this.#entries.size
  }

  get(id: string): ChronosTimer | undefined {
    return this.#entries.get(id)?.timer
  }

  /** In the order of their ids, from the one behind `after` on. */
  list(after: string): readonly ChronosTimer[] {
    const ids = [...this.#entries.keys()].filter(id => id > after).sort()
    return ids.flatMap(id => this.get(id) ?? [])
  }

  all(): readonly ChronosTimer[] {
    return [...this.#entries.values()].map(({ timer }) => timer)
  }

  /** Keeps a timer in the place of any of its id. @param replica which one this node is */
  set(timer: ChronosTimer, replica: number): void {
    this.#arm(timer, dueAt(timer, replica) - this.#clock.now(), 0)
  }

  /** Has the present pop tried again later. @returns how often it has failed by now */
  again(timer: ChronosTimer, delay: number): number {
    const failures = (this.#entries.get(timer.id)?.failures ?? 0) + 1
    this.#arm(timer, delay, failures)
    return failures
  }

  remove(id: string): void {
    this.#entries.get(id)?.alarm.cancel()
    this.#entries.delete(id)
  }

  close(): void {
    for (const { alarm } of this.#entries.values()) alarm.cancel()
    this.#entries.clear()
  }

  #arm(timer: ChronosTimer, delay: number, failures: number): void {
    this.#entries.get(timer.id)?.alarm.cancel()
    const alarm = this.#clock.after(millis(Math.max(0, delay)), () => this.#onDue(timer))
    this.#entries.set(timer.id, { timer, alarm, failures })
  }
}
