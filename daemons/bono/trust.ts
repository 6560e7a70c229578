import { H, type HeaderId } from '../../lib/sip/header-names.ts'
import type { HeaderEdit, Headers } from '../../lib/sip/headers.ts'
import type { SipResponse } from '../../lib/sip/message.ts'

/** Headers whose word is believed inside the core, and which a client may therefore not bring in. */
const CLAIMS: ReadonlySet<HeaderId> = new Set([
  H['P-Asserted-Identity'],
  H['P-Served-User'],
  H['P-Charging-Vector'],
  H['P-Charging-Function-Addresses'],
  H['P-Profile-Key'],
  H['P-Asserted-Service'],
  H['P-Visited-Network-ID'],
  H['P-Associated-URI'],
  H['P-Called-Party-ID'],
  H['P-Private-Network-Indication'],
  H.Path,
  H['Service-Route'],
])

/** Headers that tell about the network or the other party, and which do not leave it (TS 24.229 §5.2, RFC 3325). */
const SECRETS: ReadonlySet<HeaderId> = new Set([
  H['P-Charging-Vector'],
  H['P-Charging-Function-Addresses'],
  H['P-Access-Network-Info'],
  H['P-Visited-Network-ID'],
  H['P-Served-User'],
  H['P-Profile-Key'],
  H.Authorization,
  H['Proxy-Authorization'],
])

/** Takes out of a client's request what only the core may say. */
export function removeClaims(edit: HeaderEdit): HeaderEdit {
  return edit.removeAll(CLAIMS)
}

/** Takes out of a message to a client what is the core's own business, and an identity that is to stay private. */
export function removeSecrets(headers: Headers): HeaderEdit {
  const edit = headers.edit().removeAll(SECRETS)
  return isIdentityPrivate(headers) ? edit.remove(H['P-Asserted-Identity']) : edit
}

/** A response as a client may see it. */
export function responseForClient(response: SipResponse): SipResponse {
  return response.headers.hasAny(SECRETS) || isIdentityPrivate(response.headers)
    ? response.with(removeSecrets(response.headers).done())
    : response
}

/** A client's response as the core may see it. */
export function responseFromClient(response: SipResponse): SipResponse {
  return response.headers.hasAny(CLAIMS)
    ? response.with(removeClaims(response.headers.edit()).done())
    : response
}

/** `Privacy: id` (RFC 3325 §9.3): nobody outside is told who it is. */
function isIdentityPrivate(headers: Headers): boolean {
  return headers
    .lines(H.Privacy)
    .some(line => line.split(';').some(token => token.trim().toLowerCase() === 'id'))
}
