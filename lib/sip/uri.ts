import { detached } from '../kit/text.ts'
import {
  escapedOctet,
  equalsIgnoreCase,
  hexValue,
  HOST,
  isIn,
  lower,
  parseDigits,
  PHONE,
  skipClass,
  skipEscaped,
  UNRESERVED,
  URI_HEADER,
  URI_PARAM,
  USER,
} from './scan.ts'

/** A `sip:` or `sips:` URI; every part as written, escapes included (RFC 3261 §19.1). */
export interface SipUri {
  readonly kind: 'sip'
  readonly scheme: 'sip' | 'sips'
  /** Still escaped; may carry a telephone-subscriber's parameters (`+1650;rn=…`). Never ''. */
  readonly user: string | undefined
  readonly password: string | undefined
  /** An IPv6 address keeps its brackets. */
  readonly host: string
  readonly port: number | undefined
  /** From the first `;` on, or ''. */
  readonly params: string
  /** From the `?` on, or ''. */
  readonly headers: string
}

/** A `tel:` URI (RFC 3966). */
export interface TelUri {
  readonly kind: 'tel'
  /** As written, visual separators included. */
  readonly number: string
  /** From the first `;` on, or ''. */
  readonly params: string
}

/** A `urn:` URI (RFC 8141). */
export interface UrnUri {
  readonly kind: 'urn'
  readonly nid: string
  readonly nss: string
}

/** A URI of any other scheme, not looked into. */
export interface OtherUri {
  readonly kind: 'other'
  readonly scheme: string
  readonly rest: string
}

export type Uri = SipUri | TelUri | UrnUri | OtherUri

/** So many URIs of each of two generations are remembered, up to a length that almost all have. */
const REMEMBERED = 2000
const USUAL_LENGTH = 160
let recent = new Map<string, Uri>()
let older: ReadonlyMap<string, Uri> = recent

/**
 * Reads a URI; undefined if its syntax is bad. White space around or in it is bad syntax.
 *
 * The same few URIs come again and again, at each hop of a request and in each of a phone's: they are remembered.
 */
export function parseUri(text: string): Uri | undefined {
  const known = recent.get(text)
  if (known !== undefined) return known
  if (text.length > USUAL_LENGTH) return readUri(text)
  // Detached, since what is remembered must not hold the message that it was cut from.
  const own = detached(text)
  const uri = older.get(own) ?? readUri(own)
  if (uri === undefined) return undefined
  if (recent.size >= REMEMBERED) {
    older = recent
    recent = new Map()
  }
  recent.set(own, uri)
  return uri
}

function readUri(text: string): Uri | undefined {
  const colon = text.indexOf(':')
  if (equalsIgnoreCase(text, 0, colon, 'sip')) return parseSip('sip', text, colon + 1)
  if (equalsIgnoreCase(text, 0, colon, 'sips')) return parseSip('sips', text, colon + 1)
  if (equalsIgnoreCase(text, 0, colon, 'tel')) return parseTel(text, colon + 1)
  if (!isScheme(text, colon)) return undefined
  for (let i = colon + 1; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code <= 0x20 || code >= 0x7f || code === 0x22 || code === 0x3c || code === 0x3e) return undefined
  }
  const rest = text.slice(colon + 1)
  if (rest === '') return undefined
  if (!equalsIgnoreCase(text, 0, colon, 'urn')) return { kind: 'other', scheme: text.slice(0, colon), rest }
  const nidEnd = rest.indexOf(':')
  return nidEnd < 1 || nidEnd === rest.length - 1
    ? undefined
    : { kind: 'urn', nid: rest.slice(0, nidEnd), nss: rest.slice(nidEnd + 1) }
}

/** The text of a URI; `parseUri` of it gives the URI again. */
export function formatUri(uri: Uri): string {
  switch (uri.kind) {
    case 'sip': {
      let text = uri.scheme + ':'
      if (uri.user !== undefined) {
        text += uri.password === undefined ? uri.user + '@' : uri.user + ':' + uri.password + '@'
      }
      text += uri.host
      if (uri.port !== undefined) text += ':' + String(uri.port)
      return text + uri.params + uri.headers
    }
    case 'tel':
      return 'tel:' + uri.number + uri.params
    case 'urn':
      return 'urn:' + uri.nid + ':' + uri.nss
    case 'other':
      return uri.scheme + ':' + uri.rest
  }
}

