/**
 * memcached's meta protocol, as far as it is used here: `mg` and `ms` of doc/protocol.txt of memcached 1.6.
 *
 * Keys are latin1 without blanks or controls, at most 250 octets; values are any octets.
 */

/** When a value is to be stored. */
export type StoreWhen = 'always' | 'absent' | { readonly cas: number }

export interface StoreOptions {
  readonly when: StoreWhen
  /** A number of 32 bits that comes back with the value. */
  readonly flags: number
  /** As memcached takes it: seconds up to 30 days, else Unix time; 0 for ever, negative at once. */
  readonly ttl: number
}

/** One answer. `status` is its first word; a value comes with `VA` only. */
export interface Reply {
  readonly status: string
  /** The words behind it, size of a value apart. */
  readonly words: readonly string[]
  readonly value?: Buffer
}

const CRLF = '\r\n'

/** Asks for a value with its flags, its CAS number and how long it lives yet. */
export function formatGet(key: string): string {
  return `mg ${key} v f c t${CRLF}`
}

/** The line before the octets of a value, which `\r\n` ends. The answer tells the new CAS number. */
export function formatSet(key: string, size: number, { when, flags, ttl }: StoreOptions): string {
  const condition = when === 'always' ? '' : when === 'absent' ? ' ME' : ` C${when.cas}`
  return `ms ${key} ${size} c F${flags} T${ttl}${condition}${CRLF}`
}

const MAX_LINE = 2048
/** memcached's own limit is 1 MiB unless it was told otherwise. */
const MAX_VALUE = 16 * 1024 * 1024
const LF = 0x0a

/** Finds replies in a stream, however it is cut. */
export class ReplyReader {
  #chunks: Buffer[] = []
  #length = 0
  #open: { readonly reply: Reply; readonly size: number } | undefined

  /** @throws Error if the peer does not speak the protocol; nothing that follows can be understood then */
  push(chunk: Buffer, onReply: (reply: Reply) => void): void {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    for (;;) {
      const reply = this.#open === undefined ? this.#line(chunk) : this.#value(this.#open)
      if (reply === undefined) return
      onReply(reply)
    }
  }

  #line(latest: Buffer): Reply | undefined {
    for (;;) {
      // What came before has no line end, or it would have been taken: only what is new need be looked through.
      if (this.#length > latest.length && !latest.includes(LF) && this.#length <= MAX_LINE) return undefined
      const all = this.#joined()
      const end = all.indexOf(LF)
      if (end < 0 ? all.length > MAX_LINE : end > MAX_LINE) throw new Error('a line of its answer has no end')
      if (end < 0) return undefined
      this.#keep(all.subarray(end + 1))
      const reply = parseLine(all.toString('latin1', 0, all[end - 1] === 0x0d ? end - 1 : end))
      if (reply.status !== 'VA') return reply
      const size = Number(reply.words[0])
      if (!Number.isSafeInteger(size) || size < 0 || size > MAX_VALUE)
        throw new Error('a value of its answer has no sensible size')
      this.#open = { reply: { ...reply, words: reply.words.slice(1) }, size }
      return this.#value(this.#open)
    }
  }

  #value({ reply, size }: { readonly reply: Reply; readonly size: number }): Reply | undefined {
    if (this.#length < size + 2) return undefined
    const all = this.#joined()
    if (all[size] !== 0x0d || all[size + 1] !== LF)
      throw new Error('a value of its answer does not end where it should')
    this.#open = undefined
    this.#keep(all.subarray(size + 2))
    return { ...reply, value: all.subarray(0, size) }
  }

  #joined(): Buffer {
    const [only] = this.#chunks
    if (this.#chunks.length === 1 && only !== undefined) return only
    const all = Buffer.concat(this.#chunks)
    this.#chunks = [all]
    return all
  }

  #keep(rest: Buffer): void {
    this.#chunks = rest.length === 0 ? [] : [rest]
    this.#length = rest.length
  }
}

/** The number behind a letter among the words of a reply: `c17` is the CAS number 17. */
export function numberOf({ words }: Reply, letter: string): number | undefined {
  const word = words.find(each => each.startsWith(letter))
  if (word === undefined) return undefined
  const value = Number(word.slice(1))
  return word.length > 1 && Number.isSafeInteger(value) ? value : undefined
}

function parseLine(line: string): Reply {
  const [status = '', ...words] = line.split(' ').filter(word => word !== '')
  if (!/^[A-Z_]{2,16}$/.test(status)) throw new Error('its answer is none of memcached')
  return { status, words }
}
