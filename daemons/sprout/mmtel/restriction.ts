import { H } from '../../../lib/sip/header-names.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import { formatPrivacy, privacyOf } from '../../../lib/sip/privacy.ts'

/**
 * The request with the Privacy that the caller has set up (OIR, TS 24.607 §4.5.2.4): it tells those behind what to keep
 * from the callee; nothing is hidden here. What he asks for in the call itself comes first.
 */
export function withRestriction(
  request: SipRequest,
  { byDefault }: { readonly byDefault: boolean },
): SipRequest {
  const asked = privacyOf(request.headers)
  const added = byDefault
    ? asked.has('none')
      ? []
      : ['id', 'header', 'user']
    : asked.has('id') || asked.has('header')
      ? ['user']
      : []
  const wanted = new Set([...asked, ...added])
  if (wanted.size === asked.size) return request
  return request.with(request.headers.edit().set(H.Privacy, formatPrivacy(wanted)).done())
}