/** A URI parameter's value as written (escapes kept), '' for a flag, undefined if absent. Names have no case. */
export function uriParam(uri: Uri, name: string): string | undefined {
  return uri.kind === 'sip' || uri.kind === 'tel' ? uriParamIn(uri.params, name) : undefined
}

/** As `uriParam`, in the text of parameters: a URI's, or those inside a SIP URI's user part. */
export function uriParamIn(params: string, name: string): string | undefined {
  const semicolon = findParam(params, name)
  if (semicolon === -1) return undefined
  const end = endOfParam(params, semicolon)
  const equals = params.indexOf('=', semicolon)
  return equals === -1 || equals >= end ? '' : params.slice(equals + 1, end)
}

/** The URI with the parameter set, in its old place or at the end; without a value it is a flag. */
export function withUriParam<U extends SipUri | TelUri>(uri: U, name: string, value?: string): U {
  const written = value === undefined || value === '' ? `;${name}` : `;${name}=${value}`
  const at = findParam(uri.params, name)
  const params =
    at === -1
      ? uri.params + written
      : uri.params.slice(0, at) + written + uri.params.slice(endOfParam(uri.params, at))
  return { ...uri, params }
}

/** The URI without the parameter; the same object if it has none. */
export function withoutUriParam<U extends SipUri | TelUri>(uri: U, name: string): U {
  let kept = ''
  let from = 0
  for (let at = 0; at < uri.params.length;) {
    const end = endOfParam(uri.params, at)
    if (namesParam(uri.params, at + 1, name)) {
      kept += uri.params.slice(from, at)
      from = end
    }
    at = end
  }
  return from === 0 ? uri : { ...uri, params: kept + uri.params.slice(from) }
}

/**
 * Whether two URIs are the same address: RFC 3261 §19.1.4 for sip and sips, RFC 3966 §4 for tel, RFC 8141 §3 for
 * urn; any other scheme, character by character.
 */
export function uriEquals(a: Uri, b: Uri): boolean {
  if (a === b) return true
  if (a.kind === 'sip' && b.kind === 'sip') return sipEquals(a, b)
  if (a.kind === 'tel' && b.kind === 'tel') {
    return (
      significantDigits(a.number) === significantDigits(b.number) &&
      sameParams(a.params, b.params, () => true)
    )
  }
  if (a.kind === 'urn' && b.kind === 'urn') {
    return a.nid.toLowerCase() === b.nid.toLowerCase() && assignedName(a.nss) === assignedName(b.nss)
  }
  return a.kind === 'other' && b.kind === 'other' && a.rest === b.rest && sameIgnoringCase(a.scheme, b.scheme)
}

/** Whether two hosts as written are the same, IPv6 addresses in any spelling (RFC 5954 §4.2). */
export function sameHost(a: string, b: string): boolean {
  if (a === b) return true
  if (a.startsWith('[') && b.startsWith('[')) {
    const first = URL.parse(`http://${a}`)?.hostname
    return first !== undefined && first === URL.parse(`http://${b}`)?.hostname
  }
  return sameIgnoringCase(a, b)
}

/**
 * The text with escapes in one spelling: unreserved characters unescaped, other escapes with upper-case digits
 * (RFC 3261 §19.1.4, RFC 3986 §6.2.2). A raw `#`, which phones send, becomes its escape.
 */
export function normalizeEscapes(text: string): string {
  if (!text.includes('%') && !text.includes('#')) return text
  return text.replace(/%[0-9a-f]{2}|#/gi, escape => {
    if (escape === '#') return '%23'
    const octet = escapedOctet(escape, 0)
    return isIn(UNRESERVED, octet) ? String.fromCharCode(octet) : escape.toUpperCase()
  })
}

