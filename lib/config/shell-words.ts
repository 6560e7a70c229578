import type { Fault } from './fault.ts'
import { findOption } from './options.ts'

/** One assignment, or what stands in the place of one. */
export interface Assignment {
  /** Absent: there is no assignment here that could be read. */
  readonly name: string | undefined
  readonly value: string
  readonly line: number
  readonly faults: readonly Fault[]
}

type Lookup = (name: string) => string | undefined

const ASSIGNMENT = /(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=/y
const REFERENCE = /\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))/y
/** What would begin another command, run one, or redirect one. */
const OPERATOR = /[;&|<>()]/
const CARRIAGE_RETURN = 'the line ends with a carriage return, which means something to a shell'
/** Characters that expansions may give in one file, so that a short file cannot stand for a huge one. */
const MOST_EXPANDED = 1_000_000

/** Reads a file of assignments statement by statement, as POSIX sh takes its words apart (XCU §2.2, §2.6). */
export function* readAssignments(text: string, lookup: Lookup): Generator<Assignment> {
  const reader = new WordReader(text, lookup)
  for (;;) {
    const assignment = reader.next()
    if (assignment === undefined) return
    yield assignment
  }
}

class WordReader {
  readonly #text: string
  readonly #lookup: Lookup
  #at = 0
  #line = 1
  #lineStart = 0
  #faults: Fault[] = []
  #expanded = 0
  /** The value that is read is nothing to be told of. */
  #isSecret = false

  constructor(text: string, lookup: Lookup) {
    this.#text = text.replace(/^\uFEFF/, '')
    this.#lookup = lookup
  }

