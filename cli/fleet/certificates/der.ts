/** ASN.1 in its distinguished encoding (X.690), as far as a certificate needs it. */

/** One value: its tag, its length, its content. */
function tagged(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content)
  return Buffer.concat([Buffer.of(tag), lengthOf(body.length), body])
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length)
  const hex = length.toString(16)
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  return Buffer.concat([Buffer.of(0x80 | bytes.length), bytes])
}

export const sequence = (...items: readonly Uint8Array[]): Buffer => tagged(0x30, ...items)
export const set = (...items: readonly Uint8Array[]): Buffer => tagged(0x31, ...items)
export const octets = (content: Uint8Array): Buffer => tagged(0x04, content)
export const utf8 = (text: string): Buffer => tagged(0x0c, Buffer.from(text))
export const TRUE = tagged(0x01, Buffer.of(0xff))

/** `[n]` around a whole value. */
export const explicit = (n: number, content: Uint8Array): Buffer => tagged(0xa0 | n, content)
/** `[n]` in place of the tag of a value that has no parts. */
export const implicit = (n: number, content: Uint8Array): Buffer => tagged(0x80 | n, content)

/** Bits by whole octets; `unused`: how many of the last do not count. */
export const bits = (content: Uint8Array, unused = 0): Buffer => tagged(0x03, Buffer.of(unused), content)

/** A number that is not negative, of bytes in order of their weight. */
export function integer(bytes: Uint8Array): Buffer {
  let first = 0
  while (first < bytes.length - 1 && bytes[first] === 0) first++
  const least = bytes.subarray(first)
  return tagged(0x02, (least[0] ?? 0) >= 0x80 ? Buffer.of(0) : Buffer.of(), least)
}

/** `1.2.840…`: the first two numbers share an octet, the others take seven bits each. */
export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...others] = dotted.split('.').map(Number)
  return tagged(0x06, Buffer.from([first * 40 + second, ...others.flatMap(base128)]))
}

function base128(number: number): readonly number[] {
  const low = number & 0x7f
  const high: number[] = []
  for (let rest = number >>> 7; rest > 0; rest >>>= 7) high.unshift((rest & 0x7f) | 0x80)
  return [...high, low]
}

/** To the second. Years from 2050 on are written with four digits, those before with two (RFC 5280 §4.1.2.5). */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  return date.getUTCFullYear() < 2050
    ? tagged(0x17, Buffer.from(digits.slice(2)))
    : tagged(0x18, Buffer.from(digits))
}
