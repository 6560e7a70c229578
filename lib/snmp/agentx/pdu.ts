import type { SnmpValue, Variable } from '../mib.ts'
import type { Oid } from '../oid.ts'

/** Types of PDUs that pass between a master and us (RFC 2741 §6.1). */
export const PDU = {
  open: 1,
  close: 2,
  register: 3,
  get: 5,
  getNext: 6,
  getBulk: 7,
  cleanupSet: 11,
  response: 18,
} as const

/** Values of a response's error (RFC 2741 §6.2.16). */
export const ERROR = { none: 0, notWritable: 17 } as const

const HEADER = 20
const VERSION = 1
/** Numbers are in network byte order. */
const NETWORK_BYTE_ORDER = 0x10
/** Whether a context is given: we have only the default one. */
const NON_DEFAULT_CONTEXT = 0x08
const INTERNET: Oid = [1, 3, 6, 1]
const MOST_ARCS = 128
/** More than a master ever asks. */
const LARGEST = 1 << 20

const TYPES = { integer: 2, string: 4, gauge: 66 } as const

/** What stands in the place of a value, where there is none. */
export const EXCEPTION = { noSuchObject: 128, noSuchInstance: 129, endOfMibView: 130 } as const

/** From where a master asks on, and up to where, exclusive; empty: to the end. */
export interface SearchRange {
  readonly start: Oid
  /** Whether the start itself counts. */
  readonly inclusive: boolean
  readonly end: Oid
}

export interface Pdu {
  readonly type: number
  readonly sessionId: number
  readonly transactionId: number
  readonly packetId: number
  /** Payload, in network byte order or not, as `flags` says. */
  readonly payload: Buffer
  readonly flags: number
}

/** A variable of an answer, or why there is none. */
export type Binding = Variable | { readonly oid: Oid; readonly exception: number }

/** Octets that are no PDU: the connection cannot go on. */
export class MalformedPdu extends Error {}

/**
 * Takes the first PDU off a stream.
 *
 * @returns the PDU and how many octets it took; undefined if it is not complete
 * @throws MalformedPdu
 */
export function readPdu(octets: Buffer): { readonly pdu: Pdu; readonly length: number } | undefined {
  if (octets.length < HEADER) return undefined
  const flags = octets.readUInt8(2)
  if (octets.readUInt8(0) !== VERSION) throw new MalformedPdu(`version ${octets.readUInt8(0)} of AgentX`)
  const number = (at: number): number => (isBig(flags) ? octets.readUInt32BE(at) : octets.readUInt32LE(at))
  const size = number(16)
  if (size % 4 !== 0 || size > LARGEST) throw new MalformedPdu(`a payload of ${size} octets`)
  if (octets.length < HEADER + size) return undefined
  const payload = octets.subarray(HEADER, HEADER + size)
  const pdu = { type: octets.readUInt8(1), flags, sessionId: number(4), transactionId: number(8) }
  return { pdu: { ...pdu, packetId: number(12), payload }, length: HEADER + size }
}

function isBig(flags: number): boolean {
  return (flags & NETWORK_BYTE_ORDER) !== 0
}

/** Reads what a payload holds, one after the other. */
class PayloadReader {
  readonly #payload: Buffer
  readonly #isBig: boolean
  #at = 0

  constructor({ payload, flags }: Pdu) {
    this.#payload = payload
    this.#isBig = isBig(flags)
    // A context we have nothing for; what follows is read all the same.
    if ((flags & NON_DEFAULT_CONTEXT) !== 0) this.octetString()
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#payload.length
  }

  byte(): number {
    this.#need(1)
    return this.#payload.readUInt8(this.#at++)
  }

  short(): number {
    this.#need(2)
    const value = this.#isBig ? this.#payload.readUInt16BE(this.#at) : this.#payload.readUInt16LE(this.#at)
    this.#at += 2
    return value
  }

  long(): number {
    this.#need(4)
    const value = this.#isBig ? this.#payload.readUInt32BE(this.#at) : this.#payload.readUInt32LE(this.#at)
    this.#at += 4
    return value
  }

  octetString(): Buffer {
    const length = this.long()
    const padded = Math.ceil(length / 4) * 4
    this.#need(padded)
    const value = this.#payload.subarray(this.#at, this.#at + length)
    this.#at += padded
    return value
  }

  oid(): { readonly oid: Oid; readonly include: boolean } {
    const [count, prefix, include] = [this.byte(), this.byte(), this.byte()]
    this.byte()
    if (count > MOST_ARCS) throw new MalformedPdu(`an object identifier of ${count} arcs`)
    const arcs = Array.from({ length: count }, () => this.long())
    return { oid: prefix === 0 ? arcs : [...INTERNET, prefix, ...arcs], include: include !== 0 }
  }

