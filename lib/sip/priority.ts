import { H } from './header-names.ts'
import type { SipRequest } from './message.ts'
import { topRoute } from './routing.ts'

const EMERGENCY = /^urn:services?:sos/i

/**
 * Whether a request must be let in whatever the load (sip.md §8.1): emergency calls, what belongs to a dialog or to the
 * chain of a call, what keeps a registration, polls, and what has a configured priority (RFC 4412).
 *
 * A REGISTER with credentials renews a registration or answers our challenge, for which the work is half done; one
 * without begins a registration, and thousands of those are what an overload is made of.
 *
 * @param priorities values of Resource-Priority in lower case, `ets.0`
 */
export function isUrgent(request: SipRequest, priorities: ReadonlySet<string> | undefined): boolean {
  if (!request.isInitial) return true
  switch (request.method) {
    case 'OPTIONS':
    case 'SUBSCRIBE':
      return true
    case 'REGISTER':
      return request.headers.has(H.Authorization)
  }
  return isEmergency(request) || isOfChain(request) || hasPriority(request, priorities)
}

/** A call for help (RFC 5031). */
export function isEmergency({ uri }: SipRequest): boolean {
  return EMERGENCY.test(uri)
}

/** It comes back from an application server to the place in its chain. */
function isOfChain(request: SipRequest): boolean {
  return topRoute(request)?.user?.startsWith('odi_') === true
}

/** Whether one of its values of Resource-Priority is among these (RFC 4412 §3.1), which are in lower case. */
export function hasPriority(request: SipRequest, priorities: ReadonlySet<string> | undefined): boolean {
  if (priorities === undefined || priorities.size === 0) return false
  return request.headers
    .list(H['Resource-Priority'])
    .some(value => priorities.has(value.trim().toLowerCase()))
}
