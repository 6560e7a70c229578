import { timingSafeEqual } from 'node:crypto'
import { milenage, xor } from './milenage.ts'

/** TS 35.208 §4.3, set 1. */
export const TEST_KEY = {
  k: '465b5ce8b199b49faa5f0a2ee238a6bc',
  opc: 'cd63cb71954a9f4e48a5994e37a02baf',
  amf: '8000',
}

/** What a USIM makes of a challenge. */
export type UsimAnswer =
  | { readonly kind: 'answer'; readonly res: Buffer; readonly ck: Buffer; readonly ik: Buffer }
  /** The network is not who it says. */
  | { readonly kind: 'refused' }
  /** The sequence number is not above the highest seen; `auts` in base64. */
  | { readonly kind: 'out-of-step'; readonly auts: string }

/** The subscriber's side of AKA (TS 33.102 §6.3.3): accepts each sequence number once, and only rising ones. */
export class TestUsim {
  readonly #key: { readonly k: Buffer; readonly opc: Buffer }
  /** The highest sequence number it has accepted. */
  sqn: bigint

  constructor(key: { readonly k: string; readonly opc: string }, sqn = 0n) {
    this.#key = { k: Buffer.from(key.k, 'hex'), opc: Buffer.from(key.opc, 'hex') }
    this.sqn = sqn
  }

  /** @param challenge base64 of RAND and AUTN */
  answer(challenge: string): UsimAnswer {
    const octets = Buffer.from(challenge, 'base64')
    const [rand, concealed, amf, mac] = [
      octets.subarray(0, 16),
      octets.subarray(16, 22),
      octets.subarray(22, 24),
      octets.subarray(24),
    ]
    const own = milenage(this.#key, rand)
    const sqn = xor(concealed, own.ak)
    if (mac.length !== 8 || !timingSafeEqual(own.macA(sqn, amf), mac)) return { kind: 'refused' }
    const number = BigInt(`0x${sqn.toString('hex')}`)
    if (number <= this.sqn) return { kind: 'out-of-step', auts: this.#auts(rand) }
    this.sqn = number
    return { kind: 'answer', res: own.res, ck: own.ck, ik: own.ik }
  }

  #auts(rand: Buffer): string {
    const { akStar, macS } = milenage(this.#key, rand)
    const sqn = Buffer.from(this.sqn.toString(16).padStart(12, '0'), 'hex')
    return Buffer.concat([xor(sqn, akStar), macS(sqn, Buffer.alloc(2))]).toString('base64')
  }
}
