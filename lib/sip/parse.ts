import { H, headerIdAt, type HeaderId } from './header-names.ts'
import { Headers, HeaderSource } from './headers.ts'
import { SipRequest, SipResponse, type SipMessage } from './message.ts'
import { isToken, parseContentLength, parseMaxForwards } from './values.ts'

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
  const lineEnd = text.indexOf('\r\n', start)
  if (lineEnd < 0) return fail('Start line has no end')

  const block = indexHeaders(text, lineEnd + 2)
  if (typeof block === 'string') return fail(block)
  const headers = Headers.received(block.source)
  const body = bodyOf(text, block.bodyStart, headers)

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

function indexHeaders(
  text: string,
  from: number,
): { readonly source: HeaderSource; readonly bodyStart: number } | string {
  marks.length = 0
  let at = from
  for (;;) {
    const first = text.charCodeAt(at)
    if (first === CR && text.charCodeAt(at + 1) === 0x0a) break
    let end = text.indexOf('\r\n', at)
    if (end < 0) return 'Header block has no end'
    // Folding: a line that starts with white space continues this one (RFC 3261 §7.3.1).
    let next = text.charCodeAt(end + 2)
    while (next === SPACE || next === TAB) {
      end = text.indexOf('\r\n', end + 2)
      if (end < 0) return 'Header block has no end'
      next = text.charCodeAt(end + 2)
    }
    const colon = text.indexOf(':', at)
    if (colon <= at || colon > end) return 'Header line has no name'
    let nameEnd = colon
    while (nameEnd > at && isBlank(text.charCodeAt(nameEnd - 1))) nameEnd--
    let value = colon + 1
    while (value < end && isBlank(text.charCodeAt(value))) value++
    if (nameEnd === at) return 'Header line has no name'
    const id = headerIdAt(text, at, nameEnd)
    if (id === H.Other && !isToken(text.slice(at, nameEnd))) return 'Header name is not a token'
    if (marks.length >= MAX_LINES * 3) return 'Too many header lines'
    marks.push(id, at, value)
    at = end + 2
  }
  marks.push(H.Other, at)
  return { source: new HeaderSource(text, marks.slice()), bodyStart: at + 2 }
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
  if (headers.count(H['Content-Length']) > 1) return { text: '', fault: 'Content-Length is given twice' }
  const length = parseContentLength(given)
  if (length === undefined) return { text: '', fault: 'Content-Length is not a number' }
  const available = text.length - start
  if (length > available) return { text: '', fault: 'Content-Length is larger than the message' }
  return { text: text.slice(start, start + length) }
}

function parseResponse(
  text: string,
  start: number,
  end: number,
  headers: Headers,
  body: Body,
): ParseResult {
  if (!text.startsWith('SIP/2.0 ', start)) return fail('Status line has another version')
  const status = Number(text.slice(start + 8, start + 11))
  const separator = text.charCodeAt(start + 11)
  if (!(status >= 100 && status <= 699) || (separator !== SPACE && start + 11 !== end)) {
    return fail('Status code is not three digits')
  }
  const response = new SipResponse(status, text.slice(start + 12, end), headers, body.text)
  const fault = body.fault ?? faultOfCommon(response)
  return fault === undefined ? { ok: true, message: response } : fail(fault)
}

function parseRequest(
  text: string,
  start: number,
  end: number,
  headers: Headers,
  body: Body,
): ParseResult {
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
  const answerable = method !== 'ACK' && request.topVia !== undefined
  return { ok: false, why: fault, status, ...(answerable ? { answerable: request } : {}) }
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

const ONCE: readonly (readonly [HeaderId, string])[] = [
  [H.From, 'From'],
  [H.To, 'To'],
  [H['Call-ID'], 'Call-ID'],
  [H.CSeq, 'CSeq'],
]

function faultOfCommon(message: SipMessage): string | undefined {
  for (const [id, name] of ONCE) {
    const count = message.headers.count(id)
    if (count !== 1) return count === 0 ? `${name} is missing` : `${name} is given twice`
  }
  if (message.topVia === undefined) return 'Via is missing or malformed'
  if (message.cseq === undefined) return 'CSeq is malformed'
  if (message.from === undefined) return 'From is malformed'
  if (message.to === undefined) return 'To is malformed'
  if (message.callId === '') return 'Call-ID is empty'
  return undefined
}

function faultOfRequest(request: SipRequest): string | undefined {
  if (request.cseq?.method !== request.method) return 'CSeq names another method'
  const hops = request.headers.get(H['Max-Forwards'])
  if (hops === undefined) return undefined
  if (request.headers.count(H['Max-Forwards']) > 1) return 'Max-Forwards is given twice'
  return parseMaxForwards(hops) === undefined ? 'Max-Forwards is not a number up to 255' : undefined
}

function fail(why: string): ParseFailure {
  return { ok: false, why, status: 400 }
}
