/** A value as JSON has it, in MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md). */
export function encodeMsgpack(value: unknown): Uint8Array {
  const parts: Buffer[] = []
  write(value, parts)
  return Buffer.concat(parts)
}

function write(value: unknown, parts: Buffer[]): void {
  if (value === null || value === undefined) parts.push(Buffer.of(0xc0))
  else if (typeof value === 'boolean') parts.push(Buffer.of(value ? 0xc3 : 0xc2))
  else if (typeof value === 'number') parts.push(number(value))
  else if (typeof value === 'string') writeString(value, parts)
  else if (Array.isArray(value)) {
    parts.push(head(value.length, [0x90, 15], undefined, 0xdc, 0xdd))
    for (const item of value) write(item, parts)
  } else {
    const entries = Object.entries(value)
    parts.push(head(entries.length, [0x80, 15], undefined, 0xde, 0xdf))
    for (const [key, item] of entries) {
      writeString(key, parts)
      write(item, parts)
    }
  }
}

function writeString(value: string, parts: Buffer[]): void {
  const octets = Buffer.from(value)
  parts.push(head(octets.length, [0xa0, 31], 0xd9, 0xda, 0xdb), octets)
}

/** The octets that say type and length: within the type octet, or in 8, 16 or 32 bits after it. */
function head(
  length: number,
  [fixed, maxFixed]: readonly [number, number],
  bits8: number | undefined,
  bits16: number,
  bits32: number,
): Buffer {
  if (length <= maxFixed) return Buffer.of(fixed | length)
  if (bits8 !== undefined && length <= 0xff) return Buffer.of(bits8, length)
  if (length <= 0xffff) return Buffer.of(bits16, length >> 8, length & 0xff)
  const long = Buffer.alloc(5, bits32)
  long.writeUInt32BE(length, 1)
  return long
}

function number(value: number): Buffer {
  if (Number.isInteger(value) && value >= 0 && value <= 0x7f) return Buffer.of(value)
  if (Number.isInteger(value) && value >= 0 && value <= 0xffff)
    return Buffer.of(0xcd, value >> 8, value & 0xff)
  const double = Buffer.alloc(9, 0xcb)
  double.writeDoubleBE(value, 1)
  return double
}
