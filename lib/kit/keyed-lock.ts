/** Runs what concerns the same keys one after the other, and everything else side by side. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>()

  /** Runs `work` once all earlier work on any of the keys has ended; safe against deadlock if `work` takes none itself. */
  async run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<undefined>()
    const own = [...new Set(keys)]
    // Taken for all keys within one turn: of two that meet, one waits for the other on every key they share.
    const earlier = own.flatMap(key => this.#tails.get(key) ?? [])
    for (const key of own) this.#tails.set(key, promise)
    try {
      await Promise.all(earlier)
      return await work()
    } finally {
      for (const key of own) if (this.#tails.get(key) === promise) this.#tails.delete(key)
      resolve(undefined)
    }
  }
}
