import type { Impu } from '../../ims/identity.ts'
import { byNumber, type Account, type AccountStore, type Line, type PooledNumber } from '../account-store.ts'
import { contested } from './contested.ts'
import { textIn, type CassandraDatabase, type Row, type Statement } from './database.ts'
import type { KeyspaceSchema } from './schema.ts'

/** Its own: the original's portal had a MySQL (interfaces.md §14.8). */
export const ELLIS: KeyspaceSchema = {
  name: 'ellis',
  migrations: [
    [
      `CREATE TABLE IF NOT EXISTS ellis.accounts (email text PRIMARY KEY,
        password_hash text, full_name text, expires_at bigint, recovery_token text, recovery_created bigint)`,
      `CREATE TABLE IF NOT EXISTS ellis.numbers (uri text PRIMARY KEY,
        owner text, pstn boolean, specified boolean, listed boolean)`,
      'CREATE TABLE IF NOT EXISTS ellis.owned (owner text, uri text, PRIMARY KEY (owner, uri))',
      `CREATE TABLE IF NOT EXISTS ellis.free (pstn boolean, part int, uri text,
        PRIMARY KEY ((pstn, part), uri))`,
    ],
  ],
}

/** Into so many parts the pool is divided, so that those who want a number at the same time look in different ones. */
const PARTS = 16
/** So many free numbers of a part are looked at. */
const LOOK_AT = 50
const PAGE = 500
const AT_ONCE = 500

/**
 * Accounts and numbers in Cassandra.
 *
 * Who has an address or a number is decided by compare-and-set in its row. Which numbers are free, and whose they are, stands in
 * tables beside, written after the decision: where that was broken off, whoever meets the number next puts it right.
 */
export class CassandraAccountStore implements AccountStore {
  readonly #database: CassandraDatabase

  constructor(database: CassandraDatabase) {
    this.#database = database
  }

