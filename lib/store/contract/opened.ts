import type { Clock } from '../../kit/clock.ts'

/** A store that a contract suite has opened on empty ground. */
export interface Opened<T> {
  readonly store: T
  /** Closes it and opens it again on what was stored. Absent for stores that promise nothing over a restart. */
  readonly reopen?: () => Promise<Opened<T>>
  readonly close: () => Promise<void>
}

/** How a backend enters a contract suite. */
export type Open<T> = (clock: Clock) => Promise<Opened<T>>

/** Runs a part of a suite on a fresh store, and closes it whatever happens. */
export async function withStore<T>(open: Open<T>, clock: Clock, use: (opened: Opened<T>) => Promise<void>) {
  const opened = await open(clock)
  try {
    await use(opened)
  } finally {
    await opened.close()
  }
}
