import type { FilterCriterion, SessionCase } from '../../../lib/ims/ifc/criterion.ts'
import { matches } from '../../../lib/ims/ifc/match.ts'
import { Effort } from '../../../lib/ims/ifc/pattern.ts'
import type { Side } from '../../../lib/ims/served-user.ts'
import { millis } from '../../../lib/kit/clock.ts'
import { randomText } from '../../../lib/sip/branch.ts'
import type { ServerExchange } from '../../../lib/sip/exchange.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { Headers } from '../../../lib/sip/headers.ts'
import { hopsLeft } from '../../../lib/sip/hop.ts'
import { SipRequest, type SipResponse } from '../../../lib/sip/message.ts'
import { isEmergency } from '../../../lib/sip/priority.ts'
import type { Core } from '../core.ts'
import { toServer } from './isc.ts'
import { recordsInner, recordsServers } from './record-route.ts'
import type { Served } from './served.ts'
import { Visit } from './visit.ts'

/** The application servers of a user, and how far a request has come with them. */
export interface Chain {
  readonly served: Served
  readonly side: Side
  readonly registered: boolean
  readonly criteria: readonly FilterCriterion[]
  /** Place of the first criterion to be tried. */
  readonly from: number
}

/** What becomes of a request when no server is left to visit. */
type End = (request: SipRequest) => Promise<void> | void

/** The whole chain of a user; undefined if there is nothing to try, as for most there is not. */
export function chainFor(served: Served, side: Side, request: SipRequest, core: Core): Chain | undefined {
  if (request.method === 'ACK') return undefined
  const criteria = core.criteria.of(served.profile)
  const mayBeEmpty = !core.options.rejectIfNoMatchingIfcs
  if (mayBeEmpty && criteria.length === 0 && core.criteria.fallback.length === 0) return undefined
  return { served, side, registered: served.registered, criteria, from: 0 }
}

/**
 * Visits the servers whose criteria match, one after another, and gives the request to `end` after the last.
 *
 * A server that sends the request on ends this pass: what comes back is another one, which begins where its token says.
 * One that is not there and may be done without is passed over, as if the request had never been sent to it.
 */
export async function visitServers(
  exchange: ServerExchange,
  request: SipRequest,
  chain: Chain,
  core: Core,
  end: End,
): Promise<void> {
  const pass: Pass = { exchange, request, chain, answeredLate: false }
  const { dummyAppServer } = core.options
  let at = nextMatch(chain, chain.from, request, core)
  if (at === undefined && needsMatch(chain, request, core)) return core.answer(exchange, 400)
  while (at !== undefined) {
    const isDummy = dummyAppServer !== undefined && at.criterion.server.name === dummyAppServer
    if (!isDummy && (await visit(at, pass, core)) === 'answered') return
    at = nextMatch(chain, at.place + 1, request, core)
  }
  return end(request)
}

/** Diverted calls have met a criterion already, and help is not to be refused to anybody. */
function needsMatch({ from, side }: Chain, request: SipRequest, core: Core): boolean {
  return core.options.rejectIfNoMatchingIfcs && from === 0 && side !== 'cdiv' && !isEmergency(request)
}

/** A request on its way from one server that sent it on to the next one that does. */
interface Pass {
  readonly exchange: ServerExchange
  readonly request: SipRequest
  readonly chain: Chain
  /** A server that was passed over has answered after all. */
  answeredLate: boolean
}

interface Match {
  readonly place: number
  readonly criterion: FilterCriterion
}

/** The fallback criteria stand behind the user's own, and count if none of those has matched. */
function nextMatch(chain: Chain, from: number, request: SipRequest, core: Core): Match | undefined {
  const { criteria, side, registered } = chain
  const sessionCase = sessionCaseOf(side, registered)
  const situation = { request, registered, sessionCase, effort: new Effort() }
  const own = firstMatch(criteria, from)
  if (own !== undefined || (from > 0 && from <= criteria.length)) return own
  const fallback = firstMatch(core.criteria.fallback, Math.max(0, from - criteria.length))
  return fallback && { ...fallback, place: criteria.length + fallback.place }

  function firstMatch(list: readonly FilterCriterion[], start: number): Match | undefined {
    for (let place = start; place < list.length; place++) {
      const criterion = list[place]
      if (criterion !== undefined && matches(criterion, situation)) return { place, criterion }
    }
    return undefined
  }
}

function sessionCaseOf(side: Side, registered: boolean): SessionCase {
  if (side === 'cdiv') return 'originating-diverted'
  if (side === 'orig') return registered ? 'originating' : 'originating-unregistered'
  return registered ? 'terminating-registered' : 'terminating-unregistered'
}

async function visit(
  { place, criterion }: Match,
  pass: Pass,
  core: Core,
): Promise<'answered' | 'passed over'> {
  const { exchange, request, chain } = pass
  const { served, side, registered } = chain
  const { name, defaultHandling } = criterion.server
  const id = randomText(10)
  const maxForwards = Math.max(0, hopsLeft(exchange.request))
  const token = { visit: id, side, registered, next: place + 1, maxForwards, impu: served.impu }
  const inSight = chain.from > 0 ? recordsServers(core) : side !== 'orig' && recordsInner(core)
  const fork = toServer(request, { serverName: name, token, charging: served.charging, inSight }, core)
  if (fork === undefined) {
    core.answer(exchange, 502)
    return 'answered'
  }

  const mayGoOn = defaultHandling === 'continue'
  const { sessionContinuedTimeoutMs, sessionTerminatedTimeoutMs } = core.options
  const visiting = new Visit({
    sender: core.node,
    clock: core.clock,
    patience: millis(mayGoOn ? sessionContinuedTimeoutMs : sessionTerminatedTimeoutMs),
    onLateAnswer: response => answerLate(response, pass),
    onEnd: () => core.visits.delete(id),
  })
  core.visits.set(id, visiting)
  const { response } = await core.forward(exchange, [fork], 'scscf', { sender: visiting })
  if (!visiting.givenUp) core.visits.delete(id)
  if (response.status < 300) return 'answered'
  const isWanted = exchange.cancelled === undefined && !pass.answeredLate
  if (mayGoOn && isWanted && isFailure(response) && !visiting.responsive) {
    core.log.info('an application server is passed over', { server: name, status: response.status })
    return 'passed over'
  }
  exchange.respond(response)
  return 'answered'
}

/** What default handling is for: a server that is not there, or not well (TS 24.229 §5.4.3.2). */
function isFailure({ status }: SipResponse): boolean {
  return status === 408 || (status >= 500 && status < 600)
}

/** A proxy keeps no 2xx back (RFC 3261 §16.7): the server's answer stands, and what the session has come to since ends. */
function answerLate(response: SipResponse, pass: Pass): void {
  const { exchange, request } = pass
  pass.answeredLate = true
  exchange.respond(response)
  const reason = Headers.none.edit().append(H.Reason, 'SIP;cause=200;text="Call completed elsewhere"')
  exchange.onCancel?.(new SipRequest('CANCEL', request.uri, reason.done()))
}