  async createAccount(account: Account): Promise<'created' | 'taken'> {
    const { email, passwordHash, fullName, expiresAt, recovery } = account
    let isTried = false
    return contested(async () => {
      const known = await this.getAccount(email)
      // Where nobody knows what became of the first try, it may have been ours.
      if (known !== undefined) return { value: isTried && isSame(known, account) ? 'created' : 'taken' }
      isTried = true
      const won = await this.#database.decide(
        `INSERT INTO ellis.accounts (email, password_hash, full_name, expires_at, recovery_token, recovery_created)
          VALUES (?, ?, ?, ?, ?, ?) IF NOT EXISTS`,
        [
          email,
          passwordHash,
          fullName,
          bigOf(expiresAt),
          recovery?.token ?? null,
          bigOf(recovery?.createdAt),
        ],
      )
      return won === true ? { value: 'created' } : undefined
    })
  }

  async getAccount(email: string): Promise<Account | undefined> {
    const [row] = await this.#database.read('SELECT * FROM ellis.accounts WHERE email = ?', [email])
    return this.#accountIn(row)
  }

  async replaceAccount({ email, passwordHash, fullName, expiresAt, recovery }: Account): Promise<boolean> {
    return this.#decided(
      `UPDATE ellis.accounts SET password_hash = ?, full_name = ?, expires_at = ?, recovery_token = ?,
        recovery_created = ? WHERE email = ? IF EXISTS`,
      [passwordHash, fullName, bigOf(expiresAt), recovery?.token ?? null, bigOf(recovery?.createdAt), email],
    )
  }

  async removeAccount(email: string): Promise<boolean> {
    return this.#decided('DELETE FROM ellis.accounts WHERE email = ? IF EXISTS', [email])
  }

  async expiredBefore(time: number): Promise<readonly string[]> {
    const expired: string[] = []
    for await (const rows of this.#database.pages('SELECT * FROM ellis.accounts', [], PAGE)) {
      for (const row of rows) {
        const { email, expiresAt } = this.#accountIn(row) ?? {}
        if (email !== undefined && expiresAt !== undefined && expiresAt < time) expired.push(email)
      }
    }
    return expired
  }

  async addNumbers(numbers: readonly PooledNumber[]): Promise<number> {
    let added = 0
    for (let at = 0; at < numbers.length; at += AT_ONCE) {
      const results = await Promise.all(numbers.slice(at, at + AT_ONCE).map(each => this.#add(each)))
      added += results.filter(isNew => isNew).length
    }
    return added
  }

  async allocate(owner: string, isPstn: boolean): Promise<Line | undefined> {
    const first = Math.floor(Math.random() * PARTS)
    for (let step = 0; step < PARTS; step++) {
      const part = (first + step) % PARTS
      const rows = await this.#database.read(
        `SELECT uri FROM ellis.free WHERE pstn = ? AND part = ? LIMIT ${LOOK_AT}`,
        [isPstn, part],
      )
      const uris = rows.flatMap(row => textIn(row, 'uri') ?? []) as Impu[]
      for (const uri of shuffled(uris)) {
        const line = await this.#claim(owner, uri)
        if (line !== 'taken') return line
      }
    }
    return undefined
  }

  async take(owner: string, number: PooledNumber): Promise<Line | 'taken'> {
    const { uri, isPstn } = number
    let isTried = false
    return contested(async () => {
      const known = await this.#lineOf(uri)
      if (known !== undefined) {
        if (isTried && known.owner === owner && known.isSpecified)
          return { value: await this.#indexed(known) }
        return { value: await this.#claim(owner, uri) }
      }
      isTried = true
      const won = await this.#database.decide(
        'INSERT INTO ellis.numbers (uri, owner, pstn, specified, listed) VALUES (?, ?, ?, true, true) IF NOT EXISTS',
        [uri, owner, isPstn],
      )
      if (won !== true) return undefined
      return { value: await this.#indexed({ uri, owner, isPstn, isSpecified: true, isListed: true }) }
    })
  }

  async giveBack(owner: string, uri: Impu): Promise<boolean> {
    const line = await this.#lineOf(uri)
    if (line?.owner !== owner) return false
    const isBack = line.isSpecified
      ? await this.#decided('DELETE FROM ellis.numbers WHERE uri = ? IF owner = ?', [uri, owner])
      : await this.#decided(
          'UPDATE ellis.numbers SET owner = null, listed = false WHERE uri = ? IF owner = ?',
          [uri, owner],
        )
    if (!isBack) return false
    await this.#database.write(
      { query: 'DELETE FROM ellis.owned WHERE owner = ? AND uri = ?', values: [owner, uri] },
      ...(line.isSpecified ? [] : [freeStatement(line)]),
    )
    return true
  }

  async list(owner: string, uri: Impu, isListed: boolean): Promise<boolean> {
    return this.#decided('UPDATE ellis.numbers SET listed = ? WHERE uri = ? IF owner = ?', [
      isListed,
      uri,
      owner,
    ])
  }

  async linesOf(owner: string): Promise<readonly Line[]> {
    const rows = await this.#database.read('SELECT uri FROM ellis.owned WHERE owner = ?', [owner])
    const uris = rows.flatMap(row => textIn(row, 'uri') ?? []) as Impu[]
    const lines = await Promise.all(uris.map(uri => this.#lineOf(uri)))
    return lines.filter((line): line is Line => line?.owner === owner).toSorted(byNumber)
  }

  async *listedLines(): AsyncGenerator<readonly Line[]> {
    for await (const rows of this.#database.pages('SELECT * FROM ellis.numbers', [], PAGE)) {
      yield rows.flatMap(row => {
        const line = lineIn(row)
        return line?.owner !== undefined && line.isListed ? [line] : []
      })
    }
  }

  /** @returns whether it is new */
  async #add({ uri, isPstn }: PooledNumber): Promise<boolean> {
    const isNew = await this.#decided(
      'INSERT INTO ellis.numbers (uri, pstn, specified, listed) VALUES (?, ?, false, false) IF NOT EXISTS',
      [uri, isPstn],
    )
    const line = await this.#lineOf(uri)
    if (line !== undefined && line.owner === undefined) await this.#database.write(freeStatement(line))
    return isNew
  }

  /** Gives a number that the pool has to somebody, if it is still free. */
  async #claim(owner: string, uri: Impu): Promise<Line | 'taken'> {
    let isTried = false
    return contested(async () => {
      const line = await this.#lineOf(uri)
      if (line === undefined) return { value: 'taken' }
      if (line.owner !== undefined) {
        await this.#indexed(line)
        return { value: isTried && line.owner === owner ? line : 'taken' }
      }
      isTried = true
      const won = await this.#database.decide(
        'UPDATE ellis.numbers SET owner = ?, listed = true WHERE uri = ? IF owner = null',
        [owner, uri],
      )
      if (won === false) return { value: 'taken' }
      return won === true ? { value: await this.#indexed({ ...line, owner, isListed: true }) } : undefined
    })
  }

  /** Has the tables beside say whose a number is. */
  async #indexed(line: Line): Promise<Line> {
    if (line.owner === undefined) return line
    await this.#database.write(
      { query: 'INSERT INTO ellis.owned (owner, uri) VALUES (?, ?)', values: [line.owner, line.uri] },
      {
        query: 'DELETE FROM ellis.free WHERE pstn = ? AND part = ? AND uri = ?',
        values: [line.isPstn, partOf(line.uri), line.uri],
      },
    )
    return line
  }

  async #lineOf(uri: Impu): Promise<Line | undefined> {
    const [row] = await this.#database.read('SELECT * FROM ellis.numbers WHERE uri = ?', [uri])
    return row === undefined ? undefined : lineIn(row)
  }

  #accountIn(row: Row | undefined): Account | undefined {
    const [email, passwordHash, fullName] = ['email', 'password_hash', 'full_name'].map(name =>
      textIn(row, name),
    )
    if (row === undefined || email === undefined) return undefined
    if (passwordHash === undefined || fullName === undefined) {
      this.#database.passOver('ellis.accounts', email)
      return undefined
    }
    const [expiresAt, createdAt, token] = [
      numberIn(row, 'expires_at'),
      numberIn(row, 'recovery_created'),
      textIn(row, 'recovery_token'),
    ]
    return {
      ...{ email, passwordHash, fullName },
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(token === undefined || createdAt === undefined ? {} : { recovery: { token, createdAt } }),
    }
  }

  /** A conditional change that may be made again without harm, until it is known whether its condition held. */
  #decided(query: string, values: readonly unknown[]): Promise<boolean> {
    let isTried = false
    return contested(async () => {
      const won = await this.#database.decide(query, values)
      // One that was made unheard does not hold its own condition any more.
      if (won !== undefined) return { value: won || isTried }
      isTried = true
      return undefined
    })
  }
}

