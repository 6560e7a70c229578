import { timingSafeEqual } from 'node:crypto'
import type { AuthVector } from '../homestead.ts'
import type { AkaKey, Sqn } from '../../store/aka-store.ts'
import { milenage, xor } from './milenage.ts'

const INDEX_BITS = 5n
const SQN_END = 1n << 48n
const SQN_OCTETS = 6
/** In a resynchronisation the AMF is taken as zero (TS 33.102 §6.3.3). */
const RESYNC_AMF = Buffer.alloc(2)

/** The sequence number after this one, in which counter and index both go on by one (TS 33.102 §C.1.2, §C.3.2). */
export function nextSqn(sqn: Sqn): Sqn {
  const index = (sqn + 1n) & ((1n << INDEX_BITS) - 1n)
  const counter = (sqn >> INDEX_BITS) + 1n
  return ((counter << INDEX_BITS) | index) % SQN_END
}

/**
 * An authentication vector as the S-CSCF gets it (TS 33.102 §6.3.2, TS 33.203 §6.1).
 *
 * @param rand 16 octets that nobody can foresee
 */
export function akaVector(
  key: AkaKey,
  sqn: Sqn,
  rand: Buffer,
  version: 1 | 2,
): Extract<AuthVector, { kind: 'aka' }> {
  const amf = Buffer.from(key.amf, 'hex')
  const sequence = octetsOf(sqn)
  const { macA, res, ck, ik, ak } = milenage(keyOf(key), rand)
  const autn = Buffer.concat([xor(sequence, ak), amf, macA(sequence, amf)])
  return {
    kind: 'aka',
    version,
    challenge: Buffer.concat([rand, autn]).toString('base64'),
    response: res.toString('hex'),
    cryptKey: ck.toString('hex'),
    integrityKey: ik.toString('hex'),
  }
}

/**
 * The sequence number that a phone says it has come to (TS 33.102 §6.3.5).
 *
 * @param resync base64 of RAND and AUTS, 16 and 14 octets
 * @returns undefined if it is not from the phone that has the key
 */
export function resyncedSqn(key: AkaKey, resync: string): Sqn | undefined {
  const octets = Buffer.from(resync, 'base64')
  if (octets.length !== RAND_OCTETS + AUTS_OCTETS) return undefined
  const rand = octets.subarray(0, RAND_OCTETS)
  const auts = octets.subarray(RAND_OCTETS)
  const { macS, akStar } = milenage(keyOf(key), rand)
  const sqn = xor(auts.subarray(0, SQN_OCTETS), akStar)
  if (!timingSafeEqual(macS(sqn, RESYNC_AMF), auts.subarray(SQN_OCTETS))) return undefined
  return BigInt(`0x${sqn.toString('hex')}`)
}

/** Lengths of a challenge's parts, and of what a phone answers when it is out of step. */
export const RAND_OCTETS = 16
export const AUTN_OCTETS = 16
export const AUTS_OCTETS = 14

function keyOf({ k, opc }: AkaKey): { readonly k: Buffer; readonly opc: Buffer } {
  return { k: Buffer.from(k, 'hex'), opc: Buffer.from(opc, 'hex') }
}

function octetsOf(sqn: Sqn): Buffer {
  return Buffer.from(sqn.toString(16).padStart(2 * SQN_OCTETS, '0'), 'hex')
}
