import { AUTN_OCTETS, AUTS_OCTETS, RAND_OCTETS } from '../../../lib/ims/aka/vector.ts'
import { akaHa1, akaPassword } from '../../../lib/ims/aka/password.ts'
import type { AuthVector, AuthVectorQuery } from '../../../lib/ims/homestead.ts'
import { authParam, withAuthParam, type Credentials } from '../../../lib/sip/credentials.ts'
import { verifyDigest } from '../../../lib/sip/digest.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import { quote } from '../../../lib/sip/scan.ts'
import type { Challenge } from '../../../lib/store/challenge-store.ts'

type AkaVector = Extract<AuthVector, { kind: 'aka' }>
type AkaSecret = Extract<Challenge['secret'], { kind: 'aka' }>

/**
 * What a request asks to be challenged by: a P-CSCF that protects integrity says so with `integrity-protected`
 * (TS 24.229 §5.4.1.2.1), and a phone that knows version 2 with its algorithm (RFC 4169 §2). Else the subscriber
 * server decides.
 */
export function askedScheme(credentials: Credentials): Pick<AuthVectorQuery, 'scheme'> {
  if (authParam(credentials, 'algorithm')?.toLowerCase() === 'akav2-md5') return { scheme: 'aka2' }
  const mark = authParam(credentials, 'integrity-protected')
  return mark === 'yes' || mark === 'no' ? { scheme: 'aka' } : {}
}

export function akaSecret(vector: AkaVector): AkaSecret {
  return { kind: 'aka', version: vector.version, password: akaPassword(vector) }
}

/** The value of WWW-Authenticate (RFC 3310 §3.2); the keys are for the P-CSCF, which takes them out (TS 24.229 §5.4.1.2.1). */
export function formatAkaChallenge(vector: AkaVector, realm: string, opaque: string, stale: boolean): string {
  return (
    `Digest realm=${quote(realm)},nonce="${vector.challenge}",opaque="${opaque}",` +
    `stale=${stale ? 'TRUE' : 'FALSE'},algorithm=AKAv${vector.version}-MD5,qop="auth",` +
    `ck="${vector.cryptKey}",ik="${vector.integrityKey}"`
  )
}

/** Whether the phone has answered with what its USIM says; one that is out of step answers with no password at all. */
export function verifyAka(
  credentials: Credentials,
  { realm, secret }: { readonly realm: string; readonly secret: AkaSecret },
  { method, body }: SipRequest,
): boolean {
  const isOutOfStep = authParam(credentials, 'auts') !== undefined
  const username = authParam(credentials, 'username') ?? ''
  const ha1 = akaHa1(username, realm, isOutOfStep ? '' : secret.password)
  // Beneath its own name each version is MD5.
  return verifyDigest(withAuthParam(credentials, 'algorithm', 'MD5', false), { ha1, method, body })
}

/**
 * What the subscriber server needs to get into step with a phone (RFC 3310 §3.4).
 *
 * @returns base64 of RAND and AUTS; undefined if the phone is not out of step, 'malformed' if it says so in vain
 */
export function resyncOf(credentials: Credentials): string | undefined {
  const auts = authParam(credentials, 'auts')
  if (auts === undefined) return undefined
  const challenge = Buffer.from(authParam(credentials, 'nonce') ?? '', 'base64')
  const answer = Buffer.from(auts, 'base64')
  if (challenge.length !== RAND_OCTETS + AUTN_OCTETS || answer.length !== AUTS_OCTETS) return 'malformed'
  return Buffer.concat([challenge.subarray(0, RAND_OCTETS), answer]).toString('base64')
}
