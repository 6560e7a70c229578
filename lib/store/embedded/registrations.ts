import { setImmediate as nextTurn } from 'node:timers/promises'
import { minutes, seconds, type Clock, type Timer } from '../../kit/clock.ts'
import {
  lastExpiry,
  type RegistrationRecord,
  type RegistrationStore,
  type Versioned,
} from '../registration-store.ts'
import type { EmbeddedEnvironment } from './environment.ts'
import { nextKey, type EmbeddedTable } from './table.ts'

interface Row {
  readonly version: number
  /** When nothing in the record is alive any more. */
  readonly expiresAt: number
  readonly record: RegistrationRecord
}

const GRACE = seconds(10)
const SWEEP_EVERY = minutes(5)
const SLICE = 200
const DECODED_ROWS = 8000

/** Registrations on disk. Commits are shared: a change is acknowledged some milliseconds after it was made. */
export class EmbeddedRegistrationStore implements RegistrationStore {
  readonly #environment: EmbeddedEnvironment
  readonly #clock: Clock
  readonly #rows: EmbeddedTable<Row>
  #lastVersion = 0
  #sweep: Timer
  #closed = false

  constructor(environment: EmbeddedEnvironment, clock: Clock) {
    this.#environment = environment
    this.#clock = clock
    this.#rows = environment.table<Row>('registrations', { cached: DECODED_ROWS })
    this.#sweep = this.#sweepLater()
  }

  get(impu: string): Versioned<RegistrationRecord> | undefined {
    const row = this.#live(impu)
    return row && { value: row.record, version: row.version }
  }

  async put(
    impu: string,
    record: RegistrationRecord,
    expected: number | undefined,
  ): Promise<'stored' | 'conflict'> {
    if (this.#live(impu)?.version !== expected) return 'conflict'
    this.#rows.set(impu, { version: this.#nextVersion(), expiresAt: lastExpiry(record), record })
    await this.#environment.commit('shared')
    return 'stored'
  }

  async remove(impu: string, expected: number): Promise<'removed' | 'conflict'> {
    if (this.#live(impu)?.version !== expected) return 'conflict'
    this.#rows.remove(impu)
    await this.#environment.commit('shared')
    return 'removed'
  }

  /** Every live record, in order of identity; those that change meanwhile may be seen before or after. */
  async *all(): AsyncGenerator<Versioned<RegistrationRecord> & { readonly impu: string }> {
    await this.#environment.commit('now')
    for await (const impu of this.#keys()) {
      const row = this.#live(impu)
      if (row !== undefined) yield { impu, value: row.record, version: row.version }
    }
  }

  /** Removes all records that have expired. It does so by itself now and then; @returns how many there were. */
  async sweep(): Promise<number> {
    let removed = 0
    let start: string | undefined
    for (;;) {
      if (this.#closed) return removed
      const slice = this.#rows.texts({ ...(start === undefined ? {} : { start }), limit: SLICE })
      for (const { key, text } of slice) {
        // Looked at as text first, so that a sweep does not push the rows in use out of the cache.
        if (this.#isDead(JSON.parse(text) as Row) && this.#live(key) === undefined && this.#rows.remove(key))
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

  #live(impu: string): Row | undefined {
    const row = this.#rows.get(impu)
    return row === undefined || this.#isDead(row) ? undefined : row
  }

  #isDead(row: Row): boolean {
    return row.expiresAt + GRACE < this.#clock.now()
  }

  /** Never given twice, so that a version read before a removal cannot fit a record made after it. */
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
