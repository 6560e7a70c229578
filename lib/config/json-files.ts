import { MOST_FILE_BYTES } from './config-file.ts'
import { inOrder, type Fault } from './fault.ts'
import { parseJson, type JsonNode } from './json-text.ts'
import { nearest } from '../kit/nearest.ts'
import { isBelow, isResourcePriority } from './resource-priorities.ts'
import { placesOf } from './text-place.ts'
import { isHost, isSipUri } from './value.ts'

/** The JSON files that all nodes share. */
export type JsonFileName = 'bgcf.json' | 'enum.json' | 's-cscf.json' | 'rph.json'

type Path = readonly (string | number)[]
type Tell = (path: Path, message: string, more?: Partial<Fault>) => void
type Fields = Readonly<Record<string, unknown>>

interface Declared {
  /** The one key of the document, with a list under it. */
  readonly list: string
  readonly fields: readonly string[]
  readonly entry: (entry: Fields, path: Path, tell: Tell) => void
  /** What entries that are each right may still get wrong between them. */
  readonly together?: (entries: readonly unknown[], tell: Tell) => void
}

const FILES: Readonly<Record<JsonFileName, Declared>> = {
  'bgcf.json': { list: 'routes', fields: ['name', 'domain', 'number', 'route'], entry: checkRoute },
  'enum.json': { list: 'number_blocks', fields: ['name', 'prefix', 'regex'], entry: checkNumberBlock },
  's-cscf.json': {
    list: 's-cscfs',
    fields: ['server', 'priority', 'weight', 'capabilities'],
    entry: checkScscf,
  },
  'rph.json': {
    list: 'priority_blocks',
    fields: ['priority', 'rph_values'],
    entry: checkPriorityBlock,
    together: checkPriorities,
  },
}

/** The text of each file while there is nothing in it. */
export function emptyJsonFile(name: JsonFileName): string {
  return `${JSON.stringify({ [FILES[name].list]: [] })}\n`
}

/** Everything that is wrong with a JSON file: its syntax, or else each of its entries. Never throws. */
export function validateJsonFile(name: JsonFileName, text: string): readonly Fault[] {
  if (text.length > MOST_FILE_BYTES) {
    return [{ severity: 'error', message: `is larger than ${MOST_FILE_BYTES} bytes` }]
  }
  const placeAt = placesOf(text)
  const parsed = parseJson(text)
  if ('fault' in parsed) {
    const { message, at } = parsed.fault
    return [{ severity: 'error', message: `is no JSON: ${message}`, ...placeAt(at) }]
  }
  const faults: Fault[] = []
  checkDocument(FILES[name], parsed.node.value, (path, message, more = {}) => {
    faults.push({ severity: 'error', message, ...more, ...placeAt(offsetOf(parsed.node, path)) })
  })
  return inOrder(faults)
}

function checkDocument(
  { list, fields, entry: check, together }: Declared,
  document: unknown,
  tell: Tell,
): void {
  if (!isObject(document) || !Array.isArray(document[list])) {
    tell([], `has to be an object with a list under "${list}"`)
    return
  }
  checkKeys(document, [list], [], tell)
  const seen = new Map<string, number>()
  for (const [index, entry] of (document[list] as readonly unknown[]).entries()) {
    const path = [list, index]
    if (!isObject(entry)) {
      tell(path, `an entry of ${list} is an object`)
      continue
    }
    checkKeys(entry, fields, path, tell)
    if ('name' in entry && typeof entry.name !== 'string') tell([...path, 'name'], 'name is text')
    check(entry, path, tell)
    checkRepeated(entry, index, path, seen, tell)
  }
  together?.(document[list] as readonly unknown[], tell)
}

/** Of several entries for the same destination only the first is used. */
function checkRepeated(
  entry: Fields,
  index: number,
  path: Path,
  seen: Map<string, number>,
  tell: Tell,
): void {
  for (const key of ['domain', 'number', 'prefix', 'server']) {
    const value = entry[key]
    if (typeof value !== 'string') continue
    const id = `${key} ${value.toLowerCase()}`
    const first = seen.get(id)
    if (first === undefined) seen.set(id, index)
    else {
      const message = `${key} "${value}" is in entry ${first + 1} too; only that one is used`
      tell([...path, key], message, { severity: 'warning', key })
    }
  }
}

function checkRoute(entry: Fields, path: Path, tell: Tell): void {
  const { domain, number, route } = entry
  if ((domain === undefined) === (number === undefined)) {
    tell(path, 'a route has either a domain or a number')
  } else if (domain !== undefined && domain !== '*' && !(typeof domain === 'string' && isHost(domain))) {
    tell([...path, 'domain'], 'domain is a domain, an IP address, or "*" for all others', { key: 'domain' })
  } else if (number !== undefined && !isNumberPrefix(number)) {
    tell(
      [...path, 'number'],
      'number is the beginning of a routing number: digits, perhaps with a + in front',
      {
        key: 'number',
      },
    )
  }
  if (!Array.isArray(route) || route.length === 0) {
    tell([...path, 'route'], 'route is a list of at least one SIP URI', { key: 'route' })
    return
  }
  for (const [index, uri] of (route as readonly unknown[]).entries()) {
    if (!(typeof uri === 'string' && isSipUri(uri))) {
      tell([...path, 'route', index], 'an entry of route is a SIP URI', { key: 'route' })
    }
  }
}

