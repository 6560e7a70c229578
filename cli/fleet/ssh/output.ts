import { StringDecoder } from 'node:string_decoder'

/** A line longer than this is handed on in pieces, so that a program that never ends a line cannot fill the memory. */
const MAX_LINE = 64 * 1024

/** One output stream of a command: its first bytes are kept, its lines are handed on as they come. */
export class Output {
  truncated = false
  readonly #limit: number
  readonly #onLine: ((line: string) => void) | undefined
  readonly #chunks: Buffer[] = []
  readonly #decoder = new StringDecoder('utf8')
  #size = 0
  #line = ''

  constructor(limit: number, onLine?: (line: string) => void) {
    this.#limit = limit
    this.#onLine = onLine
  }

  push(chunk: Buffer): void {
    const kept = chunk.subarray(0, this.#limit - this.#size)
    if (kept.length < chunk.length) this.truncated = true
    if (kept.length > 0) this.#chunks.push(kept)
    this.#size += kept.length
    if (this.#onLine) this.#tell(this.#decoder.write(chunk))
  }

  /** After the last byte: hands on a line that had no end. */
  end(): void {
    this.#tell(this.#decoder.end())
    if (this.#line !== '') this.#onLine?.(this.#line)
    this.#line = ''
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  get text(): string {
    return this.bytes.toString('utf8')
  }

  #tell(text: string): void {
    const lines = (this.#line + text).split('\n')
    this.#line = lines.pop() ?? ''
    for (const line of lines) this.#onLine?.(line)
    if (this.#line.length <= MAX_LINE) return
    this.#onLine?.(this.#line)
    this.#line = ''
  }
}
