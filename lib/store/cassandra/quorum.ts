import { seconds, type Clock } from '../../kit/clock.ts'

/** So long nobody waits for a quorum again, once one was waited for in vain. */
const BY_ONE_FOR = seconds(2)

/**
 * Decides by how many copies something is done: by a quorum, or, while too few answer, by one. A node that has lost its
 * power is waited for in vain until the others count it as down, which takes them up to twenty seconds: meanwhile one
 * request now and then finds out whether there is a quorum again, and the others do not wait.
 */
export class Quorum {
  readonly #clock: Pick<Clock, 'now'>
  readonly #isTooFew: (error: unknown) => boolean
  /** Unix time in milliseconds; 0 while there is a quorum. */
  #byOneUntil = 0

  /** @param isTooFew whether an error says that a quorum does not answer */
  constructor(clock: Pick<Clock, 'now'>, isTooFew: (error: unknown) => boolean) {
    this.#clock = clock
    this.#isTooFew = isTooFew
  }

  /** Throws what `byQuorum` throws if that says something else, else what `byOne` throws. */
  async run<T>(byQuorum: () => Promise<T>, byOne: () => Promise<T>): Promise<T> {
    const now = this.#clock.now()
    if (now < this.#byOneUntil) return byOne()
    // This one finds out for those who come meanwhile.
    if (this.#byOneUntil !== 0) this.#byOneUntil = now + BY_ONE_FOR
    try {
      const result = await byQuorum()
      this.#byOneUntil = 0
      return result
    } catch (error) {
      if (!this.#isTooFew(error)) throw error
      this.#byOneUntil = this.#clock.now() + BY_ONE_FOR
      return byOne()
    }
  }
}
