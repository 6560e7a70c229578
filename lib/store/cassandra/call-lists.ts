import type { Impu } from '../../ims/identity.ts'
import type { Duration } from '../../kit/clock.ts'
import { columnOf, fragmentOf, type CallFragment, type CallListStore } from '../call-list-store.ts'
import { textIn, type CassandraDatabase, type Row } from './database.ts'
import type { KeyspaceSchema } from './schema.ts'

/** interfaces.md §13.4, as a table that was made for Thrift is seen by CQL. */
export const MEMENTO: KeyspaceSchema = {
  name: 'memento',
  migrations: [
    [
      'CREATE TABLE IF NOT EXISTS memento.call_lists ' +
        '(impu text, column1 text, dummy text static, value blob, PRIMARY KEY (impu, column1))',
    ],
  ],
}

const REMOVED_AT_ONCE = 100

/** Call lists in Cassandra, which lets fragments go by itself. */
export class CassandraCallListStore implements CallListStore {
  readonly #database: CassandraDatabase

  constructor(database: CassandraDatabase) {
    this.#database = database
  }

  async add(impu: Impu, fragment: CallFragment, ttl: Duration): Promise<void> {
    await this.#database.write({
      query: 'INSERT INTO memento.call_lists (impu, column1, value) VALUES (?, ?, ?) USING TTL ?',
      values: [impu, columnOf(fragment), Buffer.from(fragment.xml), Math.max(1, Math.ceil(ttl / 1000))],
    })
  }

  async fragments(impu: Impu): Promise<readonly CallFragment[]> {
    const query = 'SELECT column1, value FROM memento.call_lists WHERE impu = ?'
    const rows = await this.#database.read(query, [impu])
    return rows.flatMap(row => this.#fragmentOf(impu, row) ?? []).sort(inOrder)
  }

  async remove(impu: Impu, fragments: readonly CallFragment[]): Promise<void> {
    for (let done = 0; done < fragments.length; done += REMOVED_AT_ONCE) {
      const columns = fragments.slice(done, done + REMOVED_AT_ONCE).map(columnOf)
      await this.#database.write({
        query: 'DELETE FROM memento.call_lists WHERE impu = ? AND column1 IN ?',
        values: [impu, columns],
      })
    }
  }

  #fragmentOf(impu: Impu, row: Row): CallFragment | undefined {
    const column = textIn(row, 'column1')
    // A row of static columns alone, which nothing here uses.
    if (column === undefined) return undefined
    const value: unknown = row['value']
    const fragment = value instanceof Buffer ? fragmentOf(column, value.toString()) : undefined
    if (fragment === undefined) this.#database.passOver('memento.call_lists', `${impu} ${column}`)
    return fragment
  }
}

function inOrder(a: CallFragment, b: CallFragment): number {
  return compare(a.timestamp, b.timestamp) || compare(a.id, b.id) || compare(a.kind, b.kind)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
