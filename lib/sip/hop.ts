import { newLocalBranch } from './branch.ts'
import type { HopLimits } from './exchange.ts'
import { H } from './header-names.ts'
import type { SipRequest } from './message.ts'
import { parseDeltaSeconds, parseMaxForwards } from './values.ts'

/** What a request may still do that says nothing about it (RFC 3261 §16.6 step 3, RFC 5393 §5.3.3). */
const DEFAULT_HOPS = 70
const DEFAULT_BREADTH = 60

/** Max-Forwards for the next hop; 0 or less means that the request may not go on (RFC 3261 §16.3 step 3). */
export function hopsLeft(request: SipRequest): number {
  const given = request.headers.parsed(H['Max-Forwards'], parseMaxForwards) ?? DEFAULT_HOPS + 1
  return given - (request.inside?.count ?? 0) - 1
}

/** How many branches a request may have at once, all elements counted (RFC 5393 §5). */
export function breadthOf(request: SipRequest): number {
  return request.headers.parsed(H['Max-Breadth'], parseDeltaSeconds) ?? DEFAULT_BREADTH
}

/**
 * The request as the next hop gets it over the network: with the Via of this hop on top, above those of the hops it
 * made inside the process, and what it may still do.
 */
export function forHop(request: SipRequest, via: string, limits: HopLimits | undefined): SipRequest {
  const edit = request.headers.edit()
  if (limits !== undefined) {
    edit.set(H['Max-Forwards'], String(limits.maxForwards))
    if (limits.maxBreadth !== undefined) edit.set(H['Max-Breadth'], String(limits.maxBreadth))
    else if (request.method !== 'ACK' && !request.headers.has(H['Max-Breadth']))
      edit.append(H['Max-Breadth'], String(DEFAULT_BREADTH))
  }
  const vias = [via]
  for (let hop = request.inside; hop !== undefined; hop = hop.before) {
    vias.push(`SIP/2.0/TCP ${hop.as};branch=${newLocalBranch()}`)
  }
  return request.outside(edit.prependAll(H.Via, vias).done())
}

/**
 * The request as a function of the same process gets it. The Via of the hop, and the Max-Forwards it costs, are only
 * noted: they are written when the request leaves the process, if it does.
 */
export function forInsideHop(request: SipRequest, as: string, limits: HopLimits | undefined): SipRequest {
  const breadth = limits?.maxBreadth
  if (breadth === undefined) return request.handedOn(as)
  return request.with(request.headers.edit().set(H['Max-Breadth'], String(breadth)).done()).handedOn(as)
}
