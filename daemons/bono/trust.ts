import { H, type HeaderId } from '../../lib/sip/header-names.ts'
import type { HeaderEdit } from '../../lib/sip/headers.ts'
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

/** Takes out of a request to a client what is the core's own business. P-Asserted-Identity stays, unless private. */
export function removeSecrets(edit: HeaderEdit): HeaderEdit {
  return edit.removeAll(SECRETS)
}

/** A response as a client may see it. */
export function responseForClient(response: SipResponse): SipResponse {
  return response.headers.hasAny(SECRETS)
    ? response.with(removeSecrets(response.headers.edit()).done())
    : response
}

/** A client's response as the core may see it. */
export function responseFromClient(response: SipResponse): SipResponse {
  return response.headers.hasAny(CLAIMS)
    ? response.with(removeClaims(response.headers.edit()).done())
    : response
}
