import { parseCredentials, type Credentials } from '../sip/credentials.ts'
import { H } from '../sip/header-names.ts'
import type { SipRequest } from '../sip/message.ts'
import { parseUri, uriParam } from '../sip/uri.ts'
import { parseContact, parseDeltaSeconds, type Contact } from '../sip/values.ts'
import { impuOf, type Impu } from './identity.ts'

/*
 * What several functions want to know about a REGISTER. Each is asked at every hop, so the usual answer is found by a
 * look at the text.
 */

/** The public identity that registers; undefined if To is neither sip, sips nor tel. */
export function registeredImpu(request: SipRequest): Impu | undefined {
  const uri = request.to === undefined ? undefined : parseUri(request.to.uri)
  return uri === undefined ? undefined : impuOf(uri)
}

/** The credentials of a request; undefined if it has none or they are malformed. */
export function credentialsOf(request: SipRequest): Credentials | undefined {
  return request.headers.parsed(H.Authorization, parseCredentials)
}

/** True if a contact is for emergency calls: its URI has the parameter `sos` (TS 24.229 §5.1.6.2). */
export function hasEmergencyContact(request: SipRequest): boolean {
  if (!request.headers.lines(H.Contact).some(line => /sos/i.test(line))) return false
  return addressesOf(request).some(({ address }) => {
    const uri = parseUri(address.uri)
    return uri !== undefined && uriParam(uri, 'sos') !== undefined
  })
}

/** True if every contact it names is to be removed (TS 24.229 §5.1.1.6). */
export function isDeregistration(request: SipRequest): boolean {
  const general = request.headers.parsed(H.Expires, parseDeltaSeconds)
  const lines = request.headers.lines(H.Contact)
  if (lines.length === 0) return false
  if (general !== 0 && !lines.some(line => /expires/i.test(line))) return false
  if (lines.some(line => line.trim() === '*')) return general === 0
  return addressesOf(request).every(({ expires }) => (expires ?? general) === 0)
}

function addressesOf(request: SipRequest): readonly Extract<Contact, { kind: 'address' }>[] {
  return request.headers
    .list(H.Contact)
    .map(parseContact)
    .filter(contact => contact?.kind === 'address')
}
