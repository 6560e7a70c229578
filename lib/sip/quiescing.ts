import { seconds } from '../kit/clock.ts'

/** A SIP daemon that is about to go and leaves nobody in the lurch (manual 8.41.2: `quiesce`). */
export interface Quiescing {
  /**
   * Sends elsewhere who can go, and waits for the rest.
   *
   * @returns true once there is nothing left to do, false if `end` came before
   */
  begin(): Promise<boolean>
  /** At work as usual again. */
  end(): Promise<void>
}

/** The longest that a request may wait for its answer: a phone rings for three minutes (RFC 3261 §16.6, Timer C). */
export const LONGEST_DRAIN = seconds(300)
