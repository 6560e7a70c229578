import { formatNameAddr, parseNameAddr } from '../../../lib/sip/name-addr.ts'
import { formatUri, parseUri, uriParam, type SipUri, type Uri } from '../../../lib/sip/uri.ts'

/** What is changed, and how, each by a parameter of the server's URI. */
const FLAGS = ['dialog', 'req-uri', 'to', 'routes', 'change-domain', 'orig', 'ootb'] as const
type Flag = (typeof FLAGS)[number]

const ALGORITHMS = ['rot13', 'reverse'] as const
type Algorithm = (typeof ALGORITHMS)[number]

/** How one call is mangled. Doing it twice undoes it. */
export interface Mangling {
  readonly flags: ReadonlySet<Flag>
  readonly algorithm: Algorithm
}

/** What a filter criterion asks for. An algorithm that is not known is `rot13`. */
export function manglingOf(uri: SipUri): Mangling {
  const flags = new Set(FLAGS.filter(flag => uriParam(uri, flag) !== undefined))
  const given = uriParam(uri, 'mangalgorithm')?.toLowerCase()
  return { flags, algorithm: ALGORITHMS.find(algorithm => algorithm === given) ?? 'rot13' }
}

/** The mangling as a word that may stand in a URI parameter. */
export function formatMangling({ flags, algorithm }: Mangling): string {
  return [algorithm, ...flags].join('.')
}

/** Undefined if it is no word of ours. */
export function parseMangling(word: string): Mangling | undefined {
  const [first, ...names] = word.split('.')
  const algorithm = ALGORITHMS.find(each => each === first)
  const flags = new Set(FLAGS.filter(flag => names.includes(flag)))
  return algorithm === undefined || flags.size !== names.length ? undefined : { flags, algorithm }
}

/** A word such as a tag: letters move by 13 and digits by 5, or all of it runs backwards. */
export function mangleWord(text: string, algorithm: Algorithm): string {
  return mangle(text.match(/./g) ?? [], algorithm)
}

/** The user part, and with `change-domain` the host. */
export function mangleUri(uri: Uri, mangling: Mangling): Uri {
  return uri.kind === 'sip' ? mangleSip(uri, mangling, mangling.flags.has('change-domain')) : uri
}

/** User and host of what stands in a Route or Record-Route. */
export function mangleRoute(nameAddr: string, mangling: Mangling): string {
  return inNameAddr(nameAddr, uri => (uri.kind === 'sip' ? mangleSip(uri, mangling, true) : uri))
}

/** The URI of a From, To or Contact; its parameters stay. */
export function mangleAddress(nameAddr: string, mangling: Mangling): string {
  return inNameAddr(nameAddr, uri => mangleUri(uri, mangling))
}

function mangleSip(uri: SipUri, { algorithm }: Mangling, hostToo: boolean): SipUri {
  const user = uri.user === undefined ? undefined : mangle(uri.user.match(/%..|./g) ?? [], algorithm)
  // An IPv6 address in another order is no host at all.
  const host = hostToo && !uri.host.startsWith('[') ? mangleWord(uri.host, algorithm) : uri.host
  return { ...uri, user, host }
}

function inNameAddr(text: string, change: (uri: Uri) => Uri): string {
  const address = parseNameAddr(text)
  const uri = address === undefined ? undefined : parseUri(address.uri)
  if (address === undefined || uri === undefined) return text
  return formatNameAddr({ ...address, uri: formatUri(change(uri)) })
}

/** @param units single characters, and escapes, which stay what they are */
function mangle(units: readonly string[], algorithm: Algorithm): string {
  return (algorithm === 'reverse' ? units.toReversed() : units.map(rotated)).join('')
}

function rotated(unit: string): string {
  if (unit.length > 1) return unit
  const code = unit.charCodeAt(0)
  const by = (first: number, size: number): string =>
    String.fromCharCode(first + ((code - first + size / 2) % size))
  if (code >= 0x30 && code <= 0x39) return by(0x30, 10)
  if (code >= 0x41 && code <= 0x5a) return by(0x41, 26)
  if (code >= 0x61 && code <= 0x7a) return by(0x61, 26)
  return unit
}
