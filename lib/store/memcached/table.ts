import { hash } from 'node:crypto'
import type { Versioned } from '../registration-store.ts'
import type { MemcachedCluster } from './cluster.ts'

/** How values of a table are written, and read by whoever shares the cluster. */
export interface Codec<T> {
  encode(value: T): string
  /** Undefined where the text is none of ours: such a value counts as none. */
  decode(text: string): T | undefined
}

export interface TableOptions<T> {
  /** The table's name, in front of each key. */
  readonly name: string
  readonly codec: Codec<T>
  /** Told of the key of each value that cannot be read. */
  readonly onForeign: (key: string) => void
}

/** How long a removed value is remembered as such, in seconds, so that no older copy of it comes back. */
const TOMBSTONE_LIFE = 200
const TOMBSTONE = Buffer.alloc(0)

/** memcached takes 250 octets. */
const MAX_KEY = 250

/** Values of one kind in a cluster, under keys of their own, each with a version for compare-and-set. */
export class MemcachedTable<T> {
  readonly #cluster: MemcachedCluster
  readonly #options: TableOptions<T>

  constructor(cluster: MemcachedCluster, options: TableOptions<T>) {
    this.#cluster = cluster
    this.#options = options
  }

  /** @throws CwError STORE_FAILED if none of the key's servers answers */
  async get(key: string): Promise<Versioned<T> | undefined> {
    const copy = await this.#cluster.read(this.#fullKey(key))
    if (copy === undefined || copy.value.length === 0) return undefined
    const value = this.#options.codec.decode(copy.value.toString())
    if (value === undefined) {
      this.#options.onForeign(key)
      return undefined
    }
    return { value, version: copy.version }
  }

  /**
   * @param ttl seconds for which it lives at least
   * @param expected the version that was read; undefined if there was no value
   * @throws CwError STORE_FAILED if none of the key's servers answers
   */
  put(key: string, value: T, ttl: number, expected: number | undefined): Promise<'stored' | 'conflict'> {
    const { codec } = this.#options
    const isVoid = (octets: Buffer): boolean =>
      octets.length === 0 || codec.decode(octets.toString()) === undefined
    return this.#cluster.write(
      this.#fullKey(key),
      Buffer.from(codec.encode(value)),
      Math.max(ttl, 0),
      expected,
      isVoid,
    )
  }

  /** @throws CwError STORE_FAILED if none of the key's servers answers */
  async remove(key: string, expected: number): Promise<'removed' | 'conflict'> {
    const result = await this.#cluster.write(this.#fullKey(key), TOMBSTONE, TOMBSTONE_LIFE, expected)
    return result === 'stored' ? 'removed' : 'conflict'
  }

  #fullKey(key: string): string {
    return fullKey(this.#options.name, key)
  }
}

/** The key of a value in memcached; one that is too long, or not only of visible characters, stands there as a hash. */
export function fullKey(table: string, key: string): string {
  const full = `${table}\\\\${key}`
  return full.length <= MAX_KEY && /^[\x21-\x7e]+$/.test(full)
    ? full
    : `${table}\\\\${hash('sha256', key, 'base64url')}`
}
