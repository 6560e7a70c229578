import { isIPv4 } from 'node:net'
import { compareOids, type Oid } from './oid.ts'

/** Values of the types that our tables have (RFC 2578 §7.1). */
export type SnmpValue =
  | { readonly type: 'integer' | 'gauge'; readonly value: number }
  | { readonly type: 'string'; readonly value: Buffer }

/** An instance of an object, and what it is at present. */
export interface Variable {
  readonly oid: Oid
  readonly value: SnmpValue
}

/** A part of the tree of objects that one agent answers for. */
export interface Subtree {
  readonly root: Oid
  /** Its instances now, in any order. */
  readonly variables: () => readonly Variable[]
}

/** A number that stands alone, at `oid.0`; never below 0. */
export function scalar(oid: Oid, read: () => number): Subtree {
  const root = [...oid, 0]
  return { root, variables: () => [{ oid: root, value: gauge(read()) }] }
}

/** A row of a table. */
export interface Row {
  /** Arcs of its index. */
  readonly index: Oid
  /** By the number of the column. */
  readonly columns: Readonly<Record<number, SnmpValue>>
}

/** A table whose entry is `oid.1`. */
export function table(oid: Oid, rows: () => readonly Row[]): Subtree {
  return {
    root: oid,
    variables: () =>
      rows().flatMap(({ index, columns }) =>
        Object.entries(columns).map(([column, value]) => ({
          oid: [...oid, 1, Number(column), ...index],
          value,
        })),
      ),
  }
}

/** A Gauge32, which stays at its largest where the number is larger (RFC 2578 §7.1.7). */
export function gauge(value: number): SnmpValue {
  return { type: 'gauge', value: Math.min(Math.max(0, Math.round(value)), 0xffff_ffff) }
}

/** The index that an InetAddressType and an InetAddress make (RFC 4001): 1.4.a.b.c.d, or 2.16 and sixteen arcs. */
export function addressIndex(address: string): Oid {
  if (isIPv4(address)) return [1, 4, ...address.split('.').map(Number)]
  return [2, 16, ...octetsOf(address)]
}

function octetsOf(address: string): readonly number[] {
  const [head = '', tail] = address.split('::')
  const groups = (text: string): readonly number[] =>
    text === '' ? [] : text.split(':').map(group => Number.parseInt(group, 16))
  const [first, last] = [groups(head), groups(tail ?? '')]
  const between =
    tail === undefined ? [] : new Array<number>(Math.max(0, 8 - first.length - last.length)).fill(0)
  return [...first, ...between, ...last].flatMap(group => [group >> 8, group & 0xff])
}

/** Variables in the order in which a walk meets them. */
export function inOrder(variables: readonly Variable[]): readonly Variable[] {
  return variables.toSorted((a, b) => compareOids(a.oid, b.oid))
}
