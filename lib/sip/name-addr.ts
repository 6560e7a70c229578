import { areParams } from './params.ts'
import { endOfQuoted, endWithoutLws, isIn, isLws, quote, skipLws, TOKEN, unquote } from './scan.ts'

/** A `name-addr` or `addr-spec` with its header parameters: From, To, Contact, Route, P-Asserted-Identity … */
export interface NameAddr {
  /** Without quotes; undefined when there is none. Octets as received (latin1). */
  readonly display: string | undefined
  /** What stands between `<` and `>`, or the addr-spec; checked no further (`parseUri` does). */
  readonly uri: string
  /** The header's parameters from the first `;` on, or ''. */
  readonly params: string
}

/**
 * Reads one value (RFC 3261 §25.1); undefined if its syntax is bad.
 *
 * Parameters after an addr-spec without `<>` are the header's; one with `,` or `?` in it must have them (§20.10).
 */
export function parseNameAddr(text: string): NameAddr | undefined {
  const from = skipLws(text, 0)
  let display: string | undefined
  let open = from
  if (text.charCodeAt(from) === 0x22) {
    const end = endOfQuoted(text, from)
    if (end === -1) return undefined
    display = unquote(text.slice(from, end))
    open = skipLws(text, end)
    if (text.charCodeAt(open) !== 0x3c) return undefined
  } else if (text.charCodeAt(from) !== 0x3c) {
    open = endOfDisplay(text, from)
    if (text.charCodeAt(open) !== 0x3c) return parseAddrSpec(text, from)
    display = text.slice(from, endWithoutLws(text, from, open))
  }

  const close = text.indexOf('>', open)
  if (close === -1 || !looksLikeUri(text, open + 1, close)) return undefined
  return withParams(text, display, text.slice(open + 1, close), close + 1)
}

/** The text of the value, its URI always in `<>`; `parseNameAddr` of it gives the value again. */
export function formatNameAddr(value: NameAddr): string {
  return (value.display === undefined ? '<' : quote(value.display) + ' <') + value.uri + '>' + value.params
}

function parseAddrSpec(text: string, from: number): NameAddr | undefined {
  let end = from
  while (end < text.length) {
    const code = text.charCodeAt(end)
    if (code === 0x3b || isLws(code)) break
    if (code === 0x2c || code === 0x3f || code === 0x3e) return undefined
    end++
  }
  return looksLikeUri(text, from, end) ? withParams(text, undefined, text.slice(from, end), end) : undefined
}

function withParams(
  text: string,
  display: string | undefined,
  uri: string,
  at: number,
): NameAddr | undefined {
  const from = skipLws(text, at)
  if (from === text.length) return { display, uri, params: '' }
  if (!areParams(text, from)) return undefined
  return { display, uri, params: text.slice(from, endWithoutLws(text, from, text.length)) }
}

/** The end of unquoted display words. Octets above ASCII ought to be quoted; phones send names without. */
function endOfDisplay(text: string, at: number): number {
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (!isIn(TOKEN, code) && !isLws(code) && code < 0x80) break
    at++
  }
  return at
}

/** Something, a colon, something, and neither white space, controls nor `<` and `"` in it. */
function looksLikeUri(text: string, from: number, end: number): boolean {
  let colon = -1
  for (let i = from; i < end; i++) {
    const code = text.charCodeAt(i)
    if (code <= 0x20 || code === 0x7f || code === 0x3c || code === 0x22) return false
    if (code === 0x3a && colon === -1) colon = i
  }
  return colon > from && colon < end - 1
}
