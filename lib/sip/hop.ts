import type { HopLimits } from './exchange.ts'
import { H } from './header-names.ts'
import type { SipRequest } from './message.ts'
import { parseDeltaSeconds, parseMaxForwards } from './values.ts'

/** What a request may still do that says nothing about it (RFC 3261 §16.6 step 3, RFC 5393 §5.3.3). */
const DEFAULT_HOPS = 70
const DEFAULT_BREADTH = 60

/** Max-Forwards for the next hop; 0 or less means that the request may not go on (RFC 3261 §16.3 step 3). */
export function hopsLeft(request: SipRequest): number {
  return (request.headers.parsed(H['Max-Forwards'], parseMaxForwards) ?? DEFAULT_HOPS + 1) - 1
}

/** How many branches a request may have at once, all elements counted (RFC 5393 §5). */
export function breadthOf(request: SipRequest): number {
  return request.headers.parsed(H['Max-Breadth'], parseDeltaSeconds) ?? DEFAULT_BREADTH
}

/** The request as the next hop gets it: with the Via of this hop on top, and what it may still do. */
export function forHop(request: SipRequest, via: string, limits: HopLimits | undefined): SipRequest {
  const edit = request.headers.edit()
  if (limits !== undefined) {
    edit.set(H['Max-Forwards'], String(limits.maxForwards))
    if (limits.maxBreadth !== undefined) edit.set(H['Max-Breadth'], String(limits.maxBreadth))
  }
  return request.with(edit.prepend(H.Via, via).done())
}
