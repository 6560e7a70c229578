import { opcOf } from '../../lib/ims/aka/milenage.ts'
import type { Impi } from '../../lib/ims/identity.ts'
import type { Credentials } from '../../lib/store/provisioning-store.ts'
import { digestHa1, type Usim } from './provisioning.ts'

/** What a private identity proves itself by: a password, a USIM, or both. */
export interface GivenCredentials {
  readonly credentials: Omit<Credentials, 'hasUsim'>
  readonly usim?: Usim
}

/** Reads the body of `PUT /private/<impi>`. @returns a sentence if it is not that */
export function readCredentials(body: string, impi: Impi, homeDomain: string): GivenCredentials | string {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return 'Body is not JSON'
  }
  if (!isObject(value)) return 'Body is not a JSON object'
  const usim = value.aka === undefined ? undefined : usimOf(value.aka)
  if (typeof usim === 'string') return usim
  const hasPassword = value.digest_ha1 !== undefined || value.plaintext_password !== undefined
  if (usim === undefined || hasPassword) {
    const credentials = credentialsOf(value, impi, homeDomain)
    if (typeof credentials === 'string') return credentials
    return { credentials, ...(usim === undefined ? {} : { usim }) }
  }
  const { realm = homeDomain } = value
  return typeof realm === 'string' ? { credentials: { realm }, usim } : 'realm is not a string'
}

/**
 * Exactly one of `digest_ha1` and `plaintext_password`, perhaps with `digest_ha1_sha256` beside it (an addition of
 * ours, RFC 8760), and a realm if it is not the home domain.
 */
export function credentialsOf(
  value: unknown,
  impi: Impi,
  homeDomain: string,
): Omit<Credentials, 'hasUsim'> | string {
  if (!isObject(value)) return 'Body is not a JSON object'
  const {
    digest_ha1: ha1,
    digest_ha1_sha256: sha256Ha1,
    plaintext_password: password,
    realm = homeDomain,
  } = value
  if (typeof realm !== 'string') return 'realm is not a string'
  if ((ha1 === undefined) === (password === undefined))
    return 'exactly one of digest_ha1 and plaintext_password is needed'
  if (sha256Ha1 !== undefined && !isHex(sha256Ha1, 32))
    return 'digest_ha1_sha256 is not a hash of 64 hexadecimal digits'
  const more = sha256Ha1 === undefined ? {} : { sha256Ha1: sha256Ha1.toLowerCase() }
  if (typeof ha1 === 'string' && ha1 !== '') return { ha1, ...more, realm }
  if (typeof password !== 'string' || password === '')
    return 'digest_ha1 or plaintext_password is not a string'
  return { ha1: digestHa1(impi, realm, password), ...more, realm, plaintextPassword: password }
}

const KEY_OCTETS = 16
/** The separation bit is set: the vector is for no other network than one of ours (TS 33.102 Annex H). */
const USUAL_AMF = '8000'

/** `{k, opc | op, amf, sqn}` in hexadecimal digits; the last two may be left out. */
function usimOf(value: unknown): Usim | string {
  if (!isObject(value)) return 'aka is not an object'
  const { k, opc, op, amf = USUAL_AMF, sqn } = value
  if (!isHex(k, KEY_OCTETS)) return 'aka.k is not a key of 32 hexadecimal digits'
  if ((opc === undefined) === (op === undefined)) return 'exactly one of aka.opc and aka.op is needed'
  if (!isHex(opc ?? op, KEY_OCTETS)) return 'aka.opc or aka.op is not of 32 hexadecimal digits'
  if (!isHex(amf, 2)) return 'aka.amf is not of 4 hexadecimal digits'
  if (sqn !== undefined && !isHex(sqn, 6)) return 'aka.sqn is not of 12 hexadecimal digits'
  const constant = isHex(opc, KEY_OCTETS)
    ? opc
    : opcOf(Buffer.from(k, 'hex'), Buffer.from(String(op), 'hex')).toString('hex')
  const key = { k: k.toLowerCase(), opc: constant.toLowerCase(), amf: amf.toLowerCase() }
  return sqn === undefined ? { key } : { key, sqn: BigInt(`0x${sqn}`) }
}

function isHex(value: unknown, octets: number): value is string {
  return typeof value === 'string' && value.length === 2 * octets && /^[0-9a-f]*$/i.test(value)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
