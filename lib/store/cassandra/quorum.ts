import { seconds, type Clock } from '../../kit/clock.ts'

/** So long nobody waits for a quorum again, once one was waited for in vain. */
const BY_ONE_FOR = seconds(2)

/**
 * Decides by how many copies something is done: by a quorum, or, while too few answer, by one. A node that has lost its
 * power is waited for in vain until the others count it as down, which takes them up to twenty seconds: meanwhile nobody
 * waits, and now and then it is tried beside whether there is a quorum again.
 *
 * What is done may so be done twice, and must be such that this does no harm.
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
    if (this.#byOneUntil !== 0) {
      if (this.#clock.now() >= this.#byOneUntil) void this.#probe(byQuorum)
      return byOne()
    }
    try {
      return await byQuorum()
    } catch (error) {
      if (!this.#isTooFew(error)) throw error
      this.#wait()
      return byOne()
    }
  }

  /** Never rejects: whoever asked has an answer by one copy. */
  async #probe(byQuorum: () => Promise<unknown>): Promise<void> {
    this.#wait()
    try {
      await byQuorum()
      this.#byOneUntil = 0
    } catch {
      this.#wait()
    }
  }

  #wait(): void {
    this.#byOneUntil = this.#clock.now() + BY_ONE_FOR
  }
}
