import type { Clock, Duration, Timer } from '../../kit/clock.ts'

/** Calls `run` with the time again and again: one timer for all connections instead of one for each. */
export function sweep(clock: Clock, period: Duration, run: (now: number) => void): Timer {
  let timer = clock.after(period, turn)
  function turn(): void {
    timer = clock.after(period, turn)
    run(clock.now())
  }
  return {
    cancel: () => {
      timer.cancel()
    },
  }
}
