import type { Impi } from '../../ims/identity.ts'
import type { AkaKey, AkaStore, Sqn } from '../aka-store.ts'
import type { EmbeddedEnvironment } from './environment.ts'
import type { EmbeddedTable } from './table.ts'

interface Row extends AkaKey {
  /** In hexadecimal digits. */
  readonly sqn: string
}

/** Keys of USIMs on disk. Each method reads and stages within one turn, and so is a transaction. */
export class EmbeddedAkaStore implements AkaStore {
  readonly #environment: EmbeddedEnvironment
  readonly #rows: EmbeddedTable<Row>

  constructor(environment: EmbeddedEnvironment) {
    this.#environment = environment
    this.#rows = environment.table<Row>('aka')
  }

  async put(impi: Impi, { k, opc, amf }: AkaKey, sqn?: Sqn): Promise<void> {
    const used = sqn?.toString(16) ?? this.#rows.get(impi)?.sqn ?? '0'
    this.#rows.set(impi, { k, opc, amf, sqn: used })
    await this.#environment.commit('now')
  }

  async remove(impi: Impi): Promise<void> {
    if (this.#rows.remove(impi)) await this.#environment.commit('now')
  }

  async advance(
    impi: Impi,
    next: (sqn: Sqn, key: AkaKey) => Sqn | undefined,
  ): Promise<{ readonly key: AkaKey; readonly sqn: Sqn } | undefined> {
    const row = this.#rows.get(impi)
    if (row === undefined) return undefined
    const sqn = next(BigInt(`0x${row.sqn}`), row)
    if (sqn === undefined) return undefined
    this.#rows.set(impi, { ...row, sqn: sqn.toString(16) })
    await this.#environment.commit('now')
    return { key: row, sqn }
  }
}
