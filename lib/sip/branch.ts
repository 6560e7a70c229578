import { randomBytes, randomInt } from 'node:crypto'
import { H } from './header-names.ts'
import type { SipRequest } from './message.ts'

/** Every branch of RFC 3261 starts with this (§8.1.1.7). */
export const MAGIC_COOKIE = 'z9hG4bK'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const PREFIX = MAGIC_COOKIE + randomBytes(6).toString('base64url')
let last = randomInt(2 ** 32 - 1)

/**
 * A new branch, unique in space and time, and not to be guessed by who would forge a response. Its second part is a digest of what decides the request's route, so that
 * a request which comes back unchanged is known as a loop (RFC 3261 §16.6 step 8, RFC 5393 §4.2.1).
 */
export function newBranch(request: SipRequest): string {
  return PREFIX + randomText(10) + '.' + routeDigest(request)
}

/** A branch for a hop inside the process, where no loop can close unseen. */
export function newLocalBranch(): string {
  last = (last + 1) >>> 0
  return PREFIX + tokenOf(last)
}

/** True if this very request was sent from here before: one of its Vias is ours, with the digest it would get again. */
export function isLoop(request: SipRequest): boolean {
  const vias = request.headers.lines(H.Via).filter(line => line.includes(PREFIX))
  if (vias.length === 0) return false
  const suffix = '.' + routeDigest(request)
  for (const via of vias) {
    const at = via.indexOf(suffix)
    const after = via.charAt(at + suffix.length)
    if (at >= 0 && (after === '' || after === ';' || after === ',')) return true
  }
  return false
}

/** Request-URI and Routes decide where a request goes next; a spiral changes them, a loop does not. */
function routeDigest(request: SipRequest): string {
  let hash = fnv(0x811c9dc5, request.uri)
  for (const route of request.headers.lines(H.Route)) hash = fnv(hash, route)
  return tokenOf(hash)
}

/** Twelve bits as two characters: several times as fast as `toString` with a radix, and asked for at every hop. */
const PAIRS = Array.from({ length: 4096 }, (_, i) => ALPHABET.charAt(i >> 6) + ALPHABET.charAt(i & 63))

function tokenOf(bits: number): string {
  return (PAIRS[bits & 4095] ?? '') + (PAIRS[(bits >>> 12) & 4095] ?? '') + (PAIRS[bits >>> 24] ?? '')
}

function fnv(hash: number, text: string): number {
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}

/** A tag with 48 bits of chance, more than RFC 3261 §19.3 asks for. */
export function newTag(): string {
  return randomText(8)
}

const POOL_SIZE = 4096
let pool = randomBytes(POOL_SIZE)
let used = 0

/** Unguessable text of `length` characters from the base64url alphabet. */
export function randomText(length: number): string {
  const octets = Math.ceil(length * 0.75)
  if (used + octets > POOL_SIZE) {
    pool = randomBytes(POOL_SIZE)
    used = 0
  }
  used += octets
  return pool.toString('base64url', used - octets, used).slice(0, length)
}
