import type { Impu } from '../../ims/identity.ts'
import type { DocumentStore } from '../document-store.ts'
import type { EmbeddedEnvironment } from './environment.ts'
import type { EmbeddedTable } from './table.ts'

const CACHED = 1000

/** Service documents on disk. */
export class EmbeddedDocumentStore implements DocumentStore {
  readonly #environment: EmbeddedEnvironment
  readonly #documents: EmbeddedTable<string>

  constructor(environment: EmbeddedEnvironment) {
    this.#environment = environment
    this.#documents = environment.table<string>('simservs', { cached: CACHED })
  }

  async get(impu: Impu): Promise<string | undefined> {
    return this.#documents.get(impu)
  }

  async put(impu: Impu, document: string): Promise<void> {
    this.#documents.set(impu, document)
    await this.#environment.commit('now')
  }

  async remove(impu: Impu): Promise<void> {
    this.#documents.remove(impu)
    await this.#environment.commit('now')
  }
}
