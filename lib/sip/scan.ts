/*
 * Character classes and small scanners under every value parser of this folder.
 *
 * Messages are latin1 strings (one character an octet), so each class is a row of bits in one table of 256.
 */

/** `token` (RFC 3261 §25.1). */
export const TOKEN = 1
/** What may stand in the userinfo of a SIP URI, escapes apart. */
export const USER = 2
/** Names and IPv4 addresses; the underscore is not in the grammar, but in the zones of operators. */
export const HOST = 4
/** A SIP URI parameter's name or value. */
export const URI_PARAM = 8
/** The headers part of a SIP URI, with its `=` and `&`. */
export const URI_HEADER = 16
/** A header parameter's value outside quotes: token, host, and what peers write there unquoted. */
export const PARAM_VALUE = 32
/** `unreserved`: same meaning escaped and unescaped. */
export const UNRESERVED = 64
/** Digits of a tel URI with their visual separators (RFC 3966 §3), and the comma of `sip.md` numbers. */
export const PHONE = 128

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const DIGITS = '0123456789'
const MARK = "-_.!~*'()"

const CLASSES = new Uint8Array(256)

function put(bit: number, characters: string): void {
  for (const character of characters) {
    const code = character.charCodeAt(0)
    CLASSES[code] = (CLASSES[code] ?? 0) | bit
  }
}

put(TOKEN, LETTERS + DIGITS + "-.!%*_+`'~")
// Userinfo: user-unreserved, and what a telephone-subscriber's parameters add. `#` should be escaped, yet
// phones send feature codes as dialled.
put(USER, LETTERS + DIGITS + MARK + '&=+$,;?/[]#')
put(HOST, LETTERS + DIGITS + '-._')
put(URI_PARAM, LETTERS + DIGITS + MARK + '[]/:&+$')
put(URI_HEADER, LETTERS + DIGITS + MARK + '[]/?:+$=&')
put(UNRESERVED, LETTERS + DIGITS + MARK)
put(PHONE, DIGITS + 'ABCDEFabcdef*#-.(),')
for (let code = 0x21; code < 0x100; code++) {
  if (code !== 0x7f && !';,"<>\\'.includes(String.fromCharCode(code)))
    put(PARAM_VALUE, String.fromCharCode(code))
}

/** Whether the character code (of any string) belongs to the class. */
export function isIn(characterClass: number, code: number): boolean {
  return ((CLASSES[code] ?? 0) & characterClass) !== 0
}

/** The first position from `at` on whose character is outside the class. */
export function skipClass(characterClass: number, text: string, at: number): number {
  while (at < text.length && ((CLASSES[text.charCodeAt(at)] ?? 0) & characterClass) !== 0) at++
  return at
}

/** Whether the code is space, tab, or part of a fold. */
export function isLws(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0d || code === 0x0a
}

/** The first position from `at` on that is no linear white space. */
export function skipLws(text: string, at: number): number {
  while (at < text.length && isLws(text.charCodeAt(at))) at++
  return at
}

/** The end of the text when the white space before `end` is left off, not below `from`. */
export function endWithoutLws(text: string, from: number, end: number): number {
  while (end > from && isLws(text.charCodeAt(end - 1))) end--
  return end
}

/** The text without white space around it. */
export function trimLws(text: string): string {
  const from = skipLws(text, 0)
  const end = endWithoutLws(text, from, text.length)
  return from === 0 && end === text.length ? text : text.slice(from, end)
}

/** Whether the whole text is a `token`. */
export function isToken(text: string): boolean {
  return text !== '' && skipClass(TOKEN, text, 0) === text.length
}

/** The position after the quoted-string that begins at `at`, or -1 when it is not one or does not end. */
export function endOfQuoted(text: string, at: number): number {
  if (text.charCodeAt(at) !== 0x22) return -1
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x22) return i + 1
    if (code === 0x5c) {
      i++
      const escaped = text.charCodeAt(i)
      // A quoted-pair takes any ASCII character but the two of a line end. At the text's end this is NaN.
      if (!(escaped < 0x80) || escaped === 0x0d || escaped === 0x0a) return -1
    } else if ((code < 0x20 && !isLws(code)) || code === 0x7f) return -1
  }
  return -1
}

/** The text inside a quoted-string, quoted-pairs resolved; any other text as it is. */
export function unquote(text: string): string {
  if (text.length < 2 || text.charCodeAt(0) !== 0x22) return text
  const inside = text.slice(1, -1)
  let slash = inside.indexOf('\\')
  if (slash === -1) return inside
  let plain = ''
  let from = 0
  while (slash !== -1) {
    plain += inside.slice(from, slash)
    from = slash + 1
    slash = inside.indexOf('\\', from + 1)
  }
  return plain + inside.slice(from)
}

/** The quoted-string that means `text`. A line end cannot be written in one and becomes a space. */
export function quote(text: string): string {
  let quoted = '"'
  let from = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x0d || code === 0x0a) {
      quoted += text.slice(from, i) + ' '
      from = i + 1
    } else if (code === 0x22 || code === 0x5c || (code < 0x20 && code !== 0x09) || code === 0x7f) {
      quoted += text.slice(from, i) + '\\'
      from = i
    }
  }
  return quoted + text.slice(from) + '"'
}

/** Whether `text` from `from` to `end` is `name`, letters of either case alike. */
export function equalsIgnoreCase(text: string, from: number, end: number, name: string): boolean {
  if (end - from !== name.length) return false
  for (let i = 0; i < name.length; i++) {
    if (lower(text.charCodeAt(from + i)) !== lower(name.charCodeAt(i))) return false
  }
  return true
}

/** The code of the lower-case letter for an upper-case one, any other as it is. */
export function lower(code: number): number {
  return code >= 0x41 && code <= 0x5a ? code | 0x20 : code
}

/** The value of a hexadecimal digit, or -1. */
export function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

/** The octet that the escape `%HH` at `at` stands for, or -1 when it is no escape. */
export function escapedOctet(text: string, at: number): number {
  const high = hexValue(text.charCodeAt(at + 1))
  const low = hexValue(text.charCodeAt(at + 2))
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

/** As `skipClass`, and over escapes `%HH`; a `%` without its two digits ends it. */
export function skipEscaped(characterClass: number, text: string, at: number): number {
  for (;;) {
    at = skipClass(characterClass, text, at)
    if (text.charCodeAt(at) !== 0x25 || escapedOctet(text, at) === -1) return at
    at += 3
  }
}

/** The number that `text` from `from` to `end` writes in decimal digits; undefined if it is none or above `max`. */
export function parseDigits(text: string, from: number, end: number, max: number): number | undefined {
  if (from >= end) return undefined
  let value = 0
  for (let i = from; i < end; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (!(digit >= 0 && digit <= 9)) return undefined
    value = value * 10 + digit
    if (value > max) return undefined
  }
  return value
}
