import { isAlias, isMap, isScalar, isSeq, type Node, type Pair } from 'yaml'
import { nearest } from '../../kit/nearest.ts'
import type { Fault } from '../fault.ts'
import type { ValueRule } from '../option.ts'
import { checkValue } from '../value.ts'

/** A text of the file and the offset at which it stands. */
export interface Word {
  readonly text: string
  readonly at: number
}

export type JsonSchema = Readonly<Record<string, unknown>>

/** Takes note of what is wrong at an offset. */
export type Tell = (at: number, message: string, more?: Partial<Fault>) => void

/** What stands somewhere in the file: how it is read, and how an editor gets to know of it. */
export interface Shape<T> {
  /** undefined after a fault was told. @param name what messages call it */
  read(node: Node, name: string, tell: Tell): T | undefined
  readonly schema: JsonSchema
}

type Shapes = Readonly<Record<string, Shape<unknown>>>
type Read<S> = S extends Shape<infer T> ? T : never
/** A record's values, with the offset at which it begins. */
export type RecordOf<R extends Shapes, O extends Shapes> = { readonly at: number } & {
  readonly [K in keyof R]: Read<R[K]>
} & { readonly [K in keyof O]?: Read<O[K]> }

/** What a value must be, beside what its type says. */
export interface WordRule extends ValueRule {
  readonly pattern?: RegExp
  /** In words, as the end of a sentence that begins with the key. */
  readonly says?: string
}

/** What is wrong with a text, as the end of a sentence; undefined if nothing. */
export function checkWord(rule: WordRule, text: string): string | undefined {
  return (
    checkValue(rule, text) ?? (rule.pattern?.test(text) === false ? (rule.says ?? 'is not right') : undefined)
  )
}

/** One value. Everything is text here: what looks like a number to YAML (0777, +16505550001) stays as it was written. */
export function word(rule: WordRule, description: string): Shape<Word> {
  return {
    read(node, name, tell) {
      const text = textOf(node)
      if (text === undefined) tell(offsetOf(node), `${name} is one value${whatInstead(node)}`, { key: name })
      else if (text === '') tell(offsetOf(node), `${name} has no value`, { key: name })
      else {
        const wrong = checkWord(rule, text)
        if (wrong === undefined) return { text, at: offsetOf(node) }
        const near = rule.choices === undefined ? undefined : nearest(text, rule.choices)
        const shown = JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
        const more = { key: name, ...(near === undefined ? {} : { nearest: near }) }
        tell(offsetOf(node), `${name} ${wrong}, not ${shown}`, more)
      }
      return undefined
    },
    schema: {
      description,
      ...schemaOf(rule),
      ...(rule.pattern === undefined ? {} : { pattern: rule.pattern.source }),
    },
  }
}

/** A list; what is wrong with some of its entries does not keep the others from being read. */
export function list<T>(item: Shape<T>, singular: string, description: string): Shape<readonly T[]> {
  return {
    read(node, name, tell) {
      if (!isSeq(node)) {
        tell(offsetOf(node), `${name} is a list${whatInstead(node)}`, { key: name })
        return undefined
      }
      return node.items.flatMap(each => {
        const read = item.read(each as Node, singular, tell)
        return read === undefined ? [] : [read]
      })
    },
    schema: { description, type: 'array', items: item.schema },
  }
}

