import { H, type HeaderId } from '../../lib/sip/header-names.ts'
import type { Headers } from '../../lib/sip/headers.ts'
import type { SipRequest } from '../../lib/sip/message.ts'
import { hasPriority } from '../../lib/sip/priority.ts'
import { hasKnownScheme } from '../../lib/sip/scheme.ts'
import { parseMaxForwards } from '../../lib/sip/values.ts'

/** Why a request from outside is not taken: the status of its answer, and what that has to tell. */
export interface Fault {
  readonly status: number
  readonly header?: readonly [id: HeaderId, value: string]
}

/**
 * What every request from outside must have right (sip.md §2.1), in this order.
 *
 * @param priorities values of Resource-Priority that count here (RFC 4412 §4.6.2); none, and they are not looked at
 */
export function faultOf(request: SipRequest, priorities: ReadonlySet<string> = NONE): Fault | undefined {
  const { headers } = request
  if (!hasKnownScheme(request.uri)) return { status: 416 }
  const target = request.parsedUri
  // A Request-URI may not carry headers (RFC 3261 §19.1.1, RFC 4475 §3.1.2.11).
  if (target === undefined || (target.kind === 'sip' && target.headers !== '')) return { status: 400 }
  const hops = parseMaxForwards(headers.get(H['Max-Forwards']) ?? '70') ?? 0
  if (hops <= 1) return { status: 483 }
  const ofPriorities = priorities.size > 0
  if (headers.has(H['Proxy-Require'])) {
    const known = (option: string): boolean => ofPriorities && option.toLowerCase() === PRIORITY_OPTION
    const unknown = headers.list(H['Proxy-Require']).filter(option => !known(option))
    if (unknown.length > 0) return { status: 420, header: [H.Unsupported, unknown.join(', ')] }
  }
  if (ofPriorities && insistsOnPriority(headers) && !hasPriority(request, priorities)) {
    return { status: 417, header: [H['Accept-Resource-Priority'], [...priorities].join(', ')] }
  }
  return undefined
}

const NONE: ReadonlySet<string> = new Set()
const PRIORITY_OPTION = 'resource-priority'

function insistsOnPriority(headers: Headers): boolean {
  return [H.Require, H['Proxy-Require']].some(
    id => headers.has(id) && headers.list(id).some(option => option.toLowerCase() === PRIORITY_OPTION),
  )
}
