import type { Impu } from '../../ims/identity.ts'
import type { DocumentStore } from '../document-store.ts'
import { textIn, type CassandraDatabase } from './database.ts'
import type { KeyspaceSchema } from './schema.ts'

/** interfaces.md §3. */
export const HOMER: KeyspaceSchema = {
  name: 'homer',
  migrations: [['CREATE TABLE IF NOT EXISTS homer.simservs (user text PRIMARY KEY, value text)']],
}

/** Service documents in Cassandra. */
export class CassandraDocumentStore implements DocumentStore {
  readonly #database: CassandraDatabase

  constructor(database: CassandraDatabase) {
    this.#database = database
  }

  async get(impu: Impu): Promise<string | undefined> {
    const [row] = await this.#database.read('SELECT value FROM homer.simservs WHERE user = ?', [impu])
    return textIn(row, 'value')
  }

  async put(impu: Impu, document: string): Promise<void> {
    await this.#database.write({
      query: 'INSERT INTO homer.simservs (user, value) VALUES (?, ?)',
      values: [impu, document],
    })
  }

  async remove(impu: Impu): Promise<void> {
    await this.#database.write({ query: 'DELETE FROM homer.simservs WHERE user = ?', values: [impu] })
  }
}
