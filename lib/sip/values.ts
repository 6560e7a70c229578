import { splitList } from './list.ts'
import { parseNameAddr, type NameAddr } from './name-addr.ts'
import { areParams, param } from './params.ts'
import { endWithoutLws, isToken, parseDigits, skipClass, skipLws, TOKEN, trimLws } from './scan.ts'

export { isToken }

/** RFC 3261 §20.16. */
export interface CSeq {
  /** Below 2**31 (§8.1.1.5). */
  readonly number: number
  readonly method: string
}

const MAX_CSEQ = 2 ** 31 - 1

export function parseCSeq(text: string): CSeq | undefined {
  const from = skipLws(text, 0)
  const numberEnd = endOfDigits(text, from)
  const number = parseDigits(text, from, numberEnd, MAX_CSEQ)
  const method = skipLws(text, numberEnd)
  const methodEnd = skipClass(TOKEN, text, method)
  if (number === undefined || method === numberEnd || method === methodEnd) return undefined
  if (skipLws(text, methodEnd) !== text.length) return undefined
  return { number, method: text.slice(method, methodEnd) }
}

export function formatCSeq(cseq: CSeq): string {
  return `${cseq.number} ${cseq.method}`
}

/** Max-Forwards, 0 to 255 (RFC 3261 §20.22). */
export function parseMaxForwards(text: string): number | undefined {
  return parseNumber(text, 255)
}

/** Content-Length in octets; undefined too for what no message can be long. */
export function parseContentLength(text: string): number | undefined {
  return parseNumber(text, 2 ** 32 - 1)
}

/** The largest `delta-seconds` (RFC 3261 §20.19). */
export const MAX_DELTA_SECONDS = 2 ** 32 - 1

/**
 * A count of seconds: Expires, Min-Expires, Session-Expires.
 *
 * A larger number than the grammar allows still says "as long as possible" and becomes the largest, instead of
 * wrapping to some small one (RFC 4475 §3.1.2.4, §3.1.2.5).
 */
export function parseDeltaSeconds(text: string): number | undefined {
  const from = skipLws(text, 0)
  const end = endOfDigits(text, from)
  if (end === from || skipLws(text, end) !== text.length) return undefined
  return parseDigits(text, from, end, MAX_DELTA_SECONDS) ?? MAX_DELTA_SECONDS
}

/** A `qvalue`: 0 to 1 with up to three decimals (RFC 3261 §25.1). */
export function parseQ(text: string): number | undefined {
  const whole = text.charCodeAt(0) - 0x30
  if (whole !== 0 && whole !== 1) return undefined
  if (text.length === 1) return whole
  if (text.charCodeAt(1) !== 0x2e || text.length > 5) return undefined
  if (text.length === 2) return whole
  const thousandths = parseDigits(text.padEnd(5, '0'), 2, 5, whole === 1 ? 0 : 999)
  return thousandths === undefined ? undefined : whole + thousandths / 1000
}

/** The option tags, methods or event packages of Require, Supported, Allow …; undefined if one is no token. */
export function parseTokens(value: string): readonly string[] | undefined {
  const tokens = splitList(value)
  return tokens.every(isToken) ? tokens : undefined
}

/** `Contact: *`, or one address with what a registrar asks of it (RFC 3261 §20.10). */
export type Contact =
  | { readonly kind: 'star' }
  | {
      readonly kind: 'address'
      readonly address: NameAddr
      /** Seconds; undefined when the address does not say. */
      readonly expires: number | undefined
      /** Undefined when the address does not say, or not in this range. */
      readonly q: number | undefined
    }

/** What a malformed `expires` means (RFC 3261 §20.10). */
const DEFAULT_EXPIRES = 3600

/** One value of a Contact header. Whether `*` stands alone is for the reader of all of them. */
export function parseContact(text: string): Contact | undefined {
  if (trimLws(text) === '*') return { kind: 'star' }
  const address = parseNameAddr(text)
  if (address === undefined) return undefined
  const expires = param(address.params, 'expires')
  const q = param(address.params, 'q')
  return {
    kind: 'address',
    address,
    expires: expires === undefined ? undefined : (parseDeltaSeconds(expires) ?? DEFAULT_EXPIRES),
    q: q === undefined ? undefined : parseQ(q),
  }
}

/** RFC 6665 §8.2.1. */
export interface Event {
  /** With its templates: `presence.winfo`. */
  readonly package: string
  /** From the first `;` on, or ''. */
  readonly params: string
}

export function parseEvent(text: string): Event | undefined {
  const from = skipLws(text, 0)
  const end = skipClass(TOKEN, text, from)
  const params = skipLws(text, end)
  if (end === from || !areParams(text, params)) return undefined
  return {
    package: text.slice(from, end),
    params: text.slice(params, endWithoutLws(text, params, text.length)),
  }
}

const SIP_DATE =
  /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT$/

/** Whether the text is a `SIP-date`: the one form of RFC 1123 that HTTP prefers, always in GMT (§20.17). */
export function isSipDate(text: string): boolean {
  return SIP_DATE.test(text)
}

/** RFC 3261 §20.33; a comment is read over. */
export interface RetryAfter {
  readonly seconds: number
  /** From the first `;` on, or ''. */
  readonly params: string
}

export function parseRetryAfter(text: string): RetryAfter | undefined {
  const from = skipLws(text, 0)
  const end = endOfDigits(text, from)
  const seconds = parseDeltaSeconds(text.slice(from, end))
  const comment = skipLws(text, end)
  const params = text.charCodeAt(comment) === 0x28 ? skipLws(text, endOfComment(text, comment)) : comment
  if (seconds === undefined || !areParams(text, params)) return undefined
  return { seconds, params: text.slice(params, endWithoutLws(text, params, text.length)) }
}

function parseNumber(text: string, max: number): number | undefined {
  const from = skipLws(text, 0)
  return parseDigits(text, from, endWithoutLws(text, from, text.length), max)
}

function endOfDigits(text: string, at: number): number {
  while (text.charCodeAt(at) >= 0x30 && text.charCodeAt(at) <= 0x39) at++
  return at
}

/** The position after a comment, which may hold others; `at` itself if it does not end, so that the rest is refused. */
function endOfComment(text: string, at: number): number {
  let depth = 0
  for (let i = at; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x5c) i++
    else if (code === 0x28) depth++
    else if (code === 0x29 && --depth === 0) return i + 1
  }
  return at
}
