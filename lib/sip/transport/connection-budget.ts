import { isIPv6 } from 'node:net'
import { canonicalAddress } from './peer-table.ts'

export interface ConnectionLimits {
  /** Connections in all. */
  readonly total: number
  /** Connections with one source: an IPv4 address, or the /64 in which an IPv6 host can have any address it likes. */
  readonly perSource: number
}

/** One source cannot shut all others out, and ten thousand phones behind one NAT still fit. */
export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = { total: 20_000, perSource: 12_000 }

/** Counts connections against their limits. At a limit new ones are refused; those that stand are not touched. */
export class ConnectionBudget {
  readonly #limits: ConnectionLimits
  readonly #bySource = new Map<string, number>()
  #total = 0

  constructor(limits: ConnectionLimits) {
    this.#limits = limits
  }

  /** Whether one more may come from this address; if so it is counted until `release`. */
  admit(address: string): boolean {
    if (this.full || (this.#bySource.get(sourceOf(address)) ?? 0) >= this.#limits.perSource) return false
    this.count(address)
    return true
  }

  /** Whether the limit for all together is reached. */
  get full(): boolean {
    return this.#total >= this.#limits.total
  }

  /** Counts one whatever the limits say, until `release`. */
  count(address: string): void {
    const source = sourceOf(address)
    this.#bySource.set(source, (this.#bySource.get(source) ?? 0) + 1)
    this.#total++
  }

  release(address: string): void {
    const source = sourceOf(address)
    const count = this.#bySource.get(source) ?? 0
    if (count > 1) this.#bySource.set(source, count - 1)
    else this.#bySource.delete(source)
    this.#total--
  }
}

function sourceOf(address: string): string {
  if (!isIPv6(address)) return address
  const canonical = canonicalAddress(address)
  const [left = '', right] = canonical.split('::')
  if (right === undefined) return canonical.split(':').slice(0, 4).join(':')
  const before = left === '' ? [] : left.split(':')
  const after = right === '' ? [] : right.split(':')
  const zeros = new Array<string>(8 - before.length - after.length).fill('0')
  return [...before, ...zeros, ...after].slice(0, 4).join(':')
}
