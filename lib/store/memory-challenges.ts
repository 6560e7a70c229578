import type { Clock } from '../kit/clock.ts'
import type { Challenge, ChallengeStore } from './challenge-store.ts'

export interface MemoryChallengeOptions {
  readonly clock: Clock
  /** How many challenges are kept; the oldest is dropped for a new one. */
  readonly max?: number
}

const DEFAULT_MAX = 100_000

/**
 * Open challenges in the memory of one process.
 *
 * At the bound the oldest challenge goes: a flood of REGISTERs costs honest phones a second 401, not us our memory.
 */
export class MemoryChallengeStore implements ChallengeStore {
  readonly #clock: Clock
  readonly #max: number
  /** Least recently written first. */
  readonly #challenges = new Map<string, Challenge>()
  readonly #noncesOf = new Map<string, Set<string>>()

  constructor(options: MemoryChallengeOptions) {
    this.#clock = options.clock
    this.#max = options.max ?? DEFAULT_MAX
  }

  get size(): number {
    return this.#challenges.size
  }

  async get(impi: string, nonce: string): Promise<Challenge | undefined> {
    return this.#live(impi, nonce)
  }

  async put(impi: string, challenge: Challenge): Promise<void> {
    this.#write(impi, challenge)
    this.#dropOldest()
  }

  async advance(
    impi: string,
    challenge: Challenge,
    expectedNonceCount: number,
  ): Promise<'stored' | 'conflict'> {
    // No await between look and write: that is what makes it compare-and-set.
    if (this.#live(impi, challenge.nonce)?.nonceCount !== expectedNonceCount) return 'conflict'
    if (challenge.expiresAt > this.#clock.now()) this.#write(impi, challenge)
    else this.#drop(impi, challenge.nonce)
    return 'stored'
  }

  async remove(impi: string, nonce: string): Promise<void> {
    this.#drop(impi, nonce)
  }

  async removeAll(impi: string): Promise<void> {
    for (const nonce of this.#noncesOf.get(impi) ?? []) this.#challenges.delete(keyOf(impi, nonce))
    this.#noncesOf.delete(impi)
  }

  #live(impi: string, nonce: string): Challenge | undefined {
    const challenge = this.#challenges.get(keyOf(impi, nonce))
    if (challenge === undefined || challenge.expiresAt > this.#clock.now()) return challenge
    this.#drop(impi, nonce)
    return undefined
  }

  #write(impi: string, challenge: Challenge): void {
    const key = keyOf(impi, challenge.nonce)
    // Deleted first, for its new place at the young end.
    this.#challenges.delete(key)
    this.#challenges.set(key, challenge)
    const nonces = this.#noncesOf.get(impi)
    if (nonces === undefined) this.#noncesOf.set(impi, new Set([challenge.nonce]))
    else nonces.add(challenge.nonce)
  }

  /** Drops what is beyond the bound, and at most two of the expired, so that a put has a constant cost. */
  #dropOldest(): void {
    for (let looked = 0; looked < 2; looked++) {
      const oldest = this.#challenges.entries().next()
      if (oldest.done === true) return
      const [key, challenge] = oldest.value
      if (this.#challenges.size <= this.#max && challenge.expiresAt > this.#clock.now()) return
      this.#drop(impiOf(key), challenge.nonce)
    }
  }

  #drop(impi: string, nonce: string): void {
    this.#challenges.delete(keyOf(impi, nonce))
    const nonces = this.#noncesOf.get(impi)
    nonces?.delete(nonce)
    if (nonces?.size === 0) this.#noncesOf.delete(impi)
  }
}

/** A header value holds no NUL, so an impi and a nonce cannot be mistaken for another pair. */
function keyOf(impi: string, nonce: string): string {
  return `${impi}\0${nonce}`
}

function impiOf(key: string): string {
  return key.slice(0, key.indexOf('\0'))
}
