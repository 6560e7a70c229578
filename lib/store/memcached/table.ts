import { hash } from 'node:crypto'
import { CwError } from '../../kit/errors.ts'
import type { Versioned } from '../registration-store.ts'
import type { Copy, MemcachedCluster } from './cluster.ts'

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
  /** Seconds for which a value lives at least. */
  readonly lifeOf: (value: T) => number
  /** Told of the key of each value that cannot be read. */
  readonly onForeign: (key: string) => void
  readonly otherSite?: OtherSite<T>
}

/** Another site that has the same values, each site changing its own. */
export interface OtherSite<T> {
  readonly cluster: MemcachedCluster
  /** What both sites are to have instead of the value that a site has, and one from the other site. */
  readonly merge: (own: T, other: T) => T
  /** Told of what the other site was not told. */
  readonly onBehind: (key: string) => void
}

/** How long a removed value is remembered as such, in seconds, so that no older copy of it comes back. */
const TOMBSTONE_LIFE = 200
const TOMBSTONE = Buffer.alloc(0)
const MOST_ATTEMPTS = 5

/** memcached takes 250 octets. */
const MAX_KEY = 250

/**
 * Values of one kind in a cluster, under keys of their own, each with a version for compare-and-set.
 *
 * With another site, this one's cluster decides, and each change is told to the other one before it counts as stored, if
 * that answers. What this site lacks it takes from there, and where none of its own servers answers, the other one's
 * decide (manual, "Geographic redundancy").
 */
export class MemcachedTable<T> {
  readonly #cluster: MemcachedCluster
  readonly #options: TableOptions<T>

  constructor(cluster: MemcachedCluster, options: TableOptions<T>) {
    this.#cluster = cluster
    this.#options = options
  }

  /** @throws CwError STORE_FAILED if none of the key's servers answers, at no site */
  async get(key: string): Promise<Versioned<T> | undefined> {
    const { otherSite } = this.#options
    const full = this.#fullKey(key)
    if (otherSite === undefined) return this.#valueOf(key, await this.#cluster.read(full))
    let copy: Copy | undefined
    try {
      copy = await this.#cluster.read(full)
    } catch (error) {
      if (!isUnavailable(error)) throw error
      const found = this.#valueOf(key, await otherSite.cluster.read(full))
      return found && { value: found.value, version: ofOther(found.version) }
    }
    const found = this.#valueOf(key, copy)
    // What was removed here is not looked for elsewhere.
    if (found !== undefined || copy !== undefined) return found
    return (await this.takeOver(full)) === 'taken'
      ? this.#valueOf(key, await this.#cluster.read(full))
      : undefined
  }

  /**
   * @param expected the version that was read; undefined if there was no value
   * @throws CwError STORE_FAILED if none of the key's servers answers, at no site
   */
  async put(key: string, value: T, expected: number | undefined): Promise<'stored' | 'conflict'> {
    const full = this.#fullKey(key)
    const { otherSite } = this.#options
    if (expected !== undefined && isOfOther(expected)) {
      return otherSite === undefined
        ? 'conflict'
        : this.#write(otherSite.cluster, full, value, ofOther(expected))
    }
    let result: 'stored' | 'conflict'
    try {
      result = await this.#write(this.#cluster, full, value, expected)
    } catch (error) {
      if (otherSite === undefined || expected !== undefined || !isUnavailable(error)) throw error
      return this.#write(otherSite.cluster, full, value, undefined)
    }
    if (result === 'stored' && otherSite !== undefined) {
      const { cluster, merge } = otherSite
      await this.#telling(key, otherSite, () => this.#absorb(cluster, full, value, merge))
    }
    return result
  }

