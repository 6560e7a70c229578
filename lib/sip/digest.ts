import { hash } from 'node:crypto'
import { authParam, isDigest, type Credentials } from './credentials.ts'

/** Digest algorithms of RFC 3261 §22.4 and RFC 8760; `-sess` hashes the nonces into the password's hash. */
export type DigestAlgorithm = 'MD5' | 'MD5-sess' | 'SHA-256' | 'SHA-256-sess'

const ALGORITHMS: readonly DigestAlgorithm[] = ['MD5', 'MD5-sess', 'SHA-256', 'SHA-256-sess']

/** The algorithm a parameter names, in any case; MD5 when there is no parameter, undefined for an unknown one. */
export function digestAlgorithm(name: string | undefined): DigestAlgorithm | undefined {
  if (name === undefined) return 'MD5'
  const wanted = name.toLowerCase()
  return ALGORITHMS.find(algorithm => algorithm.toLowerCase() === wanted)
}

/**
 * H(username:realm:password), what a server keeps instead of the password.
 *
 * The three are ordinary text and are hashed as UTF-8; `-sess` makes no difference here.
 */
export function ha1Of(
  username: string,
  realm: string,
  password: string,
  algorithm: DigestAlgorithm = 'MD5',
): string {
  return hash(hashOf(algorithm), `${username}:${realm}:${password}`)
}

/** What a response is computed over. Texts are as on the wire, latin1. */
export interface DigestInput {
  readonly algorithm: DigestAlgorithm
  /** The kept hash, lower-case hexadecimal. */
  readonly ha1: string
  readonly method: string
  /** The `uri` parameter of the credentials. */
  readonly uri: string
  readonly nonce: string
  /** Undefined: a peer of RFC 2069, which knows neither cnonce nor nc. */
  readonly qop: 'auth' | 'auth-int' | undefined
  readonly cnonce: string
  /** Eight hexadecimal digits, as written. */
  readonly nc: string
  /** For auth-int. */
  readonly body: string
}

/** The `response` of credentials (RFC 7616 §3.4.1), lower-case hexadecimal. */
export function digestResponse(input: DigestInput): string {
  const { algorithm, nonce, qop, cnonce } = input
  const a2 = `${input.method}:${input.uri}`
  const ha2 = hashed(algorithm, qop === 'auth-int' ? `${a2}:${hashed(algorithm, input.body)}` : a2)
  const session = algorithm.endsWith('-sess')
  const ha1 = session ? hashed(algorithm, `${input.ha1}:${nonce}:${cnonce}`) : input.ha1
  const middle = qop === undefined ? nonce : `${nonce}:${input.nc}:${cnonce}:${qop}`
  return hashed(algorithm, `${ha1}:${middle}:${ha2}`)
}

/** Who is asked: the hash on record and the request the credentials came in. */
export interface DigestCheck {
  readonly ha1: string
  readonly method: string
  readonly body?: string
}

/**
 * Whether the credentials' response is the right one for the password behind `ha1`.
 *
 * Says nothing on nonce, nonce count, realm and username, which are the caller's to judge. Takes the same time for
 * every wrong response.
 */
export function verifyDigest(credentials: Credentials, check: DigestCheck): boolean {
  const algorithm = digestAlgorithm(authParam(credentials, 'algorithm'))
  const uri = authParam(credentials, 'uri')
  const nonce = authParam(credentials, 'nonce')
  const response = authParam(credentials, 'response')
  const qop = authParam(credentials, 'qop')?.toLowerCase()
  if (!isDigest(credentials) || algorithm === undefined) return false
  if (uri === undefined || nonce === undefined || response === undefined) return false
  if (qop !== undefined && qop !== 'auth' && qop !== 'auth-int') return false
  const cnonce = authParam(credentials, 'cnonce')
  const nc = authParam(credentials, 'nc')
  if (qop !== undefined && (cnonce === undefined || nc === undefined)) return false
  const right = digestResponse({
    algorithm,
    ha1: check.ha1,
    method: check.method,
    uri,
    nonce,
    qop,
    cnonce: cnonce ?? '',
    nc: nc ?? '',
    body: check.body ?? '',
  })
  return equalInConstantTime(response.toLowerCase(), right)
}

/** The nonce count as a number; undefined if it is not eight hexadecimal digits. */
export function parseNonceCount(nc: string): number | undefined {
  return /^[0-9a-f]{8}$/i.test(nc) ? parseInt(nc, 16) : undefined
}

export function formatNonceCount(count: number): string {
  return count.toString(16).padStart(8, '0')
}

/** Compares without telling by its duration where two texts of one length differ: it always goes to their end. */
export function equalInConstantTime(a: string, b: string): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
}

function hashOf(algorithm: DigestAlgorithm): 'md5' | 'sha256' {
  return algorithm.startsWith('MD5') ? 'md5' : 'sha256'
}

/** `hash` takes a string as UTF-8, ours hold octets: the same while all is ASCII. */
function hashed(algorithm: DigestAlgorithm, text: string): string {
  return hash(hashOf(algorithm), isAscii(text) ? text : Buffer.from(text, 'latin1'))
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return false
  return true
}
