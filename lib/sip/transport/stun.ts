import { isIPv6 } from 'node:net'

const HEADER_OCTETS = 20
const MAGIC_COOKIE = 0x2112a442
const BINDING_REQUEST = 0x0001
const BINDING_SUCCESS = 0x0101
const BINDING_ERROR = 0x0111
const ERROR_CODE = 0x0009
const UNKNOWN_ATTRIBUTES = 0x000a
const XOR_MAPPED_ADDRESS = 0x0020
const COMPREHENSION_OPTIONAL = 0x8000

/** Attributes a client may send that change nothing here: we ask nobody for credentials. */
const IGNORED = new Set([
  0x0006, // USERNAME
  0x0008, // MESSAGE-INTEGRITY
  0x0014, // REALM
  0x0015, // NONCE
])

/** Whether a datagram on a SIP port is STUN and not SIP (RFC 5389 §8): no SIP message begins with two zero bits. */
export function isStun(datagram: Buffer): boolean {
  return (
    datagram.length >= HEADER_OCTETS &&
    datagram.readUInt8(0) < 0x40 &&
    datagram.readUInt32BE(4) === MAGIC_COOKIE
  )
}

/**
 * The answer to a keep-alive of a client behind a NAT: the address it was seen from (RFC 5626 §8, RFC 5389 §10).
 *
 * @returns undefined where silence is right: not a binding request, or not well formed
 */
export function answerStun(datagram: Buffer, address: string, port: number): Buffer | undefined {
  if (!isStun(datagram) || datagram.readUInt16BE(0) !== BINDING_REQUEST) return undefined
  const unknown = unknownAttributes(datagram)
  if (unknown === undefined) return undefined
  const transactionId = datagram.subarray(4, HEADER_OCTETS)
  if (unknown.length > 0) return unknownAttributesError(transactionId, unknown)
  const value = xorMappedAddress(transactionId, address, port)
  return response(BINDING_SUCCESS, transactionId, attribute(XOR_MAPPED_ADDRESS, value))
}

/** Attributes that must be understood and are not (RFC 5389 §7.3); undefined if their lengths do not add up. */
function unknownAttributes(datagram: Buffer): number[] | undefined {
  if (datagram.readUInt16BE(2) !== datagram.length - HEADER_OCTETS) return undefined
  const unknown: number[] = []
  let at = HEADER_OCTETS
  while (at < datagram.length) {
    if (at + 4 > datagram.length) return undefined
    const type = datagram.readUInt16BE(at)
    if (type < COMPREHENSION_OPTIONAL && !IGNORED.has(type)) unknown.push(type)
    at += 4 + padded(datagram.readUInt16BE(at + 2))
  }
  return at === datagram.length ? unknown : undefined
}

function unknownAttributesError(transactionId: Buffer, unknown: readonly number[]): Buffer {
  const types = Buffer.alloc(2 * unknown.length)
  unknown.forEach((type, i) => types.writeUInt16BE(type, 2 * i))
  // Class 4, number 20, no phrase.
  const code = attribute(ERROR_CODE, Buffer.from([0, 0, 4, 20]))
  return response(BINDING_ERROR, transactionId, Buffer.concat([code, attribute(UNKNOWN_ATTRIBUTES, types)]))
}

/** RFC 5389 §15.2. @param mask magic cookie and transaction id, with which the address is hidden from careless NATs */
function xorMappedAddress(mask: Buffer, address: string, port: number): Buffer {
  const octets = isIPv6(address) ? ipv6Octets(address) : address.split('.').map(Number)
  const value = Buffer.alloc(4 + octets.length)
  value.writeUInt8(octets.length === 4 ? 1 : 2, 1)
  value.writeUInt16BE(port ^ (MAGIC_COOKIE >>> 16), 2)
  octets.forEach((octet, i) => value.writeUInt8(octet ^ mask.readUInt8(i), 4 + i))
  return value
}

/** @param address a valid IPv6 address, with or without a zone, also in the form `::ffff:192.0.2.1` */
function ipv6Octets(address: string): number[] {
  const [bare = ''] = address.split('%')
  const hex = bare.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a: string, b: string, c: string, d: string) =>
    [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)].map(group => group.toString(16)).join(':'),
  )
  const [left = '', right] = hex.split('::')
  const before = left === '' ? [] : left.split(':')
  const after = right === undefined || right === '' ? [] : right.split(':')
  const zeros = new Array<string>(8 - before.length - after.length).fill('0')
  return [...before, ...zeros, ...after].flatMap(group => {
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

function attribute(type: number, value: Buffer): Buffer {
  const octets = Buffer.alloc(4 + padded(value.length))
  octets.writeUInt16BE(type, 0)
  octets.writeUInt16BE(value.length, 2)
  value.copy(octets, 4)
  return octets
}

function response(type: number, transactionId: Buffer, attributes: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt16BE(type, 0)
  head.writeUInt16BE(attributes.length, 2)
  return Buffer.concat([head, transactionId, attributes])
}

const padded = (octets: number): number => (octets + 3) & ~3
