import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { LRUCache } from 'lru-cache'
import { CwError } from '../../kit/errors.ts'

export interface TableOptions {
  /** How many decoded values are kept in memory; 0 for none. */
  readonly cached?: number
}

/** The longest key, in UTF-8 octets; a longer one cannot be stored, so nothing is found under it. */
export const MAX_KEY_BYTES = 1900

/** UTF-16 units of a text never take more than three octets each. */
const SURELY_SHORT = Math.floor(MAX_KEY_BYTES / 3)

/** Greater than every key, in the order of UTF-8 octets. */
const BEHIND_ALL = '\u{10ffff}\u{10ffff}'

interface Row {
  readonly key: string
  readonly value: string
}

/**
 * A map on disk from strings to values that JSON can carry.
 *
 * Reads see what is staged. A value is shared with the table from the moment it is set: never change it afterwards.
 */
export class EmbeddedTable<V> {
  readonly #onStage: (table: EmbeddedTable<unknown>) => void
  readonly #cache: LRUCache<string, { readonly value: V }> | undefined
  readonly #select: StatementSync
  readonly #range: StatementSync
  readonly #upsert: StatementSync
  readonly #delete: StatementSync
  #staged = new Map<string, V | undefined>()

  /** @param name lower-case letters and hyphens: it becomes the name of an SQL table */
  constructor(
    database: DatabaseSync,
    name: string,
    onStage: (table: EmbeddedTable<unknown>) => void,
    options: TableOptions,
  ) {
    if (!/^[a-z-]+$/.test(name)) throw new CwError('BUG', `${name} cannot name a table`)
    database.exec(
      `CREATE TABLE IF NOT EXISTS "${name}" (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID`,
    )
    this.#select = database.prepare(`SELECT value FROM "${name}" WHERE key = ?`)
    this.#range = database.prepare(
      `SELECT key, value FROM "${name}" WHERE key >= ? AND key < ? ORDER BY key LIMIT ?`,
    )
    this.#upsert = database.prepare(
      `INSERT INTO "${name}" VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    )
    this.#delete = database.prepare(`DELETE FROM "${name}" WHERE key = ?`)
    this.#onStage = onStage
    const max = options.cached ?? 0
    this.#cache = max > 0 ? new LRUCache({ max }) : undefined
  }

  get(key: string): V | undefined {
    if (this.#staged.size > 0 && this.#staged.has(key)) return this.#staged.get(key)
    const cached = this.#cache?.get(key)
    if (cached !== undefined) return cached.value
    if (!isStorable(key)) return undefined
    const row = this.#select.get(key) as { readonly value: string } | undefined
    if (row === undefined) return undefined
    const value = JSON.parse(row.value) as V
    this.#cache?.set(key, { value })
    return value
  }

  has(key: string): boolean {
    return this.get(key) !== undefined
  }

  /** Stages a change; it is on disk when a `commit` of the environment made after it has resolved. */
  set(key: string, value: V): void {
    if (!isStorable(key))
      throw new CwError('STORE_FAILED', `the key ${key.slice(0, 40)}… is longer than ${MAX_KEY_BYTES} octets`)
    this.#onStage(this as unknown as EmbeddedTable<unknown>)
    this.#staged.set(key, value)
    this.#cache?.set(key, { value })
  }

  /** Stages a removal. @returns whether there was a value. */
  remove(key: string): boolean {
    if (!this.has(key)) return false
    this.#onStage(this as unknown as EmbeddedTable<unknown>)
    this.#staged.set(key, undefined)
    this.#cache?.delete(key)
    return true
  }

  /**
   * Up to `limit` committed keys in order, from `start` (inclusive) to `end` (exclusive). What is only staged is
   * not seen; continue after the last key by `nextKey`.
   */
  keys(range: { readonly start?: string; readonly end?: string; readonly limit: number }): string[] {
    return this.#rows(range).map(row => row.key)
  }

  /** The committed texts of a range, undecoded, for sweeps that look at a part of each. */
  texts(range: { readonly start?: string; readonly limit: number }): { key: string; text: string }[] {
    return this.#rows(range).map(row => ({ key: row.key, text: row.value }))
  }

  /** Writes what is staged, within the environment's transaction; for the environment only. */
  write(): void {
    for (const [key, value] of this.#staged) {
      if (value === undefined) this.#delete.run(key)
      else this.#upsert.run(key, JSON.stringify(value))
    }
  }

  /** The transaction is over; what was staged is on disk, or nowhere. For the environment only. */
  settle(stored: boolean): void {
    if (!stored) for (const key of this.#staged.keys()) this.#cache?.delete(key)
    this.#staged = new Map()
  }

  #rows(range: { readonly start?: string; readonly end?: string; readonly limit: number }): readonly Row[] {
    return this.#range.all(range.start ?? '', range.end ?? BEHIND_ALL, range.limit) as unknown as Row[]
  }
}

/** The smallest key after this one. */
export function nextKey(key: string): string {
  return `${key}\0`
}

function isStorable(key: string): boolean {
  if (key.length === 0) return false
  return key.length <= SURELY_SHORT || Buffer.byteLength(key) <= MAX_KEY_BYTES
}
