import type { Impi } from '../../ims/identity.ts'
import { KeyedLock } from '../../kit/keyed-lock.ts'
import type { AkaKey, AkaStore, Sqn } from '../aka-store.ts'
import { contested } from './contested.ts'
import { textIn, type CassandraDatabase, type Row } from './database.ts'

const TABLE = 'homestead_provisioning.aka'
const HEX = /^[0-9a-f]+$/

/** Keys of USIMs in Cassandra (its table is of the keyspace of provisioning). Each change is a decision. */
export class CassandraAkaStore implements AkaStore {
  readonly #database: CassandraDatabase
  /** Those of one process wait for each other here, which is cheaper than to disturb each other there. */
  readonly #lock = new KeyedLock()

  constructor(database: CassandraDatabase) {
    this.#database = database
  }

  put(impi: Impi, { k, opc, amf }: AkaKey, sqn?: Sqn): Promise<void> {
    const given = sqn?.toString(16)
    return this.#lock.run([impi], () =>
      contested(async () => {
        const row = await this.#row(impi)
        const made =
          row === undefined
            ? this.#database.decide(
                `INSERT INTO ${TABLE} (private_id, k, opc, amf, sqn) VALUES (?, ?, ?, ?, ?) IF NOT EXISTS`,
                [impi, k, opc, amf, given ?? '0'],
              )
            : this.#database.decide(
                `UPDATE ${TABLE} SET k = ?, opc = ?, amf = ?, sqn = ? WHERE private_id = ? IF sqn = ?`,
                [k, opc, amf, given ?? row['sqn'], impi, row['sqn']],
              )
        return (await made) === true ? { value: undefined } : undefined
      }),
    )
  }

  async remove(impi: Impi): Promise<void> {
    await contested(async () => {
      // Most have none, and a decision is dear.
      if ((await this.#row(impi)) === undefined) return { value: undefined }
      const gone = await this.#database.decide(`DELETE FROM ${TABLE} WHERE private_id = ? IF EXISTS`, [impi])
      return gone === undefined ? undefined : { value: undefined }
    })
  }

  advance(
    impi: Impi,
    next: (sqn: Sqn, key: AkaKey) => Sqn | undefined,
  ): Promise<{ readonly key: AkaKey; readonly sqn: Sqn } | undefined> {
    return this.#lock.run([impi], () =>
      contested(async () => {
        const row = await this.#row(impi)
        const known = row === undefined ? undefined : this.#keyOf(impi, row)
        const sqn = known === undefined ? undefined : next(known.sqn, known.key)
        if (known === undefined || sqn === undefined) return { value: undefined }
        const taken = await this.#database.decide(
          `UPDATE ${TABLE} SET sqn = ? WHERE private_id = ? IF sqn = ?`,
          [sqn.toString(16), impi, row?.['sqn']],
        )
        return taken === true ? { value: { key: known.key, sqn } } : undefined
      }),
    )
  }

  async #row(impi: Impi): Promise<Row | undefined> {
    return (
      await this.#database.read(`SELECT k, opc, amf, sqn FROM ${TABLE} WHERE private_id = ?`, [impi])
    )[0]
  }

  #keyOf(impi: Impi, row: Row): { readonly key: AkaKey; readonly sqn: Sqn } | undefined {
    const hex = (column: string): string | undefined => {
      const value = textIn(row, column)
      return value !== undefined && HEX.test(value) ? value : undefined
    }
    const [k, opc, amf, sqn] = [hex('k'), hex('opc'), hex('amf'), hex('sqn')]
    if (k !== undefined && opc !== undefined && amf !== undefined && sqn !== undefined)
      return { key: { k, opc, amf }, sqn: BigInt(`0x${sqn}`) }
    this.#database.passOver(TABLE, impi)
    return undefined
  }
}
