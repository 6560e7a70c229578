import { H, type HeaderId } from '../../lib/sip/header-names.ts'
import type { HeaderEdit, Headers } from '../../lib/sip/headers.ts'
import type { SipResponse } from '../../lib/sip/message.ts'

/** Who is on the other side of the edge. */
export type Outsider = 'client' | 'trunk'

/** Headers whose word is believed inside the core, and which nobody outside may therefore bring in. */
const CLAIMS: readonly HeaderId[] = [
  H['P-Served-User'],
  H['P-Charging-Vector'],
  H['P-Charging-Function-Addresses'],
  H['P-Profile-Key'],
  H['P-Asserted-Service'],
  H['P-Visited-Network-ID'],
  H['P-Associated-URI'],
  H['P-Called-Party-ID'],
  H['P-Private-Network-Indication'],
  H['P-Media-Authorization'],
  H.Path,
  H['Service-Route'],
]

/** Agreed with the next hop only, and there is none here that agrees (RFC 3329 §2.2). */
const SECURITY_AGREEMENT: readonly HeaderId[] = [
  H['Security-Client'],
  H['Security-Server'],
  H['Security-Verify'],
]

/** Headers that tell about the network or the other party, and which do not leave it (TS 24.229 §5.2, RFC 3325). */
const SECRETS: readonly HeaderId[] = [
  H['P-Charging-Vector'],
  H['P-Charging-Function-Addresses'],
  H['P-Access-Network-Info'],
  H['P-Visited-Network-ID'],
  H['P-Served-User'],
  H['P-Profile-Key'],
  H['P-Asserted-Service'],
  H['P-Private-Network-Indication'],
  H.Authorization,
  H['Proxy-Authorization'],
  ...SECURITY_AGREEMENT,
]

/** Between networks that do not share a policy for it (RFC 5009 §6). */
const OF_ONE_NETWORK: readonly HeaderId[] = [H['P-Early-Media']]

/** What does not come in, and what does not go out (sip.md §3.9). */
const TRUST: Readonly<
  Record<Outsider, { readonly in: ReadonlySet<HeaderId>; readonly out: ReadonlySet<HeaderId> }>
> = {
  client: {
    in: new Set([...CLAIMS, ...SECURITY_AGREEMENT, H['P-Asserted-Identity']]),
    out: new Set(SECRETS),
  },
  trunk: {
    in: new Set([...CLAIMS, ...SECRETS, ...OF_ONE_NETWORK]),
    out: new Set([...SECRETS, ...OF_ONE_NETWORK]),
  },
}

/** Takes out of a request what only the core may say, or what is not for it to know. */
export function removeClaims(edit: HeaderEdit, from: Outsider): HeaderEdit {
  return edit.removeAll(TRUST[from].in)
}

/** Takes out of a message what is the core's own business, and an identity that is to stay private. */
export function removeSecrets(headers: Headers, to: Outsider): HeaderEdit {
  const edit = headers.edit().removeAll(TRUST[to].out)
  return isIdentityPrivate(headers) ? edit.remove(H['P-Asserted-Identity']) : edit
}

/** A response as an outsider may see it. */
export function responseTowards(response: SipResponse, to: Outsider): SipResponse {
  return response.headers.hasAny(TRUST[to].out) || isIdentityPrivate(response.headers)
    ? response.with(removeSecrets(response.headers, to).done())
    : response
}

/** An outsider's response as the core may see it. */
export function responseFrom(response: SipResponse, from: Outsider): SipResponse {
  return response.headers.hasAny(TRUST[from].in)
    ? response.with(removeClaims(response.headers.edit(), from).done())
    : response
}

/** `Privacy: id` (RFC 3325 §9.3): nobody outside is told who it is. */
function isIdentityPrivate(headers: Headers): boolean {
  return headers
    .lines(H.Privacy)
    .some(line => line.split(';').some(token => token.trim().toLowerCase() === 'id'))
}
