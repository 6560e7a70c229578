import type { Duration } from '../kit/clock.ts'

/** What a timer hands back when it pops. */
export interface TimerPop {
  readonly id: string
  readonly opaque: string
}

/**
 * Timers that outlive a process: in-process and persisted on one machine, chronos on many.
 *
 * A timer pops at least once, at or after its time, also when the process was down at that time (then soon after
 * the start). Setting an id again replaces its timer.
 */
export interface TimerService {
  /** @param topic who is called when it pops; @param id stable name of the timer within the topic. */
  set(topic: string, id: string, delay: Duration, opaque: string): Promise<void>
  cancel(topic: string, id: string): Promise<void>
  /** Registers the one handler of a topic; timers that were due earlier pop now. */
  onPop(topic: string, handler: (pop: TimerPop) => Promise<void>): void
}
