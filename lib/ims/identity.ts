import {
  normalizeEscapes,
  significantDigits,
  uriParam,
  uriParamIn,
  type SipUri,
  type Uri,
} from '../sip/uri.ts'

/** A public user identity in canonical form: `sip:user@host` without parameters, or `tel:+number` (TS 23.003 §13.4). */
export type Impu = string & { readonly __brand: 'Impu' }

/** A private user identity, `user@realm` (TS 23.003 §13.3). */
export type Impi = string & { readonly __brand: 'Impi' }

/**
 * The public identity a URI names, in the one spelling under which it is stored and compared; undefined if the URI
 * is neither sip, sips nor tel.
 *
 * A SIP identity is scheme, user and lower-case host; a tel identity the number without visual separators. Parameters
 * inside the user part belong to the user and stay.
 */
export function impuOf(uri: Uri): Impu | undefined {
  switch (uri.kind) {
    case 'sip': {
      const user = uri.user === undefined ? '' : `${normalizeEscapes(uri.user)}@`
      return `${uri.scheme}:${user}${uri.host.toLowerCase()}` as Impu
    }
    case 'tel':
      return `tel:${significantDigits(uri.number)}` as Impu
    default:
      return undefined
  }
}

/** The private identity of a user who has not said another: `user@host`, or `number@` the home domain for tel. */
export function defaultImpi(impu: Impu, homeDomain: string): Impi {
  const colon = impu.indexOf(':')
  const rest = impu.slice(colon + 1)
  return (impu.startsWith('tel:') ? `${rest}@${homeDomain}` : rest) as Impi
}

/** The domains and settings by which a URI is classified. */
export interface UriContext {
  readonly homeDomains: readonly string[]
  /** Names and addresses of this node, IPv6 in brackets. */
  readonly localNames: readonly string[]
  /** `enforce_user_phone`: a SIP URI is a number only with `user=phone`. */
  readonly enforceUserPhone: boolean
  /** `enforce_global_only_lookups`: local numbers are a class of their own. */
  readonly enforceGlobalOnly: boolean
  /** The caller takes a number-like user of a home domain for a name. */
  readonly preferSip?: boolean
}

/** What routing sees in a URI. */
export type UriClass =
  | 'np-data'
  | 'final-np-data'
  | 'global-number'
  | 'local-number'
  | 'home-sip'
  | 'local-sip'
  | 'offnet-sip'
  | 'unknown'

/** The class of a URI: number portability data before number, number before domain. */
export function classifyUri(uri: Uri, context: UriContext): UriClass {
  if (uri.kind !== 'sip' && uri.kind !== 'tel') return 'unknown'
  if (numberParam(uri, 'rn') !== undefined) {
    return numberParam(uri, 'npdi') === undefined ? 'np-data' : 'final-np-data'
  }
  const number = uri.kind === 'tel' ? uri.number : sipNumber(uri, context)
  if (number !== undefined) {
    return context.enforceGlobalOnly && !isGlobalNumber(number) ? 'local-number' : 'global-number'
  }
  if (uri.kind === 'tel') return 'unknown'
  if (hasHost(context.homeDomains, uri.host)) return 'home-sip'
  return hasHost(context.localNames, uri.host) ? 'local-sip' : 'offnet-sip'
}

/** Whether the host is one of the home domains, in any case. */
export function isHomeDomain(host: string, context: Pick<UriContext, 'homeDomains'>): boolean {
  return hasHost(context.homeDomains, host)
}

/**
 * A parameter of number portability (`rn`, `npdi`, RFC 4694): of a tel URI, or inside the user part of a SIP URI.
 */
export function numberParam(uri: Uri, name: string): string | undefined {
  if (uri.kind !== 'sip') return uriParam(uri, name)
  const semicolon = uri.user?.indexOf(';') ?? -1
  return uri.user === undefined || semicolon === -1 ? undefined : uriParamIn(uri.user.slice(semicolon), name)
}

/** `+` and then digits, with the separators `,-()` only: a dot is not accepted (sip.md §2.8). */
export function isGlobalNumber(number: string): boolean {
  if (number.charCodeAt(0) !== 0x2b || number.length === 1) return false
  for (let i = 1; i < number.length; i++) {
    const code = number.charCodeAt(i)
    if (!isDigit(code) && !isNumberSeparator(code)) return false
  }
  return true
}

/** Whether a user part (escapes resolved, its parameters cut off) can be dialled: global, or `0-9 A-F * # , - ( )`. */
export function isNumberUser(user: string): boolean {
  if (isGlobalNumber(user)) return true
  for (let i = 0; i < user.length; i++) {
    const code = user.charCodeAt(i)
    const letter = code >= 0x41 && code <= 0x46
    if (!isDigit(code) && !letter && code !== 0x2a && code !== 0x23 && !isNumberSeparator(code)) return false
  }
  return user !== ''
}

/** The number a SIP URI stands for, as written; undefined if it is a name. */
function sipNumber(uri: SipUri, context: UriContext): string | undefined {
  if (uri.user === undefined) return undefined
  const semicolon = uri.user.indexOf(';')
  const written = semicolon === -1 ? uri.user : uri.user.slice(0, semicolon)
  const user = normalizeEscapes(written).replaceAll('%23', '#')
  const kind = uriParam(uri, 'user')?.toLowerCase()
  if (kind === 'phone') return user
  // What somebody has dialled is nobody's number before a server has made one of it (RFC 4967 §3).
  if (kind === 'dialstring') return undefined
  const mayBe = !context.enforceUserPhone && context.preferSip !== true
  if (!mayBe || !hasHost(context.homeDomains, uri.host) || uriParam(uri, 'gr') !== undefined) return undefined
  return isNumberUser(user) ? user : undefined
}

function hasHost(hosts: readonly string[], host: string): boolean {
  const wanted = host.toLowerCase()
  return hosts.some(known => known.toLowerCase() === wanted)
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

function isNumberSeparator(code: number): boolean {
  return code === 0x2c || code === 0x2d || code === 0x28 || code === 0x29
}
