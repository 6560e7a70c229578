import { H, headerIdAt, type HeaderId } from './header-names.ts'
import { Headers, HeaderSource } from './headers.ts'
import { SipRequest, SipResponse, type SipMessage } from './message.ts'
import { parseDigits } from './scan.ts'
import { isToken, parseContentLength, parseMaxForwards } from './values.ts'
import { formatVia, salvageVia } from './via.ts'

/** Why a message could not be taken, and what may be answered (RFC 3261 §18.3, §16.3; RFC 4475). */
export interface ParseFailure {
  readonly ok: false
  /** One sentence for a reason phrase or a log. */
  readonly why: string
  readonly status: 400 | 505
  /**
   * What could be read of the request, if enough for a response: it has a usable topmost Via and is no ACK.
   * Absent: the message is dropped in silence.
   */
  readonly answerable?: SipRequest
}

export type ParseResult = { readonly ok: true; readonly message: SipMessage } | ParseFailure

const CR = 0x0d
const SPACE = 0x20
const TAB = 0x09

/** Most header lines in one message; more is an attack, not a call. */
const MAX_LINES = 512

/**
 * Indexes one message and checks what every SIP element relies on: the start line, one each of From, To, Call-ID and
 * CSeq, a topmost Via, the method in CSeq, Max-Forwards and Content-Length. Other headers stay unread.
 *
 * @param text one whole message, latin1; a datagram's octets beyond Content-Length are ignored
 */
export function parseSip(text: string): ParseResult {
  let start = 0
  while (text.charCodeAt(start) === CR && text.charCodeAt(start + 1) === 0x0a) start += 2
  const lineEnd = endOfPiece(text, start)
  if (lineEnd < 0) return fail('Start line has no end')

  const block = indexHeaders(text, lineEnd + 2)
  const headers = Headers.received(block.source)
  const fault = block.fault ?? faultOfCounts(block)
  const body = fault === undefined ? bodyOf(text, block.bodyStart, headers) : { text: '', fault }

  return text.startsWith('SIP/', start) && isStatusLine(text, start, lineEnd)
    ? parseResponse(text, start, lineEnd, headers, body)
    : parseRequest(text, start, lineEnd, headers, body)
}

/** A status line has its version first; a request line has it last. */
function isStatusLine(text: string, start: number, end: number): boolean {
  const space = text.indexOf(' ', start)
  const status = text.charCodeAt(space + 1)
  return space > 0 && space < end && status >= 0x30 && status <= 0x39
}

const marks: number[] = []

interface HeaderBlock {
  readonly source: HeaderSource
  readonly bodyStart: number
  /** Bits of the fields that are there, and of those that have several lines; only for the first 32 fields. */
  readonly seen: number
  readonly repeated: number
  /** Why the lines end where they do, if not at the blank line. */
  readonly fault?: string
}

/** Finds the lines of the header block, up to the first that is none: what was read serves to answer. */
function indexHeaders(text: string, from: number): HeaderBlock {
  marks.length = 0
  let at = from
  let seen = 0
  let repeated = 0
  let fault: string | undefined
  while (!(text.charCodeAt(at) === CR && text.charCodeAt(at + 1) === 0x0a)) {
    const end = endOfLine(text, at)
    fault = marks.length >= MAX_LINES * 3 ? 'Too many header lines' : indexLine(text, at, end)
    if (fault !== undefined) break
    const bit = bitOf(marks[marks.length - 3] as HeaderId)
    repeated |= seen & bit
    seen |= bit
    at = end + 2
  }
  marks.push(H.Other, at)
  return {
    source: new HeaderSource(text, marks.slice()),
    bodyStart: at + 2,
    seen,
    repeated,
    ...(fault === undefined ? {} : { fault }),
  }
}

/** The fields that are counted are among the first 32 of the table. */
function bitOf(id: HeaderId): number {
  return id < 32 ? 1 << id : 0
}

/**
 * Where a line ends: white space at the start of the next one continues it (RFC 3261 §7.3.1). -1: nowhere, or there
 * is a lone CR, a lone LF or a NUL in it: who takes one for a line end would read other headers than we do.
 */
function endOfLine(text: string, at: number): number {
  let end = endOfPiece(text, at)
  while (end >= 0 && isBlank(text.charCodeAt(end + 2))) end = endOfPiece(text, end + 2)
  return end
}

function endOfPiece(text: string, at: number): number {
  const lineFeed = text.indexOf('\n', at)
  const end = lineFeed - 1
  return lineFeed > at && text.indexOf('\r', at) === end ? end : -1
}

/** @returns what is wrong with the line */
function indexLine(text: string, at: number, end: number): string | undefined {
  if (end < 0) return 'Header line has no proper end'
  const colon = text.indexOf(':', at)
  if (colon <= at || colon > end) return 'Header line has no name'
  let nameEnd = colon
  while (nameEnd > at && isBlank(text.charCodeAt(nameEnd - 1))) nameEnd--
  let value = colon + 1
  while (value < end && isBlank(text.charCodeAt(value))) value++
  const id = headerIdAt(text, at, nameEnd)
  if (id === H.Other && !isToken(text.slice(at, nameEnd))) return 'Header name is not a token'
  marks.push(id, at, value)
  return undefined
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}

interface Body {
  readonly text: string
  readonly fault?: string
}

