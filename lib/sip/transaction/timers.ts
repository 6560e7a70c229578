import { millis, seconds, type Duration } from '../../kit/clock.ts'

/** The protocol's timer values (RFC 3261 §17 and its table 4, RFC 6026). */
export interface SipTimers {
  /** Round-trip estimate. */
  readonly t1: Duration
  /** Longest interval between resends of a non-INVITE request and of an INVITE response. */
  readonly t2: Duration
  /** Longest time a message stays in the network. */
  readonly t4: Duration
  /** How long an unreliable INVITE client transaction absorbs responses after a failure. */
  readonly d: Duration
  /** How long a proxy waits for a final response to INVITE after a provisional one. */
  readonly c: Duration
}

export const RFC_TIMERS: SipTimers = {
  t1: millis(500),
  t2: seconds(4),
  t4: seconds(5),
  d: seconds(32),
  c: seconds(180),
}

/**
 * Time until the next resend over an unreliable transport.
 *
 * Doubles from T1. Other methods and INVITE responses stop growing at T2; INVITE requests do not (§17.1.1.2,
 * §17.1.2.2, §17.2.1).
 *
 * @param sent how many times the message has gone out, at least 1
 */
export function retransmitDelay(sent: number, capped: boolean, timers: SipTimers): Duration {
  const delay = timers.t1 * 2 ** (sent - 1)
  return millis(capped ? Math.min(delay, timers.t2) : delay)
}
