import type { Clock } from '../kit/clock.ts'

const WINDOW_MS = 5000

/** How much a second there was of something in the last complete five seconds; windows begin at multiples of five by the clock. */
export class Rate {
  readonly #clock: Pick<Clock, 'now'>
  #window: number
  #current = 0
  #previous = 0

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
    this.#window = this.#now()
  }

  add(amount: number): void {
    this.#roll()
    this.#current += amount
  }

  get perSecond(): number {
    this.#roll()
    return (this.#previous * 1000) / WINDOW_MS
  }

  #roll(): void {
    const now = this.#now()
    if (now === this.#window) return
    this.#previous = now === this.#window + 1 ? this.#current : 0
    this.#current = 0
    this.#window = now
  }

  #now(): number {
    return Math.floor(this.#clock.now() / WINDOW_MS)
  }
}
