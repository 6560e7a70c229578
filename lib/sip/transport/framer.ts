import { contentLengthOf } from './content-length.ts'
import { type FramingFault, MAX_MESSAGE_OCTETS } from './flow.ts'

export interface FramerSink {
  /** One whole message, one character per octet. */
  message(text: string): void
  /** A double CRLF between messages, to be answered by one (RFC 5626 §4.4.1). */
  ping(): void
  /** The stream cannot be cut any further; the framer takes nothing more. */
  malformed(fault: FramingFault, head: string): void
}

const CR = 0x0d
const LF = 0x0a
const BLANK_LINE = Buffer.from('\r\n\r\n')
const SMALLEST_HOLD = 1024

/**
 * Cuts a stream into SIP messages (RFC 3261 §18.3). What it tells does not depend on how the octets arrive.
 *
 * Each octet is copied and searched a bounded number of times, and an idle stream holds no memory.
 */
export class StreamFramer {
  readonly #sink: FramerSink
  readonly #limit: number
  /** The incomplete message, in the first `#length` octets; undefined between messages. */
  #held: Buffer | undefined
  #length = 0
  /** How many octets of the incomplete message are known to hold no blank line. */
  #searched = 0
  /** Octets of the whole message, once its header part is complete; else 0. */
  #need = 0
  /** How much of a double CRLF has gone by, between messages. */
  #pinged = 0
  #stopped = false

  constructor(sink: FramerSink, limit = MAX_MESSAGE_OCTETS) {
    this.#sink = sink
    this.#limit = limit
  }

  /** Whether a message has begun and not ended. */
  get incomplete(): boolean {
    return this.#held !== undefined
  }

  /** Memory kept for the incomplete message, in octets. */
  get heldOctets(): number {
    return this.#held?.length ?? 0
  }

  /** Takes nothing more and lets go of what it holds. */
  stop(): void {
    this.#stopped = true
    this.#held = undefined
  }

  push(chunk: Buffer): void {
    if (this.#stopped) return
    if (this.#held === undefined) {
      this.#keepFrom(chunk, this.#cut(chunk))
      return
    }
    const held = this.#append(chunk)
    if (this.#length < this.#need) return
    const whole = held.subarray(0, this.#length)
    const rest = this.#cut(whole)
    if (rest > 0) this.#keepFrom(whole, rest)
  }

  /** Hands on every whole message and returns where the first incomplete one begins. */
  #cut(octets: Buffer): number {
    let at = 0
    while (!this.#stopped) {
      if (this.#need === 0) {
        if (this.#searched === 0) at = this.#skipLineEnds(octets, at)
        if (at === octets.length || !this.#readHead(octets, at)) return at
      }
      if (octets.length - at < this.#need) return at
      const text = octets.toString('latin1', at, at + this.#need)
      at += this.#need
      this.#need = 0
      this.#searched = 0
      this.#sink.message(text)
    }
    return octets.length
  }

  /** Line ends before a start line mean nothing (RFC 3261 §7.5), except that two together are a ping. */
  #skipLineEnds(octets: Buffer, from: number): number {
    let at = from
    for (; at < octets.length && !this.#stopped; at++) {
      const octet = octets[at]
      if (octet !== CR && octet !== LF) {
        this.#pinged = 0
        break
      }
      if (octet === BLANK_LINE[this.#pinged]) this.#pinged++
      else this.#pinged = octet === CR ? 1 : 0
      if (this.#pinged === BLANK_LINE.length) {
        this.#pinged = 0
        this.#sink.ping()
      }
    }
    return this.#stopped ? octets.length : at
  }

  /** Finds the length of the message that begins at `at`; false if more is needed, or there is no going on. */
  #readHead(octets: Buffer, at: number): boolean {
    // A blank line can straddle the end of what was searched before.
    const blank = octets.indexOf(BLANK_LINE, at + Math.max(0, this.#searched - (BLANK_LINE.length - 1)))
    const headOctets = blank === -1 ? octets.length - at : blank + BLANK_LINE.length - at
    if (headOctets > this.#limit) return this.#refuse('too-large', '')
    if (blank === -1) {
      this.#searched = headOctets
      return false
    }
    const head = octets.toString('latin1', at, at + headOctets)
    const length = contentLengthOf(head)
    if (typeof length === 'string') return this.#refuse(length, head)
    if (headOctets + length > this.#limit) return this.#refuse('too-large', head)
    this.#need = headOctets + length
    return true
  }

  #refuse(fault: FramingFault, head: string): false {
    this.stop()
    this.#sink.malformed(fault, head)
    return false
  }

  #keepFrom(octets: Buffer, from: number): void {
    this.#held = undefined
    this.#length = 0
    if (this.#stopped || from >= octets.length) return
    // A copy, since a few octets must not keep a whole receive buffer alive.
    this.#append(octets.subarray(from))
  }

  #append(octets: Buffer): Buffer {
    const length = this.#length + octets.length
    let held = this.#held
    if (held === undefined || held.length < length) {
      // Doubling: octet by octet, all copies together stay proportional to what arrived.
      const grown = Buffer.allocUnsafeSlow(Math.max(length, 2 * (held?.length ?? 0), SMALLEST_HOLD))
      held?.copy(grown, 0, 0, this.#length)
      held = grown
    }
    octets.copy(held, this.#length)
    this.#held = held
    this.#length = length
    return held
  }
}
