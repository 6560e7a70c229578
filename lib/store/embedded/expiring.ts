import { setImmediate as nextTurn } from 'node:timers/promises'
import { minutes, seconds, type Clock, type Timer } from '../../kit/clock.ts'
import type { Versioned } from '../registration-store.ts'
import type { EmbeddedEnvironment } from './environment.ts'
import { nextKey, type EmbeddedTable } from './table.ts'

export interface ExpiringOptions<T> {
  readonly name: string
  /** How many decoded values are kept in memory. */
  readonly cached: number
  /** When a value has no use any more, Unix time in milliseconds. */
  readonly expiryOf: (value: T) => number
}

interface Row<T> {
  readonly version: number
  readonly expiresAt: number
  readonly record: T
}

const GRACE = seconds(10)
const SWEEP_EVERY = minutes(5)
const SLICE = 200

/**
 * Values on disk that are changed by compare-and-set, and vanish some time after they have expired. Commits are shared: a
 * change is acknowledged some milliseconds after it was made.
 */
export class EmbeddedExpiring<T> {
  readonly #environment: EmbeddedEnvironment
  readonly #clock: Clock
  readonly #rows: EmbeddedTable<Row<T>>
  readonly #expiryOf: (value: T) => number
  #lastVersion = 0
  #sweep: Timer
  #closed = false

  constructor(environment: EmbeddedEnvironment, clock: Clock, options: ExpiringOptions<T>) {
    this.#environment = environment
    this.#clock = clock
    this.#rows = environment.table<Row<T>>(options.name, { cached: options.cached })
    this.#expiryOf = options.expiryOf
    this.#sweep = this.#sweepLater()
  }

  get(key: string): Versioned<T> | undefined {
    const row = this.#live(key)
    return row && { value: row.record, version: row.version }
  }

  /** @param expected the version that was read; undefined if there was no value */
  async put(key: string, value: T, expected: number | undefined): Promise<'stored' | 'conflict'> {
    if (this.#live(key)?.version !== expected) return 'conflict'
    const version = this.#nextVersion()
    this.#rows.set(key, { version, expiresAt: this.#expiryOf(value), record: value })
    await this.#environment.commit('shared')
    return 'stored'
  }

  async remove(key: string, expected: number): Promise<'removed' | 'conflict'> {
    if (this.#live(key)?.version !== expected) return 'conflict'
    this.#rows.remove(key)
    await this.#environment.commit('shared')
    return 'removed'
  }

  /** Every live value, in order of keys; those that change meanwhile may be seen before or after. */
  async *all(): AsyncGenerator<Versioned<T> & { readonly key: string }> {
    await this.#environment.commit('now')
    for await (const key of this.#keys()) {
      const row = this.#live(key)
      if (row !== undefined) yield { key, value: row.record, version: row.version }
    }
  }

  /** Removes all that have expired. It does so by itself now and then; @returns how many there were. */
  async sweep(): Promise<number> {
    let removed = 0
    let start: string | undefined
    for (;;) {
      if (this.#closed) return removed
      const slice = this.#rows.texts({ ...(start === undefined ? {} : { start }), limit: SLICE })
      for (const { key, text } of slice) {
        // Looked at as text first, so that a sweep does not push the rows in use out of the cache.
        if (
          this.#isDead(JSON.parse(text) as Row<T>) &&
          this.#live(key) === undefined &&
          this.#rows.remove(key)
        )
          removed++
      }
      const last = slice.at(-1)
      if (last === undefined || slice.length < SLICE) break
      start = nextKey(last.key)
      await nextTurn()
    }
    if (removed > 0) await this.#environment.commit('shared')
    return removed
  }

  /** Ends the sweeps; the environment stays open. */
  close(): void {
    this.#closed = true
    this.#sweep.cancel()
  }

  #live(key: string): Row<T> | undefined {
    const row = this.#rows.get(key)
    return row === undefined || this.#isDead(row) ? undefined : row
  }

  #isDead(row: Row<T>): boolean {
    return row.expiresAt + GRACE < this.#clock.now()
  }

  /** Never given twice, so that a version read before a removal cannot fit a value stored after it. */
  #nextVersion(): number {
    this.#lastVersion = Math.max(this.#lastVersion + 1, Math.floor(this.#clock.now() * 1000))
    return this.#lastVersion
  }

  async *#keys(): AsyncGenerator<string> {
    let start: string | undefined
    for (;;) {
      const keys = this.#rows.keys({ ...(start === undefined ? {} : { start }), limit: SLICE })
      yield* keys
      const last = keys.at(-1)
      if (last === undefined || keys.length < SLICE) return
      start = nextKey(last)
      await nextTurn()
    }
  }

  #sweepLater(): Timer {
    return this.#clock.after(SWEEP_EVERY, () => {
      // A sweep that fails has changed nothing; the next one tries again.
      this.sweep().catch(() => undefined)
      if (!this.#closed) this.#sweep = this.#sweepLater()
    })
  }
}