function bodyOf(text: string, start: number, headers: Headers): Body {
  const given = headers.get(H['Content-Length'])
  if (given === undefined) return { text: text.slice(start) }
  const length = parseContentLength(given)
  if (length === undefined) return { text: '', fault: 'Content-Length is not a number' }
  const available = text.length - start
  if (length > available) return { text: '', fault: 'Content-Length is larger than the message' }
  return { text: text.slice(start, start + length) }
}

function parseResponse(text: string, start: number, end: number, headers: Headers, body: Body): ParseResult {
  if (!text.startsWith('SIP/2.0 ', start)) return fail('Status line has another version')
  const status = parseDigits(text, start + 8, start + 11, 699) ?? 0
  const separator = text.charCodeAt(start + 11)
  if (status < 100 || (separator !== SPACE && start + 11 !== end)) {
    return fail('Status code is not three digits')
  }
  const response = new SipResponse(status, text.slice(start + 12, end), headers, body.text)
  const fault = body.fault ?? faultOfCommon(response)
  return fault === undefined ? { ok: true, message: response } : fail(fault)
}

function parseRequest(text: string, start: number, end: number, headers: Headers, body: Body): ParseResult {
  const methodEnd = text.indexOf(' ', start)
  const versionStart = text.lastIndexOf(' ', end - 1) + 1
  const method = text.slice(start, Math.max(methodEnd, start))
  if (methodEnd < 0 || methodEnd > end || !isToken(method)) return fail('Request line has no method')
  const uri = text.slice(methodEnd + 1, Math.max(versionStart - 1, methodEnd + 1))
  const request = new SipRequest(method, uri, headers, body.text)
  const version = text.slice(versionStart, end)
  const fault =
    faultOfRequestLine(uri, version) ?? body.fault ?? faultOfCommon(request) ?? faultOfRequest(request)
  if (fault === undefined) return { ok: true, message: request }
  const status = /^SIP\/\d+\.\d+$/i.test(version) && version.toUpperCase() !== 'SIP/2.0' ? 505 : 400
  const answerable = method === 'ACK' ? undefined : withUsableVia(request)
  return { ok: false, why: fault, status, ...(answerable === undefined ? {} : { answerable }) }
}

/** A request whose sender can be answered, if need be along what can be read of a malformed Via (RFC 4475 §3.1.2.1). */
function withUsableVia(request: SipRequest): SipRequest | undefined {
  if (request.topVia !== undefined) return request
  const salvaged = salvageVia(request.headers.get(H.Via) ?? '')
  if (salvaged === undefined) return undefined
  return request.with(request.headers.edit().set(H.Via, formatVia(salvaged)).done())
}

function faultOfRequestLine(uri: string, version: string): string | undefined {
  if (version.toUpperCase() !== 'SIP/2.0') return 'Request line has another version'
  if (uri === '') return 'Request line has no URI'
  for (let i = 0; i < uri.length; i++) {
    const code = uri.charCodeAt(i)
    if (code <= SPACE || code === 0x3c || code === 0x3e || code === 0x22 || code >= 0x7f) {
      return 'Request-URI has a character that must be escaped'
    }
  }
  if (uri.indexOf(':') <= 0) return 'Request-URI has no scheme'
  return undefined
}

/** Fields that every message has exactly once (RFC 3261 §8.1.1, §20), and those that it has at most once. */
const ONCE = (['From', 'To', 'Call-ID', 'CSeq'] as const).map(name => ({ name, bit: bitOf(H[name]) }))
const AT_MOST_ONCE = (['Content-Length', 'Max-Forwards'] as const).map(name => ({
  name,
  bit: bitOf(H[name]),
}))
const ALL_ONCE = ONCE.reduce((bits, { bit }) => bits | bit, 0)
const NONE_TWICE = AT_MOST_ONCE.reduce((bits, { bit }) => bits | bit, ALL_ONCE)

function faultOfCounts(block: HeaderBlock): string | undefined {
  if ((block.seen & ALL_ONCE) === ALL_ONCE && (block.repeated & NONE_TWICE) === 0) return undefined
  const missing = ONCE.find(({ bit }) => (block.seen & bit) === 0)
  if (missing !== undefined) return `${missing.name} is missing`
  const twice = [...ONCE, ...AT_MOST_ONCE].find(({ bit }) => (block.repeated & bit) !== 0)
  return twice === undefined ? undefined : `${twice.name} is given twice`
}

function faultOfCommon(message: SipMessage): string | undefined {
  if (message.topVia === undefined) return 'Via is missing or malformed'
  if (message.cseq === undefined) return 'CSeq is malformed'
  if (message.from === undefined) return 'From is malformed'
  if (message.to === undefined) return 'To is malformed'
  if (message.callId === '') return 'Call-ID is empty'
  return undefined
}

function faultOfRequest(request: SipRequest): string | undefined {
  if (request.cseq?.method !== request.method) return 'CSeq names another method'
  if (!request.headers.has(H['Max-Forwards'])) return undefined
  const hops = request.headers.parsed(H['Max-Forwards'], parseMaxForwards)
  return hops === undefined ? 'Max-Forwards is not a number up to 255' : undefined
}

function fail(why: string): ParseFailure {
  return { ok: false, why, status: 400 }
}
