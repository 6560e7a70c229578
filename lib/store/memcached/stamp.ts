const RANGE = 2 ** 32

/** When a value was written: the low 32 bits of Unix milliseconds, as they stand beside it in memcached. */
export function stampOf(now: number): number {
  return now % RANGE
}

/** Whether one stamp is after another, also across the end of 32 bits. */
export function isNewer(stamp: number, than: number): boolean {
  const ahead = (stamp - than + RANGE) % RANGE
  return ahead > 0 && ahead < RANGE / 2
}

/** The stamp of what is written now: after the last one that was given or seen, also where clocks differ. */
export function nextStamp(now: number, last: number): number {
  const stamp = stampOf(now)
  return isNewer(stamp, last) ? stamp : (last + 1) % RANGE
}
