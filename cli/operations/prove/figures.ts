/** What a background load has seen so far. */
export interface LoadFigures {
  /** Attempts to call somebody, and how many of them were not put through. */
  readonly calls: { readonly tried: number; readonly failed: number }
  /** Calls that stood and have ended since, and how many of them could not be ended as they should. */
  readonly established: { readonly ended: number; readonly lost: number }
  readonly registrations: { readonly tried: number; readonly refused: number; readonly unanswered: number }
  /** The longest time between two calls that were put through, in milliseconds. */
  readonly longestGapMs: number
  /** The first that went wrong, in the order of time. */
  readonly losses: readonly Loss[]
}

export interface Loss {
  /** Milliseconds since the beginning. */
  readonly at: number
  readonly what: 'call' | 'established call' | 'registration'
  readonly why: string
}

const MOST_LOSSES = 50

/** Counts what becomes of calls and registrations. */
export class LoadCounter {
  readonly #now: () => number
  readonly #begun: number
  readonly #losses: Loss[] = []
  #calls = { tried: 0, failed: 0 }
  #established = { ended: 0, lost: 0 }
  #registrations = { tried: 0, refused: 0, unanswered: 0 }
  #longestGapMs = 0
  #lastThrough: number

  /** @param now milliseconds of a clock that does not jump */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#lastThrough = this.#begun = now()
  }

  get figures(): LoadFigures {
    return {
      calls: { ...this.#calls },
      established: { ...this.#established },
      registrations: { ...this.#registrations },
      longestGapMs: Math.round(Math.max(this.#longestGapMs, this.#now() - this.#lastThrough)),
      losses: [...this.#losses],
    }
  }

  /** @param why it was not put through, if it was not */
  called(why?: string): void {
    this.#calls.tried++
    if (why !== undefined) {
      this.#calls.failed++
      this.#lose('call', why)
      return
    }
    const now = this.#now()
    this.#longestGapMs = Math.max(this.#longestGapMs, now - this.#lastThrough)
    this.#lastThrough = now
  }

  /** @param why it was lost, if it was */
  ended(why?: string): void {
    this.#established.ended++
    if (why === undefined) return
    this.#established.lost++
    this.#lose('established call', why)
  }

  /** @param status of the final answer; undefined if there was none */
  registered(status: number | undefined, why: string): void {
    this.#registrations.tried++
    if (status === 200) return
    if (status === undefined) this.#registrations.unanswered++
    else this.#registrations.refused++
    this.#lose('registration', why)
  }

  #lose(what: Loss['what'], why: string): void {
    if (this.#losses.length < MOST_LOSSES)
      this.#losses.push({ at: Math.round(this.#now() - this.#begun), what, why })
  }
}

/** What was tried, and what failed, between two readings. */
export function attemptsBetween(
  from: LoadFigures,
  to: LoadFigures,
): { readonly tried: number; readonly failed: number } {
  const [before, after] = [sums(from), sums(to)]
  return { tried: after.tried - before.tried, failed: after.failed - before.failed }
}

function sums({ calls, established, registrations }: LoadFigures): { tried: number; failed: number } {
  return {
    tried: calls.tried + established.ended + registrations.tried,
    failed: calls.failed + established.lost + registrations.refused + registrations.unanswered,
  }
}
