import type { Database } from 'lmdb'
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

type Staged<V> = Map<string, V | undefined>

/**
 * A map on disk from strings to values that JSON can carry.
 *
 * Reads see what is staged. A value is shared with the table from the moment it is set: never change it afterwards.
 */
export class EmbeddedTable<V> {
  readonly #database: Database<string, string>
  readonly #onStage: (table: EmbeddedTable<unknown>) => void
  readonly #cache: LRUCache<string, { readonly value: V }> | undefined
  #staged: Staged<V> = new Map()
  /** Written, but not known to be committed; newest last. */
  #inFlight: Staged<V>[] = []

  constructor(
    database: Database<string, string>,
    onStage: (table: EmbeddedTable<unknown>) => void,
    options: TableOptions,
  ) {
    this.#database = database
    this.#onStage = onStage
    const max = options.cached ?? 0
    this.#cache = max > 0 ? new LRUCache({ max }) : undefined
  }

  get(key: string): V | undefined {
    if (this.#staged.size > 0 && this.#staged.has(key)) return this.#staged.get(key)
    for (let i = this.#inFlight.length - 1; i >= 0; i--) {
      const staged = this.#inFlight[i]
      if (staged?.has(key) === true) return staged.get(key)
    }
    const cached = this.#cache?.get(key)
    if (cached !== undefined) return cached.value
    if (!isStorable(key)) return undefined
    const text = this.#database.get(key)
    if (text === undefined) return undefined
    const value = JSON.parse(text) as V
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
    return [...this.#database.getKeys(range)]
  }

  /** The committed texts of a range, undecoded, for sweeps that look at a part of each. */
  texts(range: { readonly start?: string; readonly limit: number }): { key: string; text: string }[] {
    return [...this.#database.getRange(range)].map(entry => ({ key: entry.key, text: entry.value }))
  }

  /** Hands the staged changes to the driver; for the environment only. @returns what to call when they are settled. */
  write(): (stored: boolean) => void {
    const staged = this.#staged
    this.#staged = new Map()
    this.#inFlight.push(staged)
    for (const [key, value] of staged) {
      if (value === undefined) void this.#database.remove(key)
      else void this.#database.put(key, JSON.stringify(value))
    }
    return stored => {
      this.#inFlight = this.#inFlight.filter(other => other !== staged)
      if (stored) return
      for (const key of staged.keys()) this.#cache?.delete(key)
    }
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
