import { createCipheriv } from 'node:crypto'

/** The secrets of a USIM, 16 octets each: its key and the operator's constant, encrypted for it (TS 35.206 §4.1). */
export interface MilenageKey {
  readonly k: Buffer
  readonly opc: Buffer
}

/** What both sides derive from one random challenge. */
export interface Milenage {
  /** f1, 8 octets: proves the network to the phone. */
  readonly macA: (sqn: Buffer, amf: Buffer) => Buffer
  /** f1*, 8 octets: proves the phone to the network when it asks for resynchronisation. */
  readonly macS: (sqn: Buffer, amf: Buffer) => Buffer
  /** f2, 8 octets. */
  readonly res: Buffer
  /** f3, 16 octets. */
  readonly ck: Buffer
  /** f4, 16 octets. */
  readonly ik: Buffer
  /** f5, 6 octets: conceals the sequence number on its way to the phone. */
  readonly ak: Buffer
  /** f5*, 6 octets: conceals it on its way back. */
  readonly akStar: Buffer
}

/** OPc of an operator's OP, 16 octets each (TS 35.206 §4.1). */
export function opcOf(k: Buffer, op: Buffer): Buffer {
  return xor(encrypted(k, op), op)
}

/** The functions f1 to f5* for a random challenge of 16 octets (TS 35.206 §4.1, with the constants given there). */
export function milenage({ k, opc }: MilenageKey, rand: Buffer): Milenage {
  const temp = encrypted(k, xor(rand, opc))
  /** OUT2 to OUT5: `rotation` in octets, `constant` the last octet of c. */
  const out = (rotation: number, constant: number): Buffer => {
    const input = rotated(xor(temp, opc), rotation)
    input.writeUInt8(input.readUInt8(15) ^ constant, 15)
    return xor(encrypted(k, input), opc)
  }
  const out1 = (sqn: Buffer, amf: Buffer): Buffer => {
    const half = Buffer.concat([sqn, amf])
    const input = xor(temp, rotated(xor(Buffer.concat([half, half]), opc), 8))
    return xor(encrypted(k, input), opc)
  }
  const out2 = out(0, 1)
  return {
    macA: (sqn, amf) => out1(sqn, amf).subarray(0, 8),
    macS: (sqn, amf) => out1(sqn, amf).subarray(8),
    res: out2.subarray(8),
    ak: out2.subarray(0, 6),
    ck: out(4, 2),
    ik: out(8, 4),
    akStar: out(12, 8).subarray(0, 6),
  }
}

export function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((octet, index) => octet ^ (b[index] ?? 0)))
}

function rotated(block: Buffer, octets: number): Buffer {
  return Buffer.concat([block.subarray(octets), block.subarray(0, octets)])
}

/** One block of AES-128; a kernel function of one block needs no mode that hides repetition. */
function encrypted(k: Buffer, block: Buffer): Buffer {
  const cipher = createCipheriv('aes-128-ecb', k, null)
  cipher.setAutoPadding(false)
  return Buffer.concat([cipher.update(block), cipher.final()])
}
