import { parseParams } from '../sip/params.ts'
import { unquote } from '../sip/scan.ts'
import type { Binding } from '../store/registration-store.ts'
import { instanceOf, publicGruu, type Gruus } from './gruu.ts'
import { escapeXml } from './xml.ts'

/** What can happen to a contact (RFC 3680 §3). */
export type ContactEvent =
  | 'registered'
  | 'created'
  | 'refreshed'
  | 'shortened'
  | 'expired'
  | 'unregistered'
  | 'deactivated'
  | 'rejected'

/** A contact, and what has last happened to it. */
export interface ContactState {
  readonly binding: Binding
  readonly event: ContactEvent
}

export interface Reginfo {
  readonly version: number
  /** `partial` shows only what has changed (RFC 3680 §5.1). */
  readonly state: 'full' | 'partial'
  /** Name of the registration elements: the subscription's own tag. */
  readonly id: string
  /** Identities of the set that are registered, the default one first. */
  readonly aors: readonly string[]
  /** Wildcards that stand for further identities. */
  readonly wildcards: readonly string[]
  /** Identities that have left the set. */
  readonly formerAors: readonly string[]
  /** The contacts of each of them. */
  readonly contacts: readonly ContactState[]
  /** Whether any contact is left. */
  readonly active: boolean
  /** Unix time in milliseconds. */
  readonly now: number
}

const ENDED: ReadonlySet<ContactEvent> = new Set(['expired', 'unregistered', 'deactivated', 'rejected'])

/** Whether the contact is no longer there after this. */
export function endsContact(event: ContactEvent): boolean {
  return ENDED.has(event)
}

/** The document of the reg event package, with GRUUs (RFC 3680 §5, RFC 5628 §5). Pure ASCII. */
export function formatReginfo(info: Reginfo, gruus: Gruus): string {
  const { active, contacts } = info
  const gone = contacts.map(({ binding }) => ({ binding, event: 'deactivated' as const }))
  const registrations = [
    ...info.aors.map(aor => ({ aor, wildcard: '', active, contacts })),
    ...info.wildcards.map(wildcard => ({ aor: WILDCARD_AOR, wildcard, active, contacts })),
    ...info.formerAors.map(aor => ({ aor, wildcard: '', active: false, contacts: gone })),
  ].map((each, place) => registration(each, place, info, gruus))
  const wildcards = info.wildcards.length === 0 ? '' : ' xmlns:ere="urn:3gpp:ns:extRegExp:1.0"'
  return (
    '<?xml version="1.0" encoding="UTF-8"?>\n' +
    `<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" xmlns:gr="urn:ietf:params:xml:ns:gruuinfo"${wildcards}` +
    ` version="${info.version}" state="${info.state}">${registrations.join('')}</reginfo>\n`
  )
}

/** What stands for the address of identities that a wildcard stands for (sip.md §5.3). */
const WILDCARD_AOR = 'sip:wildcardimpu@wildcard'

interface Registration {
  readonly aor: string
  /** Absent: ''. */
  readonly wildcard: string
  readonly active: boolean
  readonly contacts: readonly ContactState[]
}

/** Each element has a name of its own; the first one's is that of the subscription. */
function registration(
  { aor, wildcard, active, contacts }: Registration,
  place: number,
  { id, now }: Reginfo,
  gruus: Gruus,
): string {
  const name = place === 0 ? id : `${id}-${place}`
  const state = active ? 'active' : 'terminated'
  const inside = contacts.map(each => contact(wildcard === '' ? aor : undefined, each, now, gruus)).join('')
  const identity =
    wildcard === '' ? '' : `<ere:wildcardedIdentity>${xmlText(wildcard)}</ere:wildcardedIdentity>`
  return (
    `<registration aor="${xmlText(aor)}" id="${xmlText(name)}" state="${state}">` +
    `${inside}${identity}</registration>`
  )
}

/** @param aor undefined for identities that have no GRUUs */
function contact(
  aor: string | undefined,
  { binding, event }: ContactState,
  now: number,
  gruus: Gruus,
): string {
  const { key, uri, callId, cseq, expiresAt, q, params } = binding
  const ended = endsContact(event)
  const seconds = ended ? 0 : Math.max(0, Math.ceil((expiresAt - now) / 1000))
  const attributes =
    `id="${xmlText(key)}" state="${ended ? 'terminated' : 'active'}" event="${event}" expires="${seconds}"` +
    ` q="${q}" callid="${xmlText(callId)}" cseq="${cseq}"`
  const unknown = (parseParams(params) ?? [])
    .map(
      ({ name, value }) =>
        `<unknown-param name="${xmlText(name)}">${xmlText(unquote(value))}</unknown-param>`,
    )
    .join('')
  const devices = ended || aor === undefined ? '' : gruusOf(aor, binding, gruus)
  return `<contact ${attributes}><uri>${xmlText(uri)}</uri>${unknown}${devices}</contact>`
}

function gruusOf(aor: string, binding: Binding, gruus: Gruus): string {
  const instance = instanceOf(binding)
  const open = instance === undefined ? undefined : publicGruu(aor, instance)
  if (instance === undefined || open === undefined) return ''
  const shown = `<gr:pub-gruu uri="${xmlText(open)}"/>`
  const { callId, cseq, gruuFrom } = binding
  if (gruuFrom === undefined) return shown
  const hidden = gruus.temporary(aor, { instance, callId, cseq })
  return hidden === undefined
    ? shown
    : `${shown}<gr:temp-gruu uri="${xmlText(hidden)}" first-cseq="${gruuFrom}"/>`
}

/** Octets of a SIP message as XML text: in ASCII, since a message of ours has one character an octet. */
function xmlText(octets: string): string {
  const text = /[^ -~]/.test(octets) ? printable(Buffer.from(octets, 'latin1').toString('utf8')) : octets
  return escapeXml(text).replace(
    /[\u{80}-\u{10ffff}]/gu,
    character => `&#${character.codePointAt(0) ?? 0xfffd};`,
  )
}

/** Without the characters that XML has no way to write. */
function printable(text: string): string {
  return text.replace(/[^\t\n\r -\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '\ufffd')
}