/** The digits of a phone number without visual separators, hexadecimal ones in upper case (RFC 3966 §5.1.1). */
export function significantDigits(number: string): string {
  let digits = ''
  for (let i = 0; i < number.length; i++) {
    const code = number.charCodeAt(i)
    if (hexValue(code) !== -1 || code === 0x2b || code === 0x2a || code === 0x23) digits += number.charAt(i)
  }
  return digits.toUpperCase()
}

/** A SIP URI of its parts, for the ones we make ourselves. */
export function sipUri(parts: Pick<SipUri, 'host'> & Partial<Omit<SipUri, 'kind' | 'host'>>): SipUri {
  return {
    kind: 'sip',
    scheme: parts.scheme ?? 'sip',
    user: parts.user,
    password: parts.password,
    host: parts.host,
    port: parts.port,
    params: parts.params ?? '',
    headers: parts.headers ?? '',
  }
}

function parseSip(scheme: 'sip' | 'sips', text: string, from: number): SipUri | undefined {
  let user: string | undefined
  let password: string | undefined
  let hostFrom = from
  // `@` is outside every other part's alphabet, so the first one ends the userinfo and a second one fails below.
  const at = text.indexOf('@', from)
  if (at !== -1) {
    const userEnd = skipEscaped(USER, text, from)
    if (userEnd === from) return undefined
    user = text.slice(from, userEnd)
    if (userEnd !== at) {
      if (text.charCodeAt(userEnd) !== 0x3a || skipEscaped(USER, text, userEnd + 1) !== at) return undefined
      password = text.slice(userEnd + 1, at)
    }
    hostFrom = at + 1
  }

  const hostEnd = endOfHost(text, hostFrom)
  if (hostEnd === -1) return undefined
  let end = hostEnd
  let port: number | undefined
  if (text.charCodeAt(end) === 0x3a) {
    end++
    while (end < text.length && text.charCodeAt(end) >= 0x30 && text.charCodeAt(end) <= 0x39) end++
    port = parseDigits(text, hostEnd + 1, end, 65535)
    if (port === undefined) return undefined
  }

  const paramsEnd = endOfUriParams(text, end)
  if (paramsEnd === -1) return undefined
  if (paramsEnd < text.length) {
    if (text.charCodeAt(paramsEnd) !== 0x3f) return undefined
    if (skipEscaped(URI_HEADER, text, paramsEnd + 1) !== text.length) return undefined
  }
  return {
    kind: 'sip',
    scheme,
    user,
    password,
    host: text.slice(hostFrom, hostEnd),
    port,
    params: text.slice(end, paramsEnd),
    headers: text.slice(paramsEnd),
  }
}

/** The end of the host name, IPv4 address or bracketed IPv6 address at `at`; -1 if there is none. */
export function endOfHost(text: string, at: number): number {
  if (text.charCodeAt(at) !== 0x5b) {
    const end = skipClass(HOST, text, at)
    return end === at || text.charCodeAt(at) === 0x2e ? -1 : end
  }
  let colons = 0
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x5d) return colons >= 2 ? i + 1 : -1
    if (code === 0x3a) colons++
    else if (hexValue(code) === -1 && code !== 0x2e) return -1
  }
  return -1
}

function parseTel(text: string, from: number): TelUri | undefined {
  const digits = text.charCodeAt(from) === 0x2b ? from + 1 : from
  const end = skipClass(PHONE, text, digits)
  let visible = digits
  while (visible < end && hexValue(text.charCodeAt(visible)) === -1 && !'*#'.includes(text.charAt(visible)))
    visible++
  if (visible === end || endOfUriParams(text, end) !== text.length) return undefined
  return { kind: 'tel', number: text.slice(from, end), params: text.slice(end) }
}

/** The end of the parameters that begin at `at`, or -1 if one has no name. An empty value passes as a flag. */
function endOfUriParams(text: string, at: number): number {
  while (text.charCodeAt(at) === 0x3b) {
    const name = at + 1
    at = skipEscaped(URI_PARAM, text, name)
    if (at === name) return -1
    // Values written in base64 end in `=`.
    while (text.charCodeAt(at) === 0x3d) at = skipEscaped(URI_PARAM, text, at + 1)
  }
  return at
}

function findParam(params: string, name: string): number {
  for (let at = 0; at < params.length; at = endOfParam(params, at)) {
    if (namesParam(params, at + 1, name)) return at
  }
  return -1
}

