/** Longer pauses would look like an end. */
const LONGEST_PAUSE_MS = 5000

/** Keeps this process to a share of one processor, by what it has used since the start. */
export class CpuShare {
  readonly #usedMs: () => number
  readonly #now: () => number
  readonly #usedBefore: number
  readonly #begun: number

  /** @param usedMs processor time of this process so far, in milliseconds */
  constructor(usedMs: () => number = usedByProcess, now: () => number = () => performance.now()) {
    this.#usedMs = usedMs
    this.#now = now
    this.#usedBefore = usedMs()
    this.#begun = now()
  }

  /** How long to do nothing now, in milliseconds, so that no more than the share is used. @param share 0 to 1 */
  pauseFor(share: number): number {
    const used = this.#usedMs() - this.#usedBefore
    const elapsed = this.#now() - this.#begun
    return Math.min(LONGEST_PAUSE_MS, Math.max(0, used / share - elapsed))
  }
}

function usedByProcess(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
