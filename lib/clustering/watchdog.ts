import { minutes, type Clock, type Duration } from '../kit/clock.ts'

const PATIENCE = minutes(15)

/** Notices that a node does not get where it is to be for longer than any change of a cluster takes (operations.md §4). */
export class Watchdog {
  readonly #clock: Pick<Clock, 'now'>
  readonly #patience: Duration
  #since: number | undefined
  #isTold = false

  constructor(clock: Pick<Clock, 'now'>, patience: Duration = PATIENCE) {
    this.#clock = clock
    this.#patience = patience
  }

  /** Whether it has been on its way for too long. */
  get isStuck(): boolean {
    return this.#since !== undefined && this.#clock.now() - this.#since >= this.#patience
  }

  /** @returns `stuck` once when it takes too long, `well` once when it is there after that */
  look(isThere: boolean): 'stuck' | 'well' | undefined {
    if (isThere) {
      const wasTold = this.#isTold
      this.#since = undefined
      this.#isTold = false
      return wasTold ? 'well' : undefined
    }
    this.#since ??= this.#clock.now()
    if (!this.isStuck || this.#isTold) return undefined
    this.#isTold = true
    return 'stuck'
  }
}
