import { H, headerIdAt, isListHeader, nameOf, type HeaderId } from './header-names.ts'
import { restOfList, splitList, topOfList } from './list.ts'
import { trimLws } from './scan.ts'

/** A line that was not received but written here. */
class OwnLine {
  readonly id: HeaderId
  readonly name: string
  readonly value: string
  parsed: unknown = undefined

  constructor(id: HeaderId, name: string, value: string) {
    this.id = id
    this.name = name
    this.value = value
  }
}

/** A received line is its number in the source; only changed lines are objects. */
type Line = number | OwnLine

const STRIDE = 3

/** One received header block, shared by all messages that come of it. */
export class HeaderSource {
  readonly text: string
  /** `[id, start of line, start of value]` per line, and the offset behind the last line as a sentinel. */
  readonly marks: readonly number[]
  /** What was found out about a line, by its number. */
  readonly parsed: unknown[] = []

  constructor(text: string, marks: readonly number[]) {
    this.text = text
    this.marks = marks
  }
}

const NO_SOURCE = new HeaderSource('', [H.Other, 0])

/**
 * The header fields of a message: a value. Received lines are kept as offsets into the received text, in their
 * order and spelling, and are only looked at when asked for; an edit copies a list of small numbers.
 */
export class Headers {
  readonly #source: HeaderSource
  readonly #lines: readonly Line[]

  private constructor(source: HeaderSource, lines: readonly Line[]) {
    this.#source = source
    this.#lines = lines
  }

  /** All lines of a received block. */
  static received(source: HeaderSource): Headers {
    return new Headers(source, firstLines(Math.floor(source.marks.length / STRIDE)))
  }

  static readonly none = new Headers(NO_SOURCE, [])

