import { formatCredentials, parseCredentials, withoutAuthParam } from '../../lib/sip/credentials.ts'
import { H } from '../../lib/sip/header-names.ts'
import type { SipResponse } from '../../lib/sip/message.ts'

const KEY = /\b[ci]k\s*=/i

/**
 * A challenge as a phone may see it: without the keys `ck` and `ik`, which the phone derives itself and which were
 * meant for this edge (TS 24.229 §5.2.2). Without IPsec there is nothing to use them for, so they are forgotten.
 */
export function withoutAkaKeys(response: SipResponse): SipResponse {
  const challenges = response.headers.lines(H['WWW-Authenticate'])
  if (!challenges.some(text => KEY.test(text))) return response
  const edit = response.headers.edit().remove(H['WWW-Authenticate'])
  for (const text of challenges) {
    const parsed = parseCredentials(text)
    // What cannot be read could hide a key.
    if (parsed === undefined) continue
    edit.append(
      H['WWW-Authenticate'],
      formatCredentials(withoutAuthParam(withoutAuthParam(parsed, 'ck'), 'ik')),
    )
  }
  return response.with(edit.done())
}
