import { H } from '../../lib/sip/header-names.ts'
import type { SipRequest } from '../../lib/sip/message.ts'
import { hasKnownScheme } from '../../lib/sip/scheme.ts'
import { parseMaxForwards } from '../../lib/sip/values.ts'

/** What every request from outside must have right (sip.md §2.1), in this order; else the status of its answer. */
export function faultOf(request: SipRequest): number | undefined {
  if (!hasKnownScheme(request.uri)) return 416
  const target = request.parsedUri
  // A Request-URI may not carry headers (RFC 3261 §19.1.1, RFC 4475 §3.1.2.11).
  if (target === undefined || (target.kind === 'sip' && target.headers !== '')) return 400
  const hops = parseMaxForwards(request.headers.get(H['Max-Forwards']) ?? '70') ?? 0
  if (hops <= 1) return 483
  if (request.headers.has(H['Proxy-Require'])) return 420
  return undefined
}
