import { isMap, isScalar, isSeq, parseDocument, type Pair, type YAMLMap } from 'yaml'
import type { Role } from './deployment.ts'

interface Splice {
  readonly from: number
  readonly to: number
  readonly text: string
}

/**
 * The text of a deployment file in which some nodes have other roles. Everything else, comments and layout too, stays as
 * it is; a comment inside a list of roles goes with the list.
 *
 * @param text of a file without faults
 * @param roles by the names of nodes
 */
export function withRoles(text: string, roles: ReadonlyMap<string, readonly Role[]>): string {
  const splices = entriesOf(text).flatMap((entry): Splice[] => {
    const wanted = roles.get(String(entry.get('name')))
    return wanted === undefined ? [] : [spliceOf(text, entry, wanted)]
  })
  return splices
    .toSorted((a, b) => b.from - a.from)
    .reduce((edited, { from, to, text: word }) => edited.slice(0, from) + word + edited.slice(to), text)
}

/**
 * The text of a deployment file without one of its nodes. A comment on lines of its own stays.
 *
 * @param text of a file without faults that has this node and others
 */
export function withoutNode(text: string, name: string): string {
  const entries = entriesOf(text)
  const at = entries.findIndex(entry => entry.get('name') === name)
  const [from, to] = rangeOf(entries[at])
  const [before, after] = [entries[at - 1], entries[at + 1]]
  const lineStart = text.lastIndexOf('\n', from - 1) + 1
  const isBlock = text.slice(lineStart, from).trim() === '-'
  if (isBlock) {
    const lineEnd = text.indexOf('\n', text.slice(0, to).trimEnd().length)
    return text.slice(0, lineStart) + (lineEnd < 0 ? '' : text.slice(lineEnd + 1))
  }
  return after === undefined
    ? text.slice(0, rangeOf(before)[1]) + text.slice(to)
    : text.slice(0, from) + text.slice(rangeOf(after)[0])
}

function entriesOf(text: string): readonly YAMLMap[] {
  const nodes = parseDocument(text).get('nodes')
  return isSeq(nodes) ? nodes.items.filter(isMap) : []
}

function rangeOf(entry: YAMLMap | undefined): readonly [number, number] {
  const range = entry?.range
  if (range === undefined || range === null) throw new TypeError('the file has no such node')
  return [range[0], range[1]]
}

function spliceOf(text: string, entry: YAMLMap, roles: readonly Role[]): Splice {
  const list = `[${roles.join(', ')}]`
  const present = entry.items.find(({ key }) => isScalar(key) && key.value === 'roles')
  if (present !== undefined)
    return { from: endOf(text, present, 'key'), to: endOf(text, present, 'value'), text: `: ${list}` }
  const last = entry.items.at(-1)
  if (last === undefined) throw new TypeError('a node of the file is empty')
  const at = endOf(text, last, 'value')
  if (entry.flow === true) return { from: at, to: at, text: `, roles: ${list}` }
  return { from: at, to: at, text: `\n${' '.repeat(columnOf(text, entry.items[0]))}roles: ${list}` }
}

/** Behind the last character of a key or a value. */
function endOf(text: string, pair: Pair, part: 'key' | 'value'): number {
  const range = (pair[part] as { readonly range?: readonly [number, number, number] | null } | null)?.range
  if (range === undefined || range === null) throw new TypeError('a part of the file has no place')
  return text.slice(0, range[1]).trimEnd().length
}

function columnOf(text: string, first: Pair | undefined): number {
  const start = (first?.key as { readonly range?: readonly [number, number, number] | null } | undefined)
    ?.range
  const at = start?.[0] ?? 0
  return at - (text.lastIndexOf('\n', at - 1) + 1)
}
