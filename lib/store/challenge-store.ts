import type { Awaitable } from '../kit/awaitable.ts'

/** What a store has to know of a challenge that waits for its answer, or whose nonce may be used again. */
export interface OpenChallenge {
  readonly nonce: string
  /** The next nonce count that is expected; starts at 1. */
  readonly nonceCount: number
  /** Unix time in milliseconds. */
  readonly expiresAt: number
}

/** An authentication challenge of the registrar. */
export interface Challenge extends OpenChallenge {
  readonly realm: string
  readonly qop: string
  readonly impu: string
  readonly scscfUri: string
  readonly secret:
    | { readonly kind: 'digest'; readonly ha1: string; readonly sha256Ha1?: string }
    /** The password in hexadecimal digits, since for version 1 it is octets and no text (RFC 3310 §3.3). */
    | { readonly kind: 'aka'; readonly version: 1 | 2; readonly password: string }
}

/**
 * Open authentication challenges, keyed by private identity and nonce. Several may be open for one identity.
 *
 * A challenge vanishes at its expiry. It need not survive the process: losing one costs the phone one more 401.
 */
export interface ChallengeStore<C extends OpenChallenge = Challenge> {
  get(impi: string, nonce: string): Awaitable<C | undefined>
  /** Adds a challenge, or replaces the one of the same nonce. */
  put(impi: string, challenge: C): Awaitable<void>
  /**
   * Takes the use of a nonce: replaces the challenge only if it still has the nonce count that was read.
   * Two answers to one nonce that race cannot both win. One that is not to be used again has expired by now.
   */
  advance(impi: string, challenge: C, expectedNonceCount: number): Awaitable<'stored' | 'conflict'>
  /** Removes all of a private identity, without a word of any that is unanswered. */
  removeAll(impi: string): Awaitable<void>
  /** Calls `handler` for each challenge that nobody has answered by its expiry, soon after it. */
  onUnanswered(handler: (impi: string, challenge: C) => void): void
}
