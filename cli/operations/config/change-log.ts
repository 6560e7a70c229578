import { gunzipSync, gzipSync } from 'node:zlib'
import type { SharedFileName } from '../../../lib/config/shared-file.ts'
import type { Change, Condition, EtcdClient } from '../../../lib/etcd/client.ts'
import { changeLogKey, changeLogPrefix, SHARED_FILES } from '../../../lib/etcd/layout.ts'

/** One change of a site's configuration, with what it takes to undo it. */
export interface ChangeRecord {
  readonly number: number
  /** Its own, so that a change is known again though its answer was lost. */
  readonly id: string
  /** ISO 8601. */
  readonly at: string
  /** `user@host`. */
  readonly by: string
  /** In words: `set reg_max_expires`. */
  readonly what: string
  /** The text of each changed file before; undefined: there was none. */
  readonly before: ReadonlyMap<SharedFileName, string | undefined>
}

/** Older ones are forgotten: texts of up to a megabyte would fill etcd. */
const KEPT = 100
const MOST_TEXT_BYTES = 2_000_000

/** The last changes, the last one first. What cannot be read is left out. */
export async function readChanges(
  etcd: Pick<EtcdClient, 'getLast'>,
  site: string,
  count: number,
): Promise<readonly ChangeRecord[]> {
  const { items } = await etcd.getLast(changeLogPrefix(site), count)
  return items.flatMap(({ key, value }) => {
    const record = parseRecord(Number(key.slice(changeLogPrefix(site).length)), value.toString())
    return record === undefined ? [] : [record]
  })
}

export async function readChange(
  etcd: Pick<EtcdClient, 'get'>,
  site: string,
  number: number,
): Promise<ChangeRecord | undefined> {
  const found = await etcd.get(changeLogKey(site, number))
  return found === undefined ? undefined : parseRecord(number, found.value.toString())
}

/** What writes a record, as part of the transaction that makes the change. */
export function recording(
  site: string,
  record: ChangeRecord,
): { readonly conditions: readonly Condition[]; readonly changes: readonly Change[] } {
  const key = changeLogKey(site, record.number)
  const put = { put: key, value: formatRecord(record) }
  const forget = record.number > KEPT ? [{ delete: changeLogKey(site, record.number - KEPT) }] : []
  return { conditions: [{ key, revision: 0 }], changes: [put, ...forget] }
}

function formatRecord({ id, at, by, what, before }: ChangeRecord): string {
  const packed = [...before].map(([file, text]) => [
    file,
    text === undefined ? null : gzipSync(text).toString('base64'),
  ])
  return JSON.stringify({ id, at, by, what, before: Object.fromEntries(packed) as unknown })
}

function parseRecord(number: number, text: string): ChangeRecord | undefined {
  try {
    const document: unknown = JSON.parse(text)
    if (typeof document !== 'object' || document === null) return undefined
    const fields = document as Readonly<Record<string, unknown>>
    const { id, at, by, what, before } = fields
    if (typeof before !== 'object' || before === null) return undefined
    return {
      number,
      id: textOf(id),
      at: textOf(at),
      by: textOf(by),
      what: textOf(what),
      before: new Map(
        SHARED_FILES.filter(file => file in before).map(file => [
          file,
          unpacked((before as Readonly<Record<string, unknown>>)[file]),
        ]),
      ),
    }
  } catch {
    return undefined
  }
}

function unpacked(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  return gunzipSync(Buffer.from(value, 'base64'), { maxOutputLength: MOST_TEXT_BYTES }).toString()
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
