import { seconds, type Clock, type Duration } from './clock.ts'

export interface GraylistOptions {
  readonly clock: Clock
  /** How long a peer is passed over; 0 never does. */
  readonly blackFor: Duration
  /** How long after that a single request may find out whether it is back; by default as long again. */
  readonly grayFor?: Duration
}

interface Entry {
  readonly blackUntil: number
  readonly grayUntil: number
  /** When somebody last set out to see whether it is back. */
  probedAt: number
}

const MOST_PEERS = 10_000
/** A probe of which nothing was heard for so long is none: whoever sent it has died or was cancelled. */
const PROBE_LASTS = seconds(40)

/**
 * Peers that did not answer lately, by any name that its owner has for them.
 *
 * A peer that failed is avoided for a while; then one request probes it, and only when that is answered do the others
 * follow. A peer that nobody has tried by the end of that time counts as good again.
 */
export class Graylist {
  readonly #clock: Clock
  readonly #blackFor: Duration
  readonly #grayFor: Duration
  readonly #entries = new Map<string, Entry>()

  constructor({ clock, blackFor, grayFor = blackFor }: GraylistOptions) {
    this.#clock = clock
    this.#blackFor = blackFor
    this.#grayFor = grayFor
  }

  /** Peers on the list. While it is 0, as nearly always, nobody needs to make up names for peers. */
  get size(): number {
    return this.#entries.size
  }

  /** True for a peer that is only worth a try when there is no other. */
  isAvoided(peer: string): boolean {
    const entry = this.#entries.get(peer)
    if (entry === undefined) return false
    const now = this.#clock.now()
    if (now < entry.blackUntil) return true
    if (now < entry.grayUntil) return now - entry.probedAt < PROBE_LASTS
    this.#entries.delete(peer)
    return false
  }

  /** A request sets out to the peer: others wait for what becomes of it. */
  trying(peer: string): void {
    const entry = this.#entries.get(peer)
    if (entry !== undefined) entry.probedAt = this.#clock.now()
  }

  /** The peer refused a connection or did not answer. @param blackFor where the peer has said how long it wants rest */
  failed(peer: string, blackFor = this.#blackFor): void {
    if (blackFor <= 0) return
    const blackUntil = this.#clock.now() + blackFor
    this.#entries.delete(peer)
    this.#entries.set(peer, { blackUntil, grayUntil: blackUntil + this.#grayFor, probedAt: -Infinity })
    if (this.#entries.size <= MOST_PEERS) return
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined) this.#entries.delete(oldest)
  }

  answered(peer: string): void {
    this.#entries.delete(peer)
  }
}