  /** @throws CwError STORE_FAILED if none of the key's servers answers, at no site */
  async remove(key: string, expected: number): Promise<'removed' | 'conflict'> {
    const full = this.#fullKey(key)
    const { otherSite } = this.#options
    const isAway = isOfOther(expected)
    const cluster = isAway ? otherSite?.cluster : this.#cluster
    const result = await cluster?.write(
      full,
      TOMBSTONE,
      TOMBSTONE_LIFE,
      isAway ? ofOther(expected) : expected,
    )
    if (result !== 'stored') return 'conflict'
    if (!isAway && otherSite !== undefined) {
      await this.#telling(key, otherSite, async () => {
        const theirs = await otherSite.cluster.read(full)
        if (theirs === undefined || theirs.value.length === 0) return
        await otherSite.cluster.write(full, TOMBSTONE, TOMBSTONE_LIFE, theirs.version)
      })
    }
    return 'removed'
  }

  /**
   * Takes what the other site has under a key into this one's cluster.
   *
   * @param full as `fullKey` makes it
   * @returns whether this site has learned something by it
   */
  async takeOver(full: string): Promise<'taken' | 'known' | 'absent' | 'foreign'> {
    const { otherSite, codec } = this.#options
    let copy: Copy | undefined
    try {
      copy = await otherSite?.cluster.read(full)
    } catch (error) {
      if (!isUnavailable(error)) throw error
    }
    if (otherSite === undefined || copy === undefined || copy.value.length === 0) return 'absent'
    const value = codec.decode(copy.value.toString())
    if (value === undefined) {
      this.#options.onForeign(full)
      return 'foreign'
    }
    return (await this.#absorb(this.#cluster, full, value, otherSite.merge)) ? 'taken' : 'known'
  }

  /** Merges a value from one site into the cluster of the other. @returns whether it changed something there */
  async #absorb(
    cluster: MemcachedCluster,
    full: string,
    value: T,
    merge: (own: T, other: T) => T,
  ): Promise<boolean> {
    const { codec } = this.#options
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
      const copy = await cluster.read(full)
      const present = copy === undefined ? undefined : codec.decode(copy.value.toString())
      const next = present === undefined ? value : merge(present, value)
      if (present !== undefined && codec.encode(next) === codec.encode(present)) return false
      const expected = present === undefined ? undefined : copy?.version
      if ((await this.#write(cluster, full, next, expected)) === 'stored') return true
    }
    throw new CwError('STORE_FAILED', `${full} changes too often to be copied to the other site`)
  }

  #write(
    cluster: MemcachedCluster,
    full: string,
    value: T,
    expected: number | undefined,
  ): Promise<'stored' | 'conflict'> {
    const { codec, lifeOf } = this.#options
    const isVoid = (octets: Buffer): boolean =>
      octets.length === 0 || codec.decode(octets.toString()) === undefined
    const life = Math.max(lifeOf(value), 0)
    return cluster.write(full, Buffer.from(codec.encode(value)), life, expected, isVoid)
  }

  /** A site that cannot be told is behind, which harms nobody here. */
  async #telling(key: string, { onBehind }: OtherSite<T>, tell: () => Promise<unknown>): Promise<void> {
    try {
      await tell()
    } catch (error) {
      if (!isUnavailable(error)) throw error
      onBehind(key)
    }
  }

  #valueOf(key: string, copy: Copy | undefined): Versioned<T> | undefined {
    if (copy === undefined || copy.value.length === 0) return undefined
    const value = this.#options.codec.decode(copy.value.toString())
    if (value === undefined) {
      this.#options.onForeign(key)
      return undefined
    }
    return { value, version: copy.version }
  }

  #fullKey(key: string): string {
    return fullKey(this.#options.name, key)
  }
}

/** Versions of the other site's cluster are negative, so that each goes back to where it comes from. */
function ofOther(version: number): number {
  return -version
}

function isOfOther(version: number): boolean {
  return version < 0
}

function isUnavailable(error: unknown): boolean {
  return error instanceof CwError && error.code === 'STORE_FAILED'
}

/** The key of a value in memcached; one that is too long, or not only of visible characters, stands there as a hash. */
export function fullKey(table: string, key: string): string {
  const full = `${table}\\\\${key}`
  return full.length <= MAX_KEY && /^[\x21-\x7e]+$/.test(full)
    ? full
    : `${table}\\\\${hash('sha256', key, 'base64url')}`
}
