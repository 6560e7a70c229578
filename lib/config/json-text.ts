/** A JSON value with the place where it stands. */
export interface JsonNode {
  readonly value: unknown
  /** Offset of its first character. */
  readonly at: number
  readonly inside: ReadonlyMap<string | number, JsonNode>
}

/** Why a text is no JSON. */
export interface JsonFault {
  readonly message: string
  readonly at: number
}

const BLANK = /[ \t\r\n]*/y
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y
const SCALAR = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y
/** No file of ours is deeper than five; a hostile one shall not use up the stack. */
const DEEPEST = 50
const NOTHING: ReadonlyMap<string | number, JsonNode> = new Map()

/** Reads JSON (RFC 8259) and remembers where everything stands; a key that is there twice is refused. Never throws. */
export function parseJson(text: string): { readonly node: JsonNode } | { readonly fault: JsonFault } {
  try {
    return { node: new JsonReader(text).document() }
  } catch (error) {
    if (error instanceof Unreadable) return { fault: { message: error.message, at: error.at } }
    throw error
  }
}

/** Ends the reading; never leaves this file. */
class Unreadable extends Error {
  readonly at: number

  constructor(message: string, at: number) {
    super(message)
    this.at = at
  }
}

class JsonReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  document(): JsonNode {
    const node = this.#value(0)
    this.#skipBlank()
    if (this.#at < this.#text.length) throw new Unreadable('something follows after its end', this.#at)
    return node
  }

  #value(depth: number): JsonNode {
    this.#skipBlank()
    const at = this.#at
    if (depth > DEEPEST) throw new Unreadable('it is nested too deeply', at)
    switch (this.#text[at]) {
      case '{':
        return this.#object(depth)
      case '[':
        return this.#list(depth)
      case '"':
        return { value: this.#string(), at, inside: NOTHING }
      default: {
        const scalar = this.#match(SCALAR)
        if (scalar === undefined) throw new Unreadable('a value is missing or cannot be read', at)
        return { value: JSON.parse(scalar) as unknown, at, inside: NOTHING }
      }
    }
  }

  #object(depth: number): JsonNode {
    const at = this.#at
    const inside = new Map<string, JsonNode>()
    this.#items('}', () => {
      const keyAt = this.#at
      if (this.#text[keyAt] !== '"') throw new Unreadable('a key in quotes is missing', keyAt)
      const key = this.#string()
      if (inside.has(key)) throw new Unreadable(`the key ${JSON.stringify(key)} is there twice`, keyAt)
      this.#expect(':')
      inside.set(key, this.#value(depth + 1))
    })
    // fromEntries defines "__proto__" as a key like any other.
    const value: unknown = Object.fromEntries([...inside].map(([key, node]) => [key, node.value]))
    return { value, at, inside }
  }

  #list(depth: number): JsonNode {
    const at = this.#at
    const inside = new Map<number, JsonNode>()
    this.#items(']', () => {
      inside.set(inside.size, this.#value(depth + 1))
    })
    return { value: [...inside.values()].map(node => node.value), at, inside }
  }

  #items(end: string, readItem: () => void): void {
    this.#at++
    this.#skipBlank()
    if (this.#text[this.#at] === end) {
      this.#at++
      return
    }
    for (;;) {
      this.#skipBlank()
      readItem()
      this.#skipBlank()
      const char = this.#text[this.#at]
      if (char !== ',' && char !== end) throw new Unreadable(`a comma or ${end} is missing`, this.#at)
      this.#at++
      if (char === end) return
    }
  }

  #string(): string {
    const found = this.#match(STRING)
    if (found === undefined)
      throw new Unreadable('a text is not closed, or holds what needs a backslash', this.#at)
    return JSON.parse(found) as string
  }

  #expect(char: string): void {
    this.#skipBlank()
    if (this.#text[this.#at] !== char) throw new Unreadable(`"${char}" is missing`, this.#at)
    this.#at++
  }

  #skipBlank(): void {
    this.#match(BLANK)
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }
}
