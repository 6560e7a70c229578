import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto'
import { param } from '../sip/params.ts'
import { unquote } from '../sip/scan.ts'
import { formatUri, parseUri, sipUri, uriParam, type SipUri } from '../sip/uri.ts'
import type { Binding } from '../store/registration-store.ts'
import { impuOf, type Impu } from './identity.ts'

/*
 * Globally routable user agent URIs (RFC 5627): one device of a user, wherever it is. A public one names user and device.
 * A temporary one names neither to anybody but this core; what it means stands enciphered in it, so none is stored.
 */

/** The device of a contact: its `+sip.instance` without quotes and `<>`; undefined if it has none. */
export function instanceOf({ params }: Pick<Binding, 'params'>): string | undefined {
  const value = param(params, '+sip.instance')
  if (value === undefined) return undefined
  const plain = unquote(value)
  const bare = plain.startsWith('<') && plain.endsWith('>') ? plain.slice(1, -1) : plain
  return bare === '' ? undefined : bare
}

/** The public GRUU of a user's device; undefined for a user who is no SIP URI (RFC 5627 §3.1.1). */
export function publicGruu(aor: string, instance: string): string | undefined {
  const uri = parseUri(aor)
  return uri?.kind === 'sip' ? `${aor};gr=${escapeParam(instance)}` : undefined
}

/** What a request to a GRUU asks for: the one device, or the registration that a temporary GRUU was given out in. */
export type GruuTarget =
  | { readonly kind: 'public'; readonly instance: string }
  | { readonly kind: 'temporary'; readonly registration: string; readonly cseq: number }
  /** It has the form of a temporary one, and is none of this core. */
  | { readonly kind: 'unknown' }

/** What a temporary GRUU stands for. */
export interface TemporaryGruu {
  readonly impu: Impu
  readonly registration: string
  readonly cseq: number
}

/** The registration in which a device's temporary GRUUs are good. */
interface Registered {
  readonly instance: string
  readonly callId: string
  /** CSeq of the REGISTER whose answer gives it out. */
  readonly cseq: number
}

const PREFIX = 'tgruu.'
const MARK_BYTES = 8
const CSEQ_BYTES = 4
const IV_BYTES = 16
/** An identity is no longer than a store takes for a key. */
const MOST_BYTES = 2048

/**
 * Makes and reads GRUUs.
 *
 * A temporary one is user, CSeq, and a digest of device and Call-ID, enciphered under a key made of the secret, with a
 * digest of them all as nonce, which shows on reading that it is ours (the way of RFC 5297). The same REGISTER gives the
 * same one, another a quite different one. One that was given out is good as long as its device stays registered under
 * the Call-ID it came with (RFC 5627 §5.2, Appendix A).
 */
export class Gruus {
  readonly #secret: string
  readonly #key: Buffer

  /** @param secret the same for all who serve these users, and after a restart */
  constructor(secret: string) {
    this.#secret = secret
    this.#key = createHmac('sha256', secret).update('temporary GRUU').digest()
  }

  /** A temporary GRUU; undefined for a user who is no SIP URI. */
  temporary(aor: string, registered: Registered): string | undefined {
    const uri = parseUri(aor)
    if (uri?.kind !== 'sip') return undefined
    const cseq = Buffer.alloc(CSEQ_BYTES)
    cseq.writeUInt32BE(registered.cseq)
    const mark = Buffer.from(this.#mark(registered), 'hex')
    const plain = Buffer.concat([mark, cseq, Buffer.from(aor, 'latin1')])
    const nonce = this.#nonce(plain)
    const cipher = createCipheriv('aes-256-ctr', this.#key, nonce)
    const text = Buffer.concat([nonce, cipher.update(plain), cipher.final()]).toString('base64url')
    return formatUri(sipUri({ scheme: uri.scheme, user: PREFIX + text, host: uri.host, params: ';gr' }))
  }

  /** What a URI stands for that has the form of a temporary GRUU; undefined if it is none that was made here. */
  readTemporary(uri: SipUri): TemporaryGruu | undefined {
    if (!isTemporary(uri)) return undefined
    const bytes = Buffer.from(uri.user?.slice(PREFIX.length) ?? '', 'base64url')
    if (bytes.length <= IV_BYTES + MARK_BYTES + CSEQ_BYTES || bytes.length > MOST_BYTES) return undefined
    const nonce = bytes.subarray(0, IV_BYTES)
    const decipher = createDecipheriv('aes-256-ctr', this.#key, nonce)
    const plain = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES)), decipher.final()])
    if (!timingSafeEqual(nonce, this.#nonce(plain))) return undefined
    return {
      registration: plain.toString('hex', 0, MARK_BYTES),
      cseq: plain.readUInt32BE(MARK_BYTES),
      impu: plain.toString('latin1', MARK_BYTES + CSEQ_BYTES) as Impu,
    }
  }

  /** The user a URI is an address of, GRUUs included; undefined as in `impuOf`, and for a foreign temporary GRUU. */
  userOf(uri: Parameters<typeof impuOf>[0]): Impu | undefined {
    return uri.kind === 'sip' && isTemporary(uri) ? this.readTemporary(uri)?.impu : impuOf(uri)
  }

  /** Which device a URI asks for; undefined if it is no GRUU. */
  targetOf(uri: SipUri): GruuTarget | undefined {
    const device = uriParam(uri, 'gr')
    if (device === undefined) return undefined
    if (device !== '') return { kind: 'public', instance: unescapeParam(device) }
    const temporary = this.readTemporary(uri)
    if (temporary === undefined) return { kind: 'unknown' }
    const { registration, cseq } = temporary
    return { kind: 'temporary', registration, cseq }
  }

  /** Whether a binding is what a GRUU asks for. */
  reaches(target: GruuTarget, binding: Pick<Binding, 'params' | 'callId' | 'gruuFrom'>): boolean {
    const instance = instanceOf(binding)
    if (instance === undefined) return false
    switch (target.kind) {
      case 'public':
        return instance.toLowerCase() === target.instance.toLowerCase()
      case 'temporary':
        return (
          binding.gruuFrom !== undefined &&
          binding.gruuFrom <= target.cseq &&
          this.#mark({ instance, callId: binding.callId }) === target.registration
        )
      case 'unknown':
        return false
    }
  }

  #mark({ instance, callId }: Pick<Registered, 'instance' | 'callId'>): string {
    const digest = createHmac('sha256', this.#secret).update(`${instance}\n${callId}`, 'latin1').digest()
    return digest.toString('hex', 0, MARK_BYTES)
  }

  #nonce(plain: Buffer): Buffer {
    return createHmac('sha256', this.#secret).update('nonce').update(plain).digest().subarray(0, IV_BYTES)
  }
}

/** Whether a URI has the form of our temporary GRUUs. */
function isTemporary(uri: SipUri): boolean {
  return uri.user?.startsWith(PREFIX) === true && uriParam(uri, 'gr') === ''
}

/** Everything that may not stand in a URI parameter as it is (RFC 3261 §25.1). */
function escapeParam(text: string): string {
  return text.replace(
    /[^A-Za-z0-9\-_.!~*'()[\]/:&+$]/g,
    octet => `%${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}

function unescapeParam(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(parseInt(digits, 16)))
}