  #need(octets: number): void {
    if (this.#at + octets > this.#payload.length) throw new MalformedPdu('a payload that ends too early')
  }
}

/** What a Get, GetNext or GetBulk asks for. @throws MalformedPdu */
export function readQuestion(pdu: Pdu): {
  readonly ranges: readonly SearchRange[]
  readonly nonRepeaters: number
  readonly repetitions: number
} {
  const reader = new PayloadReader(pdu)
  const [nonRepeaters, repetitions] = pdu.type === PDU.getBulk ? [reader.short(), reader.short()] : [0, 0]
  const ranges: SearchRange[] = []
  while (!reader.isAtEnd) {
    const { oid: start, include: inclusive } = reader.oid()
    ranges.push({ start, inclusive, end: reader.oid().oid })
  }
  return { ranges, nonRepeaters, repetitions }
}

/** The error that a response to a request of ours tells; 0 is none. @throws MalformedPdu */
export function readError(pdu: Pdu): number {
  const reader = new PayloadReader(pdu)
  reader.long()
  return reader.short()
}

type Header = Pick<Pdu, 'type' | 'sessionId' | 'transactionId' | 'packetId'>

function formatPdu({ type, sessionId, transactionId, packetId }: Header, payload: Buffer): Buffer {
  const header = Buffer.alloc(HEADER)
  header.writeUInt8(VERSION, 0)
  header.writeUInt8(type, 1)
  header.writeUInt8(NETWORK_BYTE_ORDER, 2)
  for (const [index, value] of [sessionId, transactionId, packetId, payload.length].entries())
    header.writeUInt32BE(value, 4 + 4 * index)
  return Buffer.concat([header, payload])
}

/** Opens a session (RFC 2741 §6.2.1). @param timeout seconds in which we answer; 0 leaves it to the master */
export function formatOpen(packetId: number, description: string, timeout: number): Buffer {
  const payload = Buffer.concat([
    Buffer.from([timeout, 0, 0, 0]),
    oidOctets([]),
    stringOctets(Buffer.from(description)),
  ])
  return formatPdu({ type: PDU.open, sessionId: 0, transactionId: 0, packetId }, payload)
}

/** Says that a part of the tree is ours (RFC 2741 §6.2.3). */
export function formatRegister(sessionId: number, packetId: number, subtree: Oid): Buffer {
  const PRIORITY = 127
  const payload = Buffer.concat([Buffer.from([0, PRIORITY, 0, 0]), oidOctets(subtree)])
  return formatPdu({ type: PDU.register, sessionId, transactionId: 0, packetId }, payload)
}

/** Says that the session ends, since we do (RFC 2741 §6.2.2). */
export function formatClose(sessionId: number, packetId: number): Buffer {
  const SHUTDOWN = 5
  return formatPdu(
    { type: PDU.close, sessionId, transactionId: 0, packetId },
    Buffer.from([SHUTDOWN, 0, 0, 0]),
  )
}

/** Answers a question (RFC 2741 §6.2.16). */
export function formatResponse(to: Pdu, error: number, bindings: readonly Binding[]): Buffer {
  const start = Buffer.alloc(8)
  start.writeUInt16BE(error, 4)
  // Which of the variables it is about: what we refuse we refuse with the first.
  start.writeUInt16BE(error === ERROR.none ? 0 : 1, 6)
  const payload = Buffer.concat([start, ...bindings.map(bindingOctets)])
  return formatPdu({ ...to, type: PDU.response }, payload)
}

function bindingOctets(binding: Binding): Buffer {
  const type = 'exception' in binding ? binding.exception : TYPES[binding.value.type]
  const head = Buffer.alloc(4)
  head.writeUInt16BE(type, 0)
  return Buffer.concat([
    head,
    oidOctets(binding.oid),
    'exception' in binding ? Buffer.alloc(0) : valueOctets(binding.value),
  ])
}

function valueOctets(value: SnmpValue): Buffer {
  if (value.type === 'string') return stringOctets(value.value)
  const octets = Buffer.alloc(4)
  if (value.type === 'integer') octets.writeInt32BE(value.value)
  else octets.writeUInt32BE(value.value)
  return octets
}

function oidOctets(oid: Oid): Buffer {
  const octets = Buffer.alloc(4 + 4 * oid.length)
  octets.writeUInt8(oid.length, 0)
  oid.forEach((arc, index) => octets.writeUInt32BE(arc, 4 + 4 * index))
  return octets
}

function stringOctets(value: Buffer): Buffer {
  const octets = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4)
  octets.writeUInt32BE(value.length, 0)
  value.copy(octets, 4)
  return octets
}
