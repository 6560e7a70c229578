import type { Impu } from '../../ims/identity.ts'
import { byNumber, type Account, type AccountStore, type Line, type PooledNumber } from '../account-store.ts'
import type { EmbeddedEnvironment } from './environment.ts'
import { nextKey, type EmbeddedTable } from './table.ts'

const SLICE = 500
/** Between the parts of a key; in no address and no URI. */
const GAP = '\n'

/** Accounts and numbers on disk. Free numbers and those of an owner are in tables of their own, by which they are found. */
export class EmbeddedAccountStore implements AccountStore {
  readonly #environment: EmbeddedEnvironment
  readonly #accounts: EmbeddedTable<Account>
  readonly #lines: EmbeddedTable<Line>
  readonly #free: EmbeddedTable<true>
  readonly #owned: EmbeddedTable<true>

  constructor(environment: EmbeddedEnvironment) {
    this.#environment = environment
    this.#accounts = environment.table<Account>('accounts')
    this.#lines = environment.table<Line>('numbers')
    this.#free = environment.table<true>('free-numbers')
    this.#owned = environment.table<true>('owned-numbers')
  }

  async createAccount(account: Account): Promise<'created' | 'taken'> {
    if (this.#accounts.has(account.email)) return 'taken'
    this.#accounts.set(account.email, account)
    await this.#environment.commit('now')
    return 'created'
  }

  async getAccount(email: string): Promise<Account | undefined> {
    return this.#accounts.get(email)
  }

  async replaceAccount(account: Account): Promise<boolean> {
    if (!this.#accounts.has(account.email)) return false
    this.#accounts.set(account.email, account)
    await this.#environment.commit('now')
    return true
  }

  async removeAccount(email: string): Promise<boolean> {
    if (!this.#accounts.remove(email)) return false
    await this.#environment.commit('now')
    return true
  }

  async expiredBefore(time: number): Promise<readonly string[]> {
    const expired: string[] = []
    for await (const email of this.#keysOf(this.#accounts)) {
      const { expiresAt } = this.#accounts.get(email) ?? {}
      if (expiresAt !== undefined && expiresAt < time) expired.push(email)
    }
    return expired
  }

  async addNumbers(numbers: readonly PooledNumber[]): Promise<number> {
    let added = 0
    for (const { uri, isPstn } of numbers) {
      if (this.#lines.has(uri)) continue
      this.#put({ uri, isPstn, isSpecified: false, isListed: false })
      added++
    }
    await this.#environment.commit('now')
    return added
  }

  async allocate(owner: string, isPstn: boolean): Promise<Line | undefined> {
    // What is only staged is not found by a search.
    await this.#environment.commit('now')
    const prefix = kindOf(isPstn)
    for (const key of this.#free.keys({ start: prefix, end: `${prefix}\u{10ffff}`, limit: SLICE })) {
      const line = this.#lines.get(key.slice(prefix.length))
      if (line === undefined || line.owner !== undefined) continue
      const given = { ...line, owner, isListed: true }
      this.#put(given)
      await this.#environment.commit('now')
      return given
    }
    return undefined
  }

  async take(owner: string, { uri, isPstn }: PooledNumber): Promise<Line | 'taken'> {
    const known = this.#lines.get(uri)
    if (known?.owner !== undefined) return 'taken'
    const given = { uri, owner, isPstn, isSpecified: known === undefined, isListed: true }
    this.#put(given)
    await this.#environment.commit('now')
    return given
  }

  async giveBack(owner: string, uri: Impu): Promise<boolean> {
    const line = this.#lines.get(uri)
    if (line?.owner !== owner) return false
    this.#owned.remove(owner + GAP + uri)
    if (line.isSpecified) this.#lines.remove(uri)
    else this.#put({ uri, isPstn: line.isPstn, isSpecified: false, isListed: false })
    await this.#environment.commit('now')
    return true
  }

  async list(owner: string, uri: Impu, isListed: boolean): Promise<boolean> {
    const line = this.#lines.get(uri)
    if (line?.owner !== owner) return false
    this.#put({ ...line, isListed })
    await this.#environment.commit('now')
    return true
  }

  async linesOf(owner: string): Promise<readonly Line[]> {
    await this.#environment.commit('now')
    const lines: Line[] = []
    for await (const key of this.#keysOf(this.#owned, owner + GAP)) {
      const line = this.#lines.get(key.slice(owner.length + GAP.length))
      if (line?.owner === owner) lines.push(line)
    }
    return lines.toSorted(byNumber)
  }

  async *listedLines(): AsyncGenerator<readonly Line[]> {
    await this.#environment.commit('now')
    for await (const uri of this.#keysOf(this.#lines)) {
      const line = this.#lines.get(uri)
      if (line?.owner !== undefined && line.isListed) yield [line]
    }
  }

  #put(line: Line): void {
    this.#lines.set(line.uri, line)
    const free = kindOf(line.isPstn) + line.uri
    if (line.owner === undefined) this.#free.set(free, true)
    else {
      this.#free.remove(free)
      this.#owned.set(line.owner + GAP + line.uri, true)
    }
  }

  async *#keysOf<T>(table: EmbeddedTable<T>, prefix = ''): AsyncGenerator<string> {
    let start = prefix
    for (;;) {
      const keys = table.keys({ start, end: `${prefix}\u{10ffff}`, limit: SLICE })
      yield* keys
      const last = keys.at(-1)
      if (last === undefined || keys.length < SLICE) return
      start = nextKey(last)
    }
  }
}

function kindOf(isPstn: boolean): string {
  return `${isPstn ? 'pstn' : 'sip'}${GAP}`
}
