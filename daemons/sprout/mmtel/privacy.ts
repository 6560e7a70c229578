import { H, type HeaderId } from '../../../lib/sip/header-names.ts'
import type { SipRequest, SipResponse } from '../../../lib/sip/message.ts'
import { formatPrivacy, privacyOf } from '../../../lib/sip/privacy.ts'

const IN_HEADERS: ReadonlySet<HeaderId> = new Set([H['Call-Info'], H.Server, H.Organization])

/** What users' own devices fill in (RFC 3323 §4.1). */
const OF_USER: ReadonlySet<HeaderId> = new Set([
  H.Subject,
  H['Call-Info'],
  H.Organization,
  H['User-Agent'],
  H['Reply-To'],
  H['In-Reply-To'],
])

const ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'

/**
 * The request as the callee may see it, by what the caller's Privacy asks for (TS 24.607 §4.5.2.9, RFC 3323 §5,
 * RFC 3325 §9.3); undefined if it demands what is not done here, so that the request may not go on.
 *
 * Via, Record-Route, Contact and Call-ID stay as they are: the dialog needs them, and nothing here keeps it.
 */
export function withPrivacyApplied(request: SipRequest): SipRequest | undefined {
  const { headers, fromTag } = request
  const wanted = privacyOf(headers)
  if (wanted.size === 0 || wanted.has('none')) return request
  if (wanted.has('session') && wanted.has('critical') && request.method === 'INVITE') return undefined
  const edit = headers.edit()
  if (wanted.has('header')) {
    edit.removeAll(IN_HEADERS)
    if (!wanted.has('id')) edit.set(H.Privacy, formatPrivacy(new Set([...wanted, 'id'])))
  }
  if (wanted.has('user')) {
    edit.removeAll(OF_USER).set(H.From, fromTag === undefined ? ANONYMOUS : `${ANONYMOUS};tag=${fromTag}`)
  }
  if (wanted.has('id') || wanted.has('header')) edit.remove(H['P-Asserted-Identity'])
  return request.with(edit.done())
}

/** Gives the caller his own From back, which he asked to have hidden from others only. */
export function restoreFrom(request: SipRequest): (response: SipResponse) => SipResponse {
  const from = request.headers.get(H.From)
  return response =>
    from === undefined || response.headers.get(H.From) === from
      ? response
      : response.with(response.headers.edit().set(H.From, from).done())
}
