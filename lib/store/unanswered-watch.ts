import { millis, type Clock, type Duration } from '../kit/clock.ts'
import type { Challenge } from './challenge-store.ts'

export interface UnansweredWatchOptions {
  readonly clock: Clock
  /** How long after its expiry a challenge is looked at. */
  readonly lookAfter: Duration
  /** Whether nobody has answered it; undefined counts as answered. */
  readonly isUnanswered: (impi: string, challenge: Challenge) => Promise<boolean>
  readonly onError: (error: unknown) => void
}

interface Watched {
  readonly impi: string
  readonly challenge: Challenge
}

/** So many are watched; more at once are an attack, of which the HSS need not hear. */
const MOST_WATCHED = 100_000

/** Looks at challenges that this process has made when their time is over, and tells of those that nobody answered. */
export class UnansweredWatch {
  handler: ((impi: string, challenge: Challenge) => void) | undefined
  readonly #options: UnansweredWatchOptions
  /** In the order in which they were made, which is that of their expiry. */
  readonly #watched = new Set<Watched>()
  #set = false

  constructor(options: UnansweredWatchOptions) {
    this.#options = options
  }

  add(impi: string, challenge: Challenge): void {
    if (this.#watched.size >= MOST_WATCHED) return
    this.#watched.add({ impi, challenge })
    if (!this.#set) this.#lookAt(challenge.expiresAt)
  }

  #lookAt(time: number): void {
    this.#set = true
    const { clock, lookAfter } = this.#options
    clock.after(millis(Math.max(0, time - clock.now()) + lookAfter), () => {
      this.#set = false
      this.#look()
    })
  }

  #look(): void {
    const now = this.#options.clock.now()
    for (const watched of this.#watched) {
      if (watched.challenge.expiresAt > now) return this.#lookAt(watched.challenge.expiresAt)
      this.#watched.delete(watched)
      void this.#judge(watched)
    }
  }

  async #judge({ impi, challenge }: Watched): Promise<void> {
    try {
      if (await this.#options.isUnanswered(impi, challenge)) this.handler?.(impi, challenge)
    } catch (error) {
      this.#options.onError(error)
    }
  }
}
