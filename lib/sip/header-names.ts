/**
 * The header fields the stack and the IMS functions look at, as small numbers.
 *
 * A received line is looked up once, when the message is indexed; from then on headers are compared as numbers.
 * Everything else is `H.Other` and is found by its text.
 */
const NAMES = [
  'Via',
  'Route',
  'Record-Route',
  'From',
  'To',
  'Call-ID',
  'CSeq',
  'Max-Forwards',
  'Contact',
  'Content-Length',
  'Content-Type',
  'Expires',
  'Authorization',
  'Proxy-Authorization',
  'WWW-Authenticate',
  'Proxy-Authenticate',
  'Path',
  'Service-Route',
  'Require',
  'Proxy-Require',
  'Supported',
  'Unsupported',
  'Allow',
  'Event',
  'Accept',
  'User-Agent',
  'Server',
  'Reason',
  'Retry-After',
  'Min-Expires',
  'Timestamp',
  'Subject',
  'Date',
  'Warning',
  'Privacy',
  'P-Asserted-Identity',
  'P-Preferred-Identity',
  'P-Associated-URI',
  'P-Called-Party-ID',
  'P-Served-User',
  'P-Profile-Key',
  'P-Access-Network-Info',
  'P-Visited-Network-ID',
  'P-Charging-Vector',
  'P-Charging-Function-Addresses',
  'P-Asserted-Service',
  'P-Preferred-Service',
  'P-Early-Media',
  'P-Private-Network-Indication',
  'Session-Expires',
  'Min-SE',
  'Max-Breadth',
  'History-Info',
  'Diversion',
  'Accept-Contact',
  'Reject-Contact',
  'Request-Disposition',
  'Subscription-State',
  'Allow-Events',
  'Refer-To',
  'Referred-By',
  'Session-ID',
  'Resource-Priority',
  'Flow-Timer',
  'Content-Encoding',
  'Identity',
  'Call-Info',
  'Organization',
  'Reply-To',
  'In-Reply-To',
  'RSeq',
  'RAck',
  'Security-Client',
  'Security-Server',
  'Security-Verify',
  'P-Media-Authorization',
  'Accept-Resource-Priority',
] as const

export type KnownHeaderName = (typeof NAMES)[number]

/** Number of a header field; 0 is every field that is not in the table. */
export type HeaderId = number & { readonly __brand: 'HeaderId' }

/** Header numbers by canonical name: `H['Call-ID']`. */
export const H = Object.freeze(
  Object.fromEntries([['Other', 0], ...NAMES.map((name, index) => [name, index + 1])]),
) as Readonly<Record<KnownHeaderName | 'Other', HeaderId>>

/** The canonical spelling of a header number. */
export function nameOf(id: HeaderId): string {
  return NAMES[id - 1] ?? 'Other'
}

/** Compact forms (RFC 3261 §7.3.3, RFC 3515, 3841, 3892, 4028, 6665, 8224). */
const COMPACT: Readonly<Record<string, KnownHeaderName>> = {
  a: 'Accept-Contact',
  b: 'Referred-By',
  c: 'Content-Type',
  d: 'Request-Disposition',
  e: 'Content-Encoding',
  f: 'From',
  i: 'Call-ID',
  j: 'Reject-Contact',
  k: 'Supported',
  l: 'Content-Length',
  m: 'Contact',
  o: 'Event',
  r: 'Refer-To',
  s: 'Subject',
  t: 'To',
  u: 'Allow-Events',
  v: 'Via',
  x: 'Session-Expires',
  y: 'Identity',
}

/** Fields whose value is a comma-separated list that may also be spread over lines (RFC 3261 §7.3.1). */
const LISTS = new Set<HeaderId>(
  (
    [
      'Via',
      'Route',
      'Record-Route',
      'Contact',
      'Path',
      'Service-Route',
      'Require',
      'Proxy-Require',
      'Supported',
      'Unsupported',
      'Allow',
      'Allow-Events',
      'Accept',
      'Reason',
      'P-Asserted-Identity',
      'P-Preferred-Identity',
      'P-Associated-URI',
      'History-Info',
      'Diversion',
      'Accept-Contact',
      'Reject-Contact',
      'P-Visited-Network-ID',
      'P-Access-Network-Info',
      'P-Early-Media',
      'P-Preferred-Service',
      'Resource-Priority',
    ] as const
  ).map(name => H[name]),
)

export function isListHeader(id: HeaderId): boolean {
  return LISTS.has(id)
}

const BY_COMPACT: HeaderId[] = []
for (const [letter, name] of Object.entries(COMPACT)) {
  BY_COMPACT[letter.charCodeAt(0)] = H[name]
}

const LOWER = 0x20
const BUCKETS = 1024
const buckets: { readonly name: string; readonly lower: string; readonly id: HeaderId }[][] = []
for (const name of NAMES) {
  const hash = hashOf(name, 0, name.length)
  ;(buckets[hash] ??= []).push({ name, lower: name.toLowerCase(), id: H[name] })
}

function hashOf(text: string, start: number, end: number): number {
  const first = text.charCodeAt(start) | LOWER
  const last = text.charCodeAt(end - 1) | LOWER
  const middle = text.charCodeAt((start + end) >> 1) | LOWER
  return ((end - start) * 131 + first * 31 + last * 7 + middle) % BUCKETS
}

/** Number of the header name at `text[start, end)`, any case, compact forms included. Allocates nothing. */
export function headerIdAt(text: string, start: number, end: number): HeaderId {
  if (end - start === 1) return BY_COMPACT[text.charCodeAt(start) | LOWER] ?? H.Other
  const bucket = buckets[hashOf(text, start, end)]
  if (bucket === undefined) return H.Other
  for (const entry of bucket) {
    if (entry.name.length !== end - start) continue
    if (text.startsWith(entry.name, start) || text.slice(start, end).toLowerCase() === entry.lower) {
      return entry.id
    }
  }
  return H.Other
}
