import { isIPv4, isIPv6 } from 'node:net'
import { decode, encode, RECURSION_DESIRED, type Answer as Row, type DecodedPacket } from 'dns-packet'
import type { Records, RecordType } from './queries.ts'

export interface Question {
  readonly id: number
  /** In lower case, without the dot at its end. */
  readonly name: string
  readonly type: RecordType
}

/** What a server says to a question. */
export type Answer =
  | { readonly kind: 'records'; readonly records: readonly Records[RecordType][]; readonly ttl: number }
  /** There is no such record; `ttl` says for how long, if the zone does. */
  | { readonly kind: 'none'; readonly ttl: number | undefined }
  /** The name stands for another one, of which the server has said nothing. */
  | { readonly kind: 'alias'; readonly name: string; readonly ttl: number }
  /** There is more than a datagram holds. */
  | { readonly kind: 'truncated' }
  | { readonly kind: 'failed'; readonly why: string }

/** An answer that fits into a datagram of this size crosses any network whole (RFC 9715). */
const UDP_PAYLOAD = 1232
const MOST_ALIASES = 8
const NXDOMAIN = 3

const NAME = /^(?=.{1,253}$)[^.\s]{1,63}(\.[^.\s]{1,63})*$/

/** A name as it is asked for and kept; undefined if no server can have it. */
export function plainName(name: string): string | undefined {
  const plain = name.replace(/\.$/, '').toLowerCase()
  return NAME.test(plain) ? plain : undefined
}

export function formatQuestion({ id, name, type }: Question): Buffer {
  return encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED,
    questions: [{ type, name }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: UDP_PAYLOAD,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  })
}

/** @returns undefined if this is no answer to that question, and so to be ignored */
export function parseAnswer(octets: Buffer, question: Question): Answer | undefined {
  let packet: DecodedPacket
  try {
    packet = decode(octets)
  } catch {
    // A piece of an answer that says itself that it is one is asked for over TCP.
    return isCutAnswer(octets, question) ? { kind: 'truncated' } : undefined
  }
  const [asked] = packet.questions ?? []
  if (!packet.flag_qr || packet.id !== question.id) return undefined
  if (asked?.type !== question.type || asked.name.toLowerCase() !== question.name) return undefined
  if (packet.flag_tc) return { kind: 'truncated' }
  const rcode = (packet.flags ?? 0) & 0xf
  if (rcode !== 0 && rcode !== NXDOMAIN)
    return { kind: 'failed', why: `the server answers with code ${rcode}` }
  return followed(packet, question)
}

function isCutAnswer(octets: Buffer, { id }: Question): boolean {
  return octets.length >= 12 && octets.readUInt16BE(0) === id && (octets.readUInt16BE(2) & 0x8200) === 0x8200
}

/** Follows the aliases within an answer to the records asked for. */
function followed(packet: DecodedPacket, { name, type }: Question): Answer {
  const rows = packet.answers ?? []
  let owner = name
  let ttl = Infinity
  for (let hops = 0; hops <= MOST_ALIASES; hops++) {
    const own = rows.filter(row => row.name.toLowerCase() === owner)
    const found = own.filter(row => row.type === type)
    const records = found.map(recordOf).filter(record => record !== undefined)
    if (records.length > 0) {
      return { kind: 'records', records, ttl: Math.min(ttl, ...found.map(ttlOf)) }
    }
    const alias = own.find(row => row.type === 'CNAME')
    if (alias?.type !== 'CNAME') {
      const settled = owner === name || (packet.authorities ?? []).some(row => row.type === 'SOA')
      return settled ? { kind: 'none', ttl: negativeTtl(packet) } : { kind: 'alias', name: owner, ttl }
    }
    ttl = Math.min(ttl, ttlOf(alias))
    const next = plainName(alias.data)
    if (next === undefined) break
    owner = next
  }
  return { kind: 'none', ttl: undefined }
}

/** How long there will be nothing, as the zone says (RFC 2308 §5). */
function negativeTtl(packet: DecodedPacket): number | undefined {
  const soa = (packet.authorities ?? []).find(row => row.type === 'SOA')
  return soa?.type === 'SOA' ? Math.min(ttlOf(soa), soa.data.minimum ?? Infinity) : undefined
}

function ttlOf(row: Row): number {
  return 'ttl' in row ? (row.ttl ?? 0) : 0
}

/** Nonsense is left out. */
function recordOf(row: Row): Records[RecordType] | undefined {
  switch (row.type) {
    case 'A':
      return isIPv4(row.data) ? row.data : undefined
    case 'AAAA':
      return isIPv6(row.data) ? row.data : undefined
    case 'SRV': {
      const { target, port, priority = 0, weight = 0 } = row.data
      // A single dot says that the service is decidedly not offered (RFC 2782).
      return plainName(target) === undefined || port === 0
        ? undefined
        : { name: target, port, priority, weight }
    }
    case 'NAPTR': {
      const { flags, services: service, regexp, replacement, order, preference } = row.data
      return { flags, service, regexp, replacement, order, preference }
    }
    default:
      return undefined
  }
}
