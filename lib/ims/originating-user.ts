import { H } from '../sip/header-names.ts'
import type { SipRequest } from '../sip/message.ts'
import { parseNameAddr } from '../sip/name-addr.ts'
import { parseUri, type Uri } from '../sip/uri.ts'

/**
 * Who sends a request: what a trusted hop says first, then what the edge asserts, then From (TS 24.229 §5.4.3.2);
 * undefined if that is no URI.
 */
export function originatingUser(request: SipRequest): Uri | undefined {
  const said = request.headers.get(H['P-Served-User']) ?? request.headers.top(H['P-Asserted-Identity'])
  const address = said === undefined ? request.from : parseNameAddr(said)
  return address === undefined ? undefined : parseUri(address.uri)
}
