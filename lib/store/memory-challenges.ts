import { seconds, type Clock } from '../kit/clock.ts'
import type { Challenge, ChallengeStore, OpenChallenge } from './challenge-store.ts'

export interface MemoryChallengeOptions {
  readonly clock: Clock
  /** How many challenges are kept; the oldest is dropped for a new one. */
  readonly max?: number
}

interface Entry<C> {
  readonly impi: string
  readonly challenge: C
}

const DEFAULT_MAX = 100_000
/** One look at what has expired serves all challenges of a second: a timer for each would cost more than the rest. */
const LOOK_EVERY = seconds(1)

/**
 * Open challenges in the memory of one process.
 *
 * At the bound the oldest challenge goes: a flood of REGISTERs costs honest phones a second 401, not us our memory.
 */
export class MemoryChallengeStore<C extends OpenChallenge = Challenge> implements ChallengeStore<C> {
  readonly #clock: Clock
  readonly #max: number
  /** Least recently written first. */
  readonly #entries = new Map<string, Entry<C>>()
  #onUnanswered: ((impi: string, challenge: C) => void) | undefined
  #looking = false

  constructor(options: MemoryChallengeOptions) {
    this.#clock = options.clock
    this.#max = options.max ?? DEFAULT_MAX
  }

  get size(): number {
    return this.#entries.size
  }

  get(impi: string, nonce: string): C | undefined {
    const challenge = this.#entries.get(keyOf(impi, nonce))?.challenge
    return challenge === undefined || challenge.expiresAt > this.#clock.now() ? challenge : undefined
  }

  put(impi: string, challenge: C): void {
    this.#write(impi, challenge)
    if (this.#entries.size > this.#max) this.#dropOldest()
    this.#lookLater()
  }

  advance(impi: string, challenge: C, expectedNonceCount: number): 'stored' | 'conflict' {
    if (this.get(impi, challenge.nonce)?.nonceCount !== expectedNonceCount) return 'conflict'
    if (challenge.expiresAt > this.#clock.now()) this.#write(impi, challenge)
    else this.#entries.delete(keyOf(impi, challenge.nonce))
    return 'stored'
  }

  /** Looks at all there are: an index by identity would cost each REGISTER, for the sake of a rare de-registration. */
  removeAll(impi: string): void {
    for (const [key, entry] of this.#entries) if (entry.impi === impi) this.#entries.delete(key)
  }

  onUnanswered(handler: (impi: string, challenge: C) => void): void {
    this.#onUnanswered = handler
  }

  #write(impi: string, challenge: C): void {
    const key = keyOf(impi, challenge.nonce)
    // Deleted first, for its new place at the young end.
    this.#entries.delete(key)
    this.#entries.set(key, { impi, challenge })
  }

  #dropOldest(): void {
    const oldest = this.#entries.keys().next()
    if (oldest.done !== true) this.#entries.delete(oldest.value)
  }

  #lookLater(): void {
    if (this.#looking) return
    this.#looking = true
    this.#clock.after(LOOK_EVERY, () => {
      this.#looking = false
      this.#dropExpired()
      if (this.#entries.size > 0) this.#lookLater()
    })
  }

  /** Those that nobody has answered stand in the order of their expiry; among them, a nonce in use may live on. */
  #dropExpired(): void {
    const now = this.#clock.now()
    for (const [key, { impi, challenge }] of this.#entries) {
      const unanswered = challenge.nonceCount === 1
      if (challenge.expiresAt > now) {
        if (unanswered) return
        continue
      }
      this.#entries.delete(key)
      if (unanswered) this.#onUnanswered?.(impi, challenge)
    }
  }
}

/** A header value holds no NUL, so an impi and a nonce cannot be mistaken for another pair. */
function keyOf(impi: string, nonce: string): string {
  return `${impi}\0${nonce}`
}