/** Values under fixed keys. An unknown key is told with the one that was meant. */
export function record<R extends Shapes, O extends Shapes>(
  required: R,
  optional: O,
  description: string,
): Shape<RecordOf<R, O>> {
  const shapes: Shapes = { ...required, ...optional }
  return {
    read(node, name, tell) {
      const found: Record<string, unknown> = { at: offsetOf(node) }
      const seen = eachKey(node, name, tell, (key, value) => {
        const shape = Object.hasOwn(shapes, key.text) ? shapes[key.text] : undefined
        if (shape === undefined) {
          const near = nearest(key.text, Object.keys(shapes))
          const more = { key: key.text, ...(near === undefined ? {} : { nearest: near }) }
          tell(key.at, `${name} has no key ${JSON.stringify(key.text)}`, more)
          return
        }
        const read = shape.read(value, key.text, tell)
        if (read !== undefined) found[key.text] = read
      })
      if (seen === undefined) return undefined
      const missing = Object.keys(required).filter(key => !seen.has(key))
      for (const key of missing) tell(offsetOf(node), `${name} has no ${key}`, { key })
      // Every key was read by the shape that its type comes from; one that could not be read was told.
      return Object.keys(required).every(key => Object.hasOwn(found, key))
        ? (found as RecordOf<R, O>)
        : undefined
    },
    schema: {
      description,
      type: 'object',
      properties: Object.fromEntries(Object.entries(shapes).map(([key, shape]) => [key, shape.schema])),
      required: Object.keys(required),
      additionalProperties: false,
    },
  }
}

/** Values under keys of which each has its own shape, or a fault. */
export function dictionary<T>(
  shapeOf: (key: Word, tell: Tell) => Shape<T> | undefined,
  schema: JsonSchema,
): Shape<ReadonlyMap<string, T>> {
  return {
    read(node, name, tell) {
      const found = new Map<string, T>()
      const seen = eachKey(node, name, tell, (key, value) => {
        const read = shapeOf(key, tell)?.read(value, key.text, tell)
        if (read !== undefined) found.set(key.text, read)
      })
      return seen === undefined ? undefined : found
    },
    schema,
  }
}

/** What an editor may know of a value. */
export function schemaOf({ type, choices, min, max }: ValueRule): JsonSchema {
  const bounds = {
    ...(min === undefined ? {} : { minimum: min }),
    ...(max === undefined ? {} : { maximum: max }),
  }
  switch (type) {
    case 'integer':
    case 'seconds':
    case 'milliseconds':
    case 'microseconds':
      return { type: 'integer', minimum: 0, ...bounds }
    case 'port':
      return { type: 'integer', minimum: 1, maximum: 65_535, ...bounds }
    case 'number':
      return { type: 'number', ...bounds }
    case 'boolean':
      return { enum: ['Y', 'N'] }
    case 'choice':
      // Without quotes an editor takes these words for booleans.
      return {
        enum: (choices ?? []).flatMap(each =>
          /^(true|false)$/.test(each) ? [each, each === 'true'] : [each],
        ),
      }
    case 'text':
    case 'word':
    case 'name':
      return choices === undefined ? { type: ['string', 'number', 'boolean'] } : { enum: choices }
    default:
      return { type: 'string' }
  }
}

/** Goes over the keys of a mapping, and returns which there are; undefined if it is none. */
function eachKey(
  node: Node,
  name: string,
  tell: Tell,
  visit: (key: Word, value: Node) => void,
): ReadonlySet<string> | undefined {
  // A key whose entries are all commented out.
  if (textOf(node) === '') return new Set()
  if (!isMap(node)) {
    tell(offsetOf(node), `${name} is a mapping of keys to values${whatInstead(node)}`)
    return undefined
  }
  const seen = new Set<string>()
  for (const { key, value } of node.items as readonly Pair<Node, Node | null>[]) {
    const text = textOf(key)
    if (text === undefined) {
      tell(offsetOf(key), `a key of ${name} is one word`)
    } else if (value === null) {
      tell(offsetOf(key), `${text} has no value`, { key: text })
      seen.add(text)
    } else if (!seen.has(text)) {
      // YAML's own check tells of a key that is there twice.
      seen.add(text)
      visit({ text, at: offsetOf(key) }, value)
    }
  }
  return seen
}

function textOf(node: Node): string | undefined {
  return isScalar(node) && typeof node.value === 'string' ? node.value : undefined
}

function offsetOf(node: Node): number {
  return node.range?.[0] ?? 0
}

/** Why a node is not what it should be, where that is not plain to see. */
function whatInstead(node: Node): string {
  if (isAlias(node)) return `; *${node.source} refers to another place, which is not supported: write it out`
  if (isMap(node)) return ', not a mapping of keys'
  if (isSeq(node)) return ', not a list'
  return ''
}