  next(): Assignment | undefined {
    this.#skipBlank()
    if (this.#at >= this.#text.length) return undefined
    this.#faults = []
    const line = this.#line
    ASSIGNMENT.lastIndex = this.#at
    const match = ASSIGNMENT.exec(this.#text)
    if (match === null) {
      const statement = this.#restOfLine()
      this.#fault(
        statement === ''
          ? CARRIAGE_RETURN
          : `${namesSecret(statement) ? 'this' : quote(statement)} is no assignment: write name=value`,
      )
      this.#skipLine()
      return { name: undefined, value: '', line, faults: this.#faults }
    }
    this.#at += match[0].length
    this.#isSecret = findOption(match[1] ?? '')?.secret === true
    const value = this.#word()
    this.#endOfStatement()
    // What a shell would not take, or would take otherwise, has no value.
    const name = this.#faults.some(fault => fault.severity === 'error') ? undefined : match[1]
    return { name, value, line, faults: this.#faults }
  }

  /** To the next statement: over blanks, line ends and comments. */
  #skipBlank(): void {
    for (; this.#at < this.#text.length; this.#step()) {
      const char = this.#peek()
      if (char === '#') {
        while (this.#at < this.#text.length && this.#peek() !== '\n') this.#at++
        if (this.#at >= this.#text.length) return
      } else if (!/[ \t\n]/.test(char)) return
    }
  }

  #word(): string {
    let value = ''
    const start = this.#at
    while (this.#at < this.#text.length) {
      const char = this.#peek()
      if (char === '\n' || char === ' ' || char === '\t') break
      if (char === "'") value += this.#singleQuoted()
      else if (char === '"') value += this.#doubleQuoted()
      else if (char === '\\') value += this.#escaped()
      else if (char === '$') value += this.#expansion(false)
      else if (char === '`') return this.#refuse('commands are not run here: quote the backtick')
      else if (OPERATOR.test(char)) return this.#refuse(`a value with ${char} needs quotes`)
      else if (char === '~' && (this.#at === start || this.#text[this.#at - 1] === ':')) {
        return this.#refuse('a shell would take ~ for a home folder: write the path out, or quote it')
      } else if (char === '\r' && (this.#text[this.#at + 1] ?? '\n') === '\n') {
        return this.#refuse(CARRIAGE_RETURN)
      } else {
        value += this.#unquoted(char)
      }
    }
    return value
  }

  #unquoted(char: string): string {
    if (char === '\0') this.#fault('a zero byte cannot be part of a value')
    this.#step()
    return char
  }

  #singleQuoted(): string {
    const end = this.#text.indexOf("'", this.#at + 1)
    if (end === -1) return this.#refuse("the quote ' is never closed", true)
    const value = this.#text.slice(this.#at + 1, end)
    if (value.includes('\0')) this.#fault('a zero byte cannot be part of a value')
    while (this.#at <= end) this.#step()
    return value
  }

  #doubleQuoted(): string {
    const opened = this.#at
    let value = ''
    this.#step()
    for (;;) {
      if (this.#at >= this.#text.length) {
        return this.#refuse('the quote " is never closed', true, opened)
      }
      const char = this.#peek()
      if (char === '"') break
      if (char === '`') this.#fault('commands are not run here: write \\` for a backtick')
      if (char === '$') value += this.#expansion(true)
      else if (char === '\\') value += this.#escapedInQuotes()
      else value += this.#unquoted(char)
    }
    this.#step()
    return value
  }

  #escaped(): string {
    this.#step()
    if (this.#at >= this.#text.length) return '\\'
    const char = this.#peek()
    this.#step()
    return char === '\n' ? '' : char
  }

  /** Within double quotes a backslash stays unless it takes a meaning away (XCU §2.2.3). */
  #escapedInQuotes(): string {
    this.#step()
    const char = this.#peek()
    if (!/[$`"\\\n]/.test(char)) return '\\'
    this.#step()
    return char === '\n' ? '' : char
  }

  #expansion(quoted: boolean): string {
    REFERENCE.lastIndex = this.#at
    const match = REFERENCE.exec(this.#text)
    const name = match?.[1] ?? match?.[2]
    if (match === null || name === undefined) {
      const next = this.#text[this.#at + 1] ?? ''
      if (/[({[0-9*@#?$!'"-]/.test(next) && !(quoted && /['"]/.test(next))) {
        const message = 'only $name and ${name} are expanded: write \\$ for a dollar sign'
        if (!quoted) return this.#refuse(message)
        this.#fault(message)
      }
      this.#step()
      return '$'
    }
    const value = this.#lookup(name)
    if (value === undefined) {
      const about = this.#isSecret ? {} : { key: name }
      const message = `${this.#isSecret ? 'a name behind $' : `$${name}`} is not set before this line, so it stands for nothing`
      this.#faults.push({ severity: 'warning', message, ...this.#place(), ...about })
    }
    this.#expanded += value?.length ?? 0
    if (this.#expanded > MOST_EXPANDED)
      return this.#refuse('the file expands to more than a file may hold', true)
    this.#at += match[0].length
    return value ?? ''
  }

  /** After a value only a comment may follow on its line: `name=value word` would run `word`. */
  #endOfStatement(): void {
    while (this.#peek() === ' ' || this.#peek() === '\t') this.#step()
    const char = this.#peek()
    if (char === '' || char === '\n') return
    const after = this.#text[this.#at - 1] ?? ''
    if (char === '#' && /[ \t]/.test(after)) {
      this.#skipLine()
      return
    }
    const words = this.#isSecret ? 'words' : quote(this.#restOfLine())
    this.#fault(`${words} after the value: a value with blanks needs quotes`)
    this.#skipLine()
  }

  #refuse(message: string, toEnd = false, at = this.#at): string {
    this.#fault(message, at)
    // Where a quote is never closed, nothing after it can be told apart.
    if (toEnd) this.#at = this.#text.length
    else this.#skipLine()
    return ''
  }

  #fault(message: string, at = this.#at): void {
    this.#faults.push({ severity: 'error', message, ...this.#place(at) })
  }

  #place(at = this.#at): { readonly line: number; readonly column: number } {
    if (at >= this.#lineStart) return { line: this.#line, column: at - this.#lineStart + 1 }
    const before = this.#text.slice(0, at)
    return { line: before.split('\n').length, column: at - before.lastIndexOf('\n') }
  }

  #peek(): string {
    return this.#text[this.#at] ?? ''
  }

  #step(): void {
    if (this.#text[this.#at] === '\n') {
      this.#line++
      this.#lineStart = this.#at + 1
    }
    this.#at++
  }

  #skipLine(): void {
    while (this.#at < this.#text.length && this.#peek() !== '\n') this.#at++
  }

  #restOfLine(): string {
    const end = this.#text.indexOf('\n', this.#at)
    return this.#text.slice(this.#at, end === -1 ? undefined : end).trim()
  }
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}

/** Whether a line that could not be read may be meant to set a secret. */
function namesSecret(statement: string): boolean {
  return (statement.match(/\w+/g) ?? []).some(word => findOption(word)?.secret === true)
}
