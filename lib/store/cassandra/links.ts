import type { Row, Statement } from './database.ts'

/**
 * A table whose rows are what the original kept as columns with names of their own: `<prefix><name>` under a key, with
 * an empty value. When that value was written says in which order they were linked.
 */
export interface LinkTable {
  readonly table: string
  readonly key: string
  readonly prefix: string
}

const EMPTY = Buffer.alloc(0)

/** @param micros when; of several in one write each wants a later one than that before it */
export function linkStatement(
  { table, key, prefix }: LinkTable,
  from: string,
  to: string,
  micros: bigint,
): Statement {
  return {
    query: `INSERT INTO ${table} (${key}, column1, value) VALUES (?, ?, ?) USING TIMESTAMP ?`,
    values: [from, prefix + to, EMPTY, micros],
    partition: partitionOf(table, from),
  }
}

export function unlinkStatement({ table, key, prefix }: LinkTable, from: string, to: string): Statement {
  return {
    query: `DELETE FROM ${table} WHERE ${key} = ? AND column1 = ?`,
    values: [from, prefix + to],
    partition: partitionOf(table, from),
  }
}

/** A name for what a key of a table holds. */
export function partitionOf(table: string, key: string): string {
  return `${table} ${key}`
}

/** What a key is linked to, in the order in which it was. Rows need `column1` and `WRITETIME(value) AS linked_at`. */
export function linkedNames(rows: readonly Row[], { prefix }: Pick<LinkTable, 'prefix'>): string[] {
  return rows
    .flatMap(row => {
      const column: unknown = row['column1']
      if (typeof column !== 'string' || !column.startsWith(prefix)) return []
      return { name: column.slice(prefix.length), at: (row['linked_at'] as bigint | null) ?? 0n }
    })
    .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
    .map(({ name }) => name)
}