function lineIn(row: Row): Line | undefined {
  const [uri, owner] = [textIn(row, 'uri'), textIn(row, 'owner')]
  if (uri === undefined || typeof row['pstn'] !== 'boolean') return undefined
  return {
    uri: uri as Impu,
    ...(owner === undefined ? {} : { owner }),
    isPstn: row['pstn'],
    isSpecified: row['specified'] === true,
    isListed: row['listed'] === true,
  }
}

function freeStatement({ uri, isPstn }: Pick<Line, 'uri' | 'isPstn'>): Statement {
  return {
    query: 'INSERT INTO ellis.free (pstn, part, uri) VALUES (?, ?, ?)',
    values: [isPstn, partOf(uri), uri],
  }
}

/** Where in the pool a number is: the same for everybody. */
function partOf(uri: string): number {
  let sum = 0
  for (let at = 0; at < uri.length; at++) sum = (sum * 31 + uri.charCodeAt(at)) % 65_521
  return sum % PARTS
}

function shuffled<T>(values: readonly T[]): readonly T[] {
  return values
    .map(value => ({ value, key: Math.random() }))
    .toSorted((a, b) => a.key - b.key)
    .map(({ value }) => value)
}

function isSame(a: Account, b: Account): boolean {
  return a.passwordHash === b.passwordHash && a.fullName === b.fullName
}

function bigOf(time: number | undefined): bigint | null {
  return time === undefined ? null : BigInt(time)
}

function numberIn(row: Row, column: string): number | undefined {
  const value: unknown = row[column]
  return typeof value === 'bigint' ? Number(value) : undefined
}
