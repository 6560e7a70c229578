import type { Invocation } from '../as/invocation.ts'
import { restoreFrom, withPrivacyApplied } from './privacy.ts'

/** The MMTel server (TS 24.607, sip.md §7.2). It serves the beginning of a session only, and steps aside for all else. */
export function mmtel(invocation: Invocation): Promise<void> | void {
  const { user, request } = invocation
  if (user?.side !== 'term' || !request.isInitial || request.method === 'ACK') return invocation.pass()
  return terminating(invocation)
}

async function terminating(invocation: Invocation): Promise<void> {
  const { request, exchange } = invocation
  const outgoing = withPrivacyApplied(request)
  if (outgoing === undefined) {
    // A 5xx alone would be a server that is not well, which calls go on without (TS 24.229 §5.4.3.3).
    invocation.answer(183)
    invocation.answer(503)
    return
  }
  if (outgoing === request) return invocation.pass()
  const { response } = await invocation.forward([outgoing], { onResponse: restoreFrom(request) })
  if (response.status >= 300) exchange.respond(response)
}
