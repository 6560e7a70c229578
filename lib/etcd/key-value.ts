import { base64, bytesIn, numberIn, objectIn, textIn, type JsonObject } from './json.ts'

/** A key as it stood at some revision of the whole store. */
export interface KeyValue {
  readonly key: string
  readonly value: Buffer
  /** When this value was written. */
  readonly revision: number
  /** Empty: none. */
  readonly lease: string
}

/** What a read found, and the revision of the store that it is true for. */
export interface Snapshot {
  readonly items: readonly KeyValue[]
  readonly revision: number
  /** Which cluster answered: after a rebuild its revisions start anew. */
  readonly cluster: string
}

export function decodeKeyValue(kv: JsonObject): KeyValue {
  return {
    key: bytesIn(kv, 'key').toString('utf8'),
    value: bytesIn(kv, 'value'),
    revision: numberIn(kv, 'mod_revision'),
    lease: textIn(kv, 'lease'),
  }
}

export function revisionOf(answer: JsonObject): number {
  return numberIn(objectIn(answer, 'header'), 'revision')
}

export function clusterOf(answer: JsonObject): string {
  return textIn(objectIn(answer, 'header'), 'cluster_id')
}

/** The half-open range of all keys that begin with `prefix`. */
export function prefixRange(prefix: string): { readonly key: string; readonly range_end: string } {
  const end = Buffer.from(prefix)
  // The last byte of UTF-8 is never 0xff, so that one more is the first that no longer begins so.
  const last = end.length - 1
  end[last] = (end[last] ?? 0) + 1
  return { key: base64(prefix), range_end: end.toString('base64') }
}