function checkNumberBlock({ prefix, regex }: Fields, path: Path, tell: Tell): void {
  if (prefix !== '' && !isNumberPrefix(prefix)) {
    const message =
      'prefix is the beginning of a number, digits perhaps with a + in front, or empty for all others'
    tell([...path, 'prefix'], message, { key: 'prefix' })
  }
  const wrong = typeof regex === 'string' ? whatIsWrongWith(regex) : 'is text'
  if (wrong !== undefined) tell([...path, 'regex'], `regex ${wrong}`, { key: 'regex' })
}

function checkScscf({ server, priority, weight, capabilities }: Fields, path: Path, tell: Tell): void {
  if (!(typeof server === 'string' && isSipUri(server))) {
    tell([...path, 'server'], 'server is the SIP URI of an S-CSCF', { key: 'server' })
  }
  for (const [key, value] of Object.entries({ priority, weight })) {
    if (!isCount(value)) tell([...path, key], `${key} is a whole number from 0`, { key })
  }
  if (!Array.isArray(capabilities) || !capabilities.every(isCount)) {
    tell([...path, 'capabilities'], 'capabilities is a list of whole numbers from 0', { key: 'capabilities' })
  }
}

function checkPriorityBlock({ priority, rph_values: values }: Fields, path: Path, tell: Tell): void {
  if (!isCount(priority) || Number(priority) < 1 || Number(priority) > 15) {
    tell([...path, 'priority'], 'priority is a whole number from 1 (lowest) to 15', { key: 'priority' })
  }
  if (!Array.isArray(values)) {
    tell([...path, 'rph_values'], 'rph_values is a list', { key: 'rph_values' })
    return
  }
  for (const [index, value] of (values as readonly unknown[]).entries()) {
    if (isResourcePriority(value)) continue
    tell([...path, 'rph_values', index], 'a value of Resource-Priority is like ets.0', { key: 'rph_values' })
  }
}

/** No value counts for more than one that its namespace puts above it, and none counts twice. */
function checkPriorities(entries: readonly unknown[], tell: Tell): void {
  const placed: { readonly value: string; readonly priority: number }[] = []
  for (const [index, entry] of entries.entries()) {
    if (!isObject(entry) || !Array.isArray(entry['rph_values'])) continue
    const priority = Number(entry['priority'])
    for (const [at, value] of (entry['rph_values'] as readonly unknown[]).entries()) {
      if (!isResourcePriority(value)) continue
      const path = ['priority_blocks', index, 'rph_values', at]
      for (const other of placed) {
        if (other.value.toLowerCase() === value.toLowerCase()) tell(path, `${value} is in another block too`)
        const inverted = priority > other.priority ? isBelow(value, other.value) : isBelow(other.value, value)
        if (inverted && priority !== other.priority) {
          tell(path, `${value} and ${other.value} are not in the order of their namespace`)
        }
      }
      placed.push({ value, priority })
    }
  }
}

/** A substitution as in a NAPTR record: delimiter, pattern, delimiter, replacement, delimiter (RFC 3402 §3.2). */
function whatIsWrongWith(regex: string): string | undefined {
  const delimiter = regex.charAt(0)
  const parts = regex.split(delimiter)
  if (delimiter === '' || /[\w\\]/.test(delimiter) || parts.length !== 4 || !/^i?$/.test(parts[3] ?? '')) {
    return 'has the form !pattern!replacement!'
  }
  try {
    const groups = (new RegExp(`${parts[1] ?? ''}|`).exec('')?.length ?? 1) - 1
    const used = [...(parts[2] ?? '').matchAll(/\\([1-9])/g)].map(match => Number(match[1]))
    return used.every(group => group <= groups)
      ? undefined
      : `refers to a group that its pattern does not have`
  } catch {
    return 'has a pattern that is no regular expression'
  }
}

function checkKeys(object: Fields, known: readonly string[], path: Path, tell: Tell): void {
  for (const key of Object.keys(object)) {
    if (known.includes(key)) continue
    const near = nearest(key, known)
    const more = { severity: 'warning', key, ...(near === undefined ? {} : { nearest: near }) } as const
    tell([...path, key], `${JSON.stringify(key)} is not known here and has no effect`, more)
  }
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isNumberPrefix(value: unknown): boolean {
  return typeof value === 'string' && /^\+?\d{1,32}$/.test(value)
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

/** Where the value at a path stands, or the nearest that contains it. */
function offsetOf(root: JsonNode, path: Path): number {
  let node = root
  for (const step of path) {
    const inner = node.inside.get(step)
    if (inner === undefined) break
    node = inner
  }
  return node.at
}