  /** The first value of a field, white space trimmed and folds undone; undefined if there is none. */
  get(id: HeaderId): string | undefined {
    const lines = this.#lines
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i] as Line
      if (this.#idOf(line) === id) return this.#valueOf(line)
    }
    return undefined
  }

  /**
   * What the first line of a field means, found out once for all messages that share the line.
   *
   * @param parse the one parser of this field: the same in all calls
   */
  parsed<T>(id: HeaderId, parse: (value: string) => T | undefined): T | undefined {
    const lines = this.#lines
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i] as Line
      if (this.#idOf(line) !== id) continue
      // What was parsed by the field's one parser has that parser's type.
      if (typeof line === 'number') {
        const known = this.#source.parsed
        return (known[line] ??= parse(receivedValue(this.#source, line))) as T | undefined
      }
      return (line.parsed ??= parse(line.value)) as T | undefined
    }
    return undefined
  }

  /** The value of each line of a field, top to bottom. */
  lines(id: HeaderId): string[] {
    const values: string[] = []
    for (const line of this.#lines) if (this.#idOf(line) === id) values.push(this.#valueOf(line))
    return values
  }

  /** Every value of a list field, however they are spread over lines. */
  list(id: HeaderId): string[] {
    let all: string[] | undefined
    for (const line of this.#lines) {
      if (this.#idOf(line) !== id) continue
      const values = splitList(this.#valueOf(line))
      if (all === undefined) all = values
      else all.push(...values)
    }
    return all ?? []
  }

  /** The topmost value of a list field. */
  top(id: HeaderId): string | undefined {
    const value = this.get(id)
    return value === undefined ? undefined : topOfList(value)
  }

  has(id: HeaderId): boolean {
    for (const line of this.#lines) if (this.#idOf(line) === id) return true
    return false
  }

  /** Whether any line is of one of the fields. */
  hasAny(ids: ReadonlySet<HeaderId>): boolean {
    for (const line of this.#lines) if (ids.has(this.#idOf(line))) return true
    return false
  }

  /** Number of lines of a field. */
  count(id: HeaderId): number {
    let count = 0
    for (const line of this.#lines) if (this.#idOf(line) === id) count++
    return count
  }

  /** The values of a field that may be unknown to the table, by its name in any case. */
  named(name: string): string[] {
    const id = headerIdAt(name, 0, name.length)
    if (id !== H.Other) return this.lines(id)
    const wanted = name.toLowerCase()
    return this.#lines
      .filter(line => this.#idOf(line) === H.Other && this.#nameOf(line).toLowerCase() === wanted)
      .map(line => this.#valueOf(line))
  }

  /** Name and value of every line, in order, as on the wire. */
  *entries(): Generator<readonly [name: string, value: string]> {
    for (const line of this.#lines) yield [this.#nameOf(line), this.#valueOf(line)]
  }

  /** Without the topmost value of a list field, or so many of them. */
  withoutTop(id: HeaderId, count = 1): Headers {
    const edit = this.edit()
    for (let i = 0; i < count; i++) edit.removeTop(id)
    return edit.done()
  }

  /** Starts a change: the edit is a local builder, the result a new value; this one stays as it is. */
  edit(): HeaderEdit {
    return new HeaderEdit(this.#source, this.#lines.slice(), Headers.#make)
  }

  /** The lines of the given fields only, in their order: the skeleton of a response (RFC 3261 §8.2.6.2). */
  pick(ids: readonly HeaderId[]): HeaderEdit {
    const lines = this.#lines.filter(line => ids.includes(this.#idOf(line)))
    return new HeaderEdit(this.#source, lines, Headers.#make)
  }

  static readonly #make = (source: HeaderSource, lines: readonly Line[]): Headers =>
    new Headers(source, lines)

  /** The block as text, each line ended by CRLF. Runs of untouched lines are copied in one piece. */
  format(): string {
    const { text, marks } = this.#source
    const lines = this.#lines
    let out = ''
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i] as Line
      if (typeof line !== 'number') {
        out += line.name + ': ' + line.value + '\r\n'
        continue
      }
      let last = line
      while (lines[i + 1] === last + 1) {
        last++
        i++
      }
      out += text.slice(marks[line * STRIDE + 1], endOfLine(marks, last))
    }
    return out
  }

  #idOf(line: Line): HeaderId {
    return typeof line === 'number' ? (this.#source.marks[line * STRIDE] as HeaderId) : line.id
  }

  #nameOf(line: Line): string {
    if (typeof line !== 'number') return line.name
    const { text, marks } = this.#source
    const start = marks[line * STRIDE + 1] as number
    return text.slice(start, text.indexOf(':', start)).trimEnd()
  }

  #valueOf(line: Line): string {
    return typeof line === 'number' ? receivedValue(this.#source, line) : line.value
  }
}

const untouched: (readonly number[])[] = []

/** The numbers of all lines of a block of this length: the same list for every such block. */
function firstLines(count: number): readonly number[] {
  return (untouched[count] ??= Array.from({ length: count }, (_, i) => i))
}

function endOfLine(marks: readonly number[], line: number): number {
  // Behind the last line stands the sentinel, at the place where the next line's start would be.
  return marks[(line + 1) * STRIDE + 1] ?? (marks.at(-1) as number)
}

function receivedValue(source: HeaderSource, line: number): string {
  const { text, marks } = source
  const value = text.slice(marks[line * STRIDE + 2], endOfLine(marks, line) - 2)
  if (value.includes('\r\n')) return value.split('\r\n').map(trimLws).join(' ').trim()
  const last = value.charCodeAt(value.length - 1)
  return last === 0x20 || last === 0x09 ? value.trimEnd() : value
}

/** A change to a list of header lines. Used inside one function and then closed with `done`. */
export class HeaderEdit {
  readonly #source: HeaderSource
  readonly #lines: Line[]
  readonly #make: (source: HeaderSource, lines: readonly Line[]) => Headers

  constructor(
    source: HeaderSource,
    lines: Line[],
    make: (source: HeaderSource, lines: readonly Line[]) => Headers,
  ) {
    this.#source = source
    this.#lines = lines
    this.#make = make
  }

  done(): Headers {
    return this.#make(this.#source, this.#lines)
  }

  /** Puts a value on top of a field: before its first line, else below the Vias. */
  prepend(id: HeaderId, value: string): this {
    const at = this.#firstOf(id)
    this.#insert(at >= 0 ? at : this.#belowVias(), new OwnLine(id, nameOf(id), value))
    return this
  }

  /** Puts values on top of a field, the first one uppermost: before its first line, else below the Vias. */
  prependAll(id: HeaderId, values: readonly string[]): this {
    const first = this.#firstOf(id)
    const at = first >= 0 ? first : this.#belowVias()
    const own = values.map(value => new OwnLine(id, nameOf(id), value))
    this.#lines.splice(at, 0, ...own)
    return this
  }

  /** Puts a value below the field's last line, else at the end. */
  append(id: HeaderId, value: string): this {
    const own = new OwnLine(id, nameOf(id), value)
    const at = this.#lastOf(id)
    if (at >= 0) this.#insert(at + 1, own)
    else this.#lines.push(own)
    return this
  }

  /** Adds a line with a name that need not be in the table. */
  add(name: string, value: string): this {
    this.#lines.push(new OwnLine(headerIdAt(name, 0, name.length), name, value))
    return this
  }

  /**
   * Makes this the field's only value. It stands where the first one stood.
   *
   * @param parsed what the field's one parser would make of it, where that is known
   */
  set(id: HeaderId, value: string, parsed?: unknown): this {
    const own = new OwnLine(id, nameOf(id), value)
    own.parsed = parsed
    const at = this.#firstOf(id)
    if (at < 0) {
      this.#lines.push(own)
      return this
    }
    this.#lines[at] = own
    this.#keep(at + 1, line => this.#idOf(line) !== id)
    return this
  }

  /** Removes every line of a field. */
  remove(id: HeaderId): this {
    if (this.#firstOf(id) >= 0) this.#keep(0, line => this.#idOf(line) !== id)
    return this
  }

  /** Removes every line of several fields. */
  removeAll(ids: ReadonlySet<HeaderId>): this {
    const lines = this.#lines
    for (let i = 0; i < lines.length; i++) {
      if (!ids.has(this.#idOf(lines[i] as Line))) continue
      this.#keep(i, line => !ids.has(this.#idOf(line)))
      break
    }
    return this
  }

  /** Removes the topmost value of a list field (its line, if it stands alone). */
  removeTop(id: HeaderId): this {
    const at = this.#firstOf(id)
    if (at < 0) return this
    const rest = isListHeader(id) ? restOfList(this.#valueOf(this.#lines[at] as Line)) : ''
    if (rest === '') this.#delete(at)
    else this.#lines[at] = new OwnLine(id, nameOf(id), rest)
    return this
  }

  /** Replaces the topmost value of a list field. */
  replaceTop(id: HeaderId, value: string): this {
    const at = this.#firstOf(id)
    if (at < 0) return this.prepend(id, value)
    const rest = isListHeader(id) ? restOfList(this.#valueOf(this.#lines[at] as Line)) : ''
    this.#lines[at] = new OwnLine(id, nameOf(id), rest === '' ? value : `${value}, ${rest}`)
    return this
  }

  #idOf(line: Line): HeaderId {
    return typeof line === 'number' ? (this.#source.marks[line * STRIDE] as HeaderId) : line.id
  }

  #valueOf(line: Line): string {
    return typeof line === 'number' ? receivedValue(this.#source, line) : line.value
  }

  #firstOf(id: HeaderId): number {
    const lines = this.#lines
    for (let i = 0; i < lines.length; i++) if (this.#idOf(lines[i] as Line) === id) return i
    return -1
  }

  #lastOf(id: HeaderId): number {
    const lines = this.#lines
    for (let i = lines.length - 1; i >= 0; i--) if (this.#idOf(lines[i] as Line) === id) return i
    return -1
  }

  #belowVias(): number {
    return this.#lastOf(H.Via) + 1
  }

  // Written out, since `splice` makes an array of what it removes, and this runs several times a message.
  #insert(at: number, line: Line): void {
    const lines = this.#lines
    lines.push(line)
    for (let i = lines.length - 1; i > at; i--) lines[i] = lines[i - 1] as Line
    lines[at] = line
  }

  #delete(at: number): void {
    const lines = this.#lines
    for (let i = at + 1; i < lines.length; i++) lines[i - 1] = lines[i] as Line
    lines.pop()
  }

  #keep(from: number, wanted: (line: Line) => boolean): void {
    const lines = this.#lines
    let kept = from
    for (let i = from; i < lines.length; i++) {
      const line = lines[i] as Line
      if (wanted(line)) lines[kept++] = line
    }
    lines.length = kept
  }
}
