import { MAGIC_COOKIE } from './branch.ts'
import { H } from './header-names.ts'
import type { SipRequest } from './message.ts'
import { param, withParam } from './params.ts'
import type { Flow } from './transport/flow.ts'
import { branchOf, formatVia, hasRport, type Via } from './via.ts'

/**
 * What names a server transaction: branch, sender and method (RFC 3261 §17.2.3), or more where the branch is not one
 * of RFC 3261.
 */
export function transactionKey(request: SipRequest, via: Via, method: string): string {
  const branch = branchOf(via)
  const sender = `${method} ${via.host}:${via.port ?? ''} `
  if (branch !== undefined && branch.length > MAGIC_COOKIE.length && branch.startsWith(MAGIC_COOKIE)) {
    // Joined text is a copy of its pieces as soon as a map looks at it.
    return sender + branch
  }
  return sender + [request.uri, request.callId, request.fromTag, request.cseq?.number, via.params].join(' ')
}

/** Notes where a request really came from (RFC 3261 §18.2.1, RFC 3581 §4). */
export function stampSource(request: SipRequest, via: Via, flow: Flow): SipRequest {
  return request.with(request.headers.edit().replaceTop(H.Via, stampedVia(via, flow)).done())
}

function stampedVia(via: Via, flow: Flow): string {
  // What a client has written there is not believed.
  if (hasRport(via) || param(via.params, 'received') !== undefined) {
    const rport = hasRport(via) ? withParam(via.params, 'rport', String(flow.remotePort)) : via.params
    return formatVia({ ...via, params: withParam(rport, 'received', flow.remoteAddress) })
  }
  return `${formatVia(via)};received=${flow.remoteAddress}`
}