/** Whether the parameter whose name begins at `at` is `name`; an escaped letter is the letter (RFC 3261 §19.1.4). */
function namesParam(params: string, at: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    let code = params.charCodeAt(at)
    if (code === 0x25) {
      code = escapedOctet(params, at)
      at += 2
    }
    if (lower(code) !== lower(name.charCodeAt(i))) return false
    at++
  }
  return at >= params.length || params.charCodeAt(at) === 0x3b || params.charCodeAt(at) === 0x3d
}

function endOfParam(params: string, semicolon: number): number {
  const end = params.indexOf(';', semicolon + 1)
  return end === -1 ? params.length : end
}

function isScheme(text: string, colon: number): boolean {
  if (colon < 1 || (text.charCodeAt(0) | 0x20) < 0x61 || (text.charCodeAt(0) | 0x20) > 0x7a) return false
  for (let i = 1; i < colon; i++) {
    const code = text.charCodeAt(i)
    if (!isIn(HOST, code) && code !== 0x2b) return false
  }
  return true
}

/** Parameters that must be in both URIs when in one; the transport by erratum 1404 of RFC 3261. */
const NEVER_IGNORED: readonly string[] = ['user', 'ttl', 'method', 'maddr', 'transport']

function sipEquals(a: SipUri, b: SipUri): boolean {
  return (
    a.scheme === b.scheme &&
    a.port === b.port &&
    sameEscaped(a.user, b.user) &&
    sameEscaped(a.password, b.password) &&
    sameHost(a.host, b.host) &&
    sameParams(a.params, b.params, name => NEVER_IGNORED.includes(name)) &&
    (a.headers === b.headers || headerSet(a.headers) === headerSet(b.headers))
  )
}

/** Whether no parameter has two values, and those that must be in both are. */
function sameParams(a: string, b: string, mustBeInBoth: (name: string) => boolean): boolean {
  if (a === b) return true
  // Maps, since a hostile URI may have thousands of parameters.
  const first = paramMap(a)
  const second = paramMap(b)
  for (const [name, value] of first) {
    const other = second.get(name)
    if (other === undefined ? mustBeInBoth(name) : other !== value) return false
  }
  for (const name of second.keys()) if (!first.has(name) && mustBeInBoth(name)) return false
  return true
}

/** Names and values without case or choice of escapes; of several parameters of a name the first. */
function paramMap(params: string): Map<string, string> {
  const map = new Map<string, string>()
  for (let at = 0; at < params.length; at = endOfParam(params, at)) {
    const text = normalizeEscapes(params.slice(at + 1, endOfParam(params, at))).toLowerCase()
    const equals = text.indexOf('=')
    const name = equals === -1 ? text : text.slice(0, equals)
    if (!map.has(name)) map.set(name, equals === -1 ? '' : text.slice(equals + 1))
  }
  return map
}

/** The headers part with its order, escapes and the case of its names made alike. */
function headerSet(headers: string): string {
  const pairs = headers.slice(1).split('&')
  for (const [i, pair] of pairs.entries()) {
    const normal = normalizeEscapes(pair)
    const equals = normal.indexOf('=')
    pairs[i] =
      equals === -1 ? normal.toLowerCase() : normal.slice(0, equals).toLowerCase() + normal.slice(equals)
  }
  return pairs.sort().join('&')
}

function sameEscaped(a: string | undefined, b: string | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && normalizeEscapes(a) === normalizeEscapes(b))
}

function sameIgnoringCase(a: string, b: string): boolean {
  return a === b || normalizeEscapes(a).toLowerCase() === normalizeEscapes(b).toLowerCase()
}

/** The namespace specific string without r-, q- and f-components, which do not tell names apart. */
function assignedName(nss: string): string {
  let end = nss.length
  for (const mark of ['?+', '?=', '#']) {
    const at = nss.indexOf(mark)
    if (at !== -1 && at < end) end = at
  }
  // For a URN `%61` is not `a`; only the case of the digits does not matter.
  return nss.slice(0, end).replace(/%[0-9a-f]{2}/gi, escape => escape.toUpperCase())
}
