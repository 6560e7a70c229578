import {
  endOfQuoted,
  endWithoutLws,
  equalsIgnoreCase,
  isToken,
  quote,
  skipClass,
  skipLws,
  TOKEN,
  unquote,
} from './scan.ts'

/** One `name=value` of a challenge or of credentials. */
export interface AuthParam {
  readonly name: string
  /** Without quotes, quoted-pairs resolved. */
  readonly value: string
  readonly quoted: boolean
}

/**
 * The value of Authorization, Proxy-Authorization, WWW-Authenticate, Proxy-Authenticate (RFC 3261 §20.7, §20.44) or
 * Authentication-Info (§20.6, which has no scheme).
 */
export interface Credentials {
  readonly scheme: string
  /** In their order. */
  readonly params: readonly AuthParam[]
}

/**
 * Reads one header value; undefined if its syntax is bad. The header is one value, not a list: its commas separate
 * parameters. A bare token after the scheme (`Bearer abc==`, RFC 8898) is one parameter with the name ''.
 */
export function parseCredentials(text: string): Credentials | undefined {
  const from = skipLws(text, 0)
  const schemeEnd = skipClass(TOKEN, text, from)
  const rest = skipLws(text, schemeEnd)
  if (schemeEnd === from || rest === schemeEnd || rest === text.length) return undefined
  const scheme = text.slice(from, schemeEnd)
  const params = parseAuthParams(text, rest)
  if (params !== undefined) return { scheme, params }
  const bare = text.slice(rest, endWithoutLws(text, rest, text.length))
  return isToken68(bare) ? { scheme, params: [{ name: '', value: bare, quoted: false }] } : undefined
}

/** The text of the value; `parseCredentials` of it gives the value again. */
export function formatCredentials(credentials: Credentials): string {
  return `${credentials.scheme} ${formatAuthParams(credentials.params)}`
}

/** The parameters of an Authentication-Info header. */
export function parseAuthInfo(text: string): readonly AuthParam[] | undefined {
  return parseAuthParams(text, skipLws(text, 0))
}

export function formatAuthParams(params: readonly AuthParam[]): string {
  let text = ''
  for (const { name, value, quoted } of params) {
    if (text !== '') text += ', '
    text += name === '' ? value : `${name}=${quoted ? quote(value) : value}`
  }
  return text
}

/** A parameter's value, without quotes; names compare without case. */
export function authParam(credentials: Credentials, name: string): string | undefined {
  for (const param of credentials.params) {
    if (equalsIgnoreCase(param.name, 0, param.name.length, name)) return param.value
  }
  return undefined
}

/** Whether the scheme is Digest, in any case. */
export function isDigest(credentials: Credentials): boolean {
  return equalsIgnoreCase(credentials.scheme, 0, credentials.scheme.length, 'Digest')
}

/** The credentials with the parameter set in its place or at the end. */
export function withAuthParam(
  credentials: Credentials,
  name: string,
  value: string,
  quoted: boolean,
): Credentials {
  const param: AuthParam = { name, value, quoted }
  const params = credentials.params.slice()
  const at = params.findIndex(old => equalsIgnoreCase(old.name, 0, old.name.length, name))
  if (at === -1) params.push(param)
  else params[at] = param
  return { scheme: credentials.scheme, params }
}

/** The credentials without the parameter. */
export function withoutAuthParam(credentials: Credentials, name: string): Credentials {
  const params = credentials.params.filter(old => !equalsIgnoreCase(old.name, 0, old.name.length, name))
  return { scheme: credentials.scheme, params }
}

function parseAuthParams(text: string, at: number): readonly AuthParam[] | undefined {
  const params: AuthParam[] = []
  for (;;) {
    const nameEnd = skipClass(TOKEN, text, at)
    const equals = skipLws(text, nameEnd)
    if (nameEnd === at || text.charCodeAt(equals) !== 0x3d) return undefined
    const value = skipLws(text, equals + 1)
    const quoted = text.charCodeAt(value) === 0x22
    const end = quoted ? endOfQuoted(text, value) : endOfBareValue(text, value)
    if (end <= value) return undefined
    const written = text.slice(value, end)
    params.push({ name: text.slice(at, nameEnd), value: quoted ? unquote(written) : written, quoted })
    at = skipLws(text, end)
    if (at === text.length) return params
    if (text.charCodeAt(at) !== 0x2c) return undefined
    at = skipLws(text, at + 1)
  }
}

/** A token, or what peers leave unquoted: a URI, base64. */
function endOfBareValue(text: string, at: number): number {
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code <= 0x20 || code >= 0x7f || code === 0x2c || code === 0x22) break
    at++
  }
  return at
}

/** RFC 7235 §2.1: letters, digits and some marks, then any number of `=`. */
function isToken68(text: string): boolean {
  let end = text.length
  while (end > 0 && text.charCodeAt(end - 1) === 0x3d) end--
  return isToken(text.slice(0, end).replaceAll('/', '.'))
}
