import { diversionTarget } from '../../../lib/ims/diversion-target.ts'
import type { Duration, Timer } from '../../../lib/kit/clock.ts'
import { Attempt } from '../../../lib/sip/attempt.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { Headers } from '../../../lib/sip/headers.ts'
import { SipRequest, type SipResponse } from '../../../lib/sip/message.ts'
import { parseNameAddr } from '../../../lib/sip/name-addr.ts'
import { diversionsOf, withDiversion } from './history.ts'
import type { Invocation } from './invocation.ts'

/** What a call may meet at the callee; `always` is before it is tried. */
export type Circumstance = 'always' | 'busy' | 'not-registered' | 'no-answer' | 'not-reachable'

/** What a callee has set up for calls that come in. */
export interface DiversionPlan {
  /** Where calls go that have met this, as the callee has written it; undefined if they are not diverted. */
  target(circumstance: Circumstance): string | undefined
  /** How long it rings before nobody answers. */
  readonly noReply: Duration
  /** A 302 of the callee's is followed. */
  readonly deflects: boolean
}

export interface CalleeOptions {
  readonly plan: DiversionPlan
  /** Refuses a call that is not diverted before it is tried: with this status, if any. */
  readonly refusal?: () => number | undefined
  readonly onResponse?: (response: SipResponse) => SipResponse
}

/** A call that has been diverted so often is not diverted again (TS 24.604 §4.3.1.2). */
const MOST_DIVERSIONS = 5
/** The code for what has no response of its own: diverted at once, or for want of an answer (sip.md §7.4). */
const UNAVAILABLE = 480

/**
 * Lets a request come to the callee, or sends it elsewhere, as his plan says (TS 24.604, sip.md §7.4).
 *
 * It is diverted once at most; what comes after is the business of the one it was sent to. The callee stops ringing
 * when it is, and does not get it back.
 *
 * @param request as it is to go on, to the callee as well as elsewhere
 */
export async function serveCallee(
  invocation: Invocation,
  request: SipRequest,
  options: CalleeOptions,
): Promise<void> {
  const { plan, refusal, onResponse } = options
  const isCall = request.method === 'INVITE'
  const targetUri = (target: string): string | undefined =>
    diversionTarget(target, invocation.core.options.homeDomains[0])
  const divertTo = (target: string | undefined, status: number): Promise<void> | undefined => {
    const uri = target === undefined ? undefined : targetUri(target)
    if (uri === undefined || diversionsOf(request.headers) >= MOST_DIVERSIONS) return undefined
    return divert(invocation, withDiversion(request, uri, status), onResponse)
  }

  const always = isCall ? plan.target('always') : undefined
  if (always !== undefined) {
    if (targetUri(always) !== undefined) {
      return divertTo(always, UNAVAILABLE) ?? invocation.answer(UNAVAILABLE)
    }
    invocation.core.log.info('a call is not diverted to what is no address', {
      callee: invocation.user?.impu,
    })
  }
  const refused = refusal?.()
  if (refused !== undefined) return invocation.answer(refused)

  const { response, rung, timedOut } = await tryCallee(invocation, request, options)
  if (response.status < 300) return
  if (invocation.exchange.cancelled === undefined) {
    const [target, status] = whereTo(response, { isCall, rung, timedOut, plan })
    const diverted = divertTo(target, status)
    if (diverted !== undefined) return diverted
  }
  if (timedOut) invocation.answer(UNAVAILABLE)
  else invocation.exchange.respond(response)
}

interface Met {
  readonly isCall: boolean
  readonly rung: boolean
  readonly timedOut: boolean
  readonly plan: DiversionPlan
}

/** Where a call goes that the callee's side has answered with a failure, and the code that is told for it. */
function whereTo(
  response: SipResponse,
  { isCall, rung, timedOut, plan }: Met,
): [target: string | undefined, status: number] {
  const { status } = response
  if (timedOut) return [plan.target('no-answer'), UNAVAILABLE]
  if (status === 302 && plan.deflects) return [contactOf(response), status]
  if (!isCall) return [undefined, status]
  for (const circumstance of circumstancesOf(status, rung)) {
    const target = plan.target(circumstance)
    if (target !== undefined) return [target, status]
  }
  return [undefined, status]
}

function circumstancesOf(status: number, rung: boolean): readonly Circumstance[] {
  if (status === 486) return ['busy']
  if (status === 404 || status === 480) return ['not-registered']
  if (status === 408) return [rung ? 'no-answer' : 'not-reachable']
  return !rung && (status === 500 || status === 503) ? ['not-reachable'] : []
}

function contactOf(response: SipResponse): string | undefined {
  const contact = response.headers.top(H.Contact)
  return contact === undefined ? undefined : parseNameAddr(contact)?.uri
}

interface Tried {
  readonly response: SipResponse
  readonly rung: boolean
  /** Nobody has answered for as long as the callee lets it ring. */
  readonly timedOut: boolean
}

/** Sends the request to the callee, and gives up when it has rung for too long. */
async function tryCallee(
  invocation: Invocation,
  request: SipRequest,
  { plan, onResponse }: CalleeOptions,
): Promise<Tried> {
  const { core, exchange } = invocation
  let timer: Timer | undefined
  let rung = false
  const attempt = new Attempt(core.node, {
    lateAnswer: response => {
      exchange.respond(onResponse?.(response) ?? response)
      // What it has been diverted to ends.
      const reason = Headers.none.edit().append(H.Reason, 'SIP;cause=200;text="Call completed elsewhere"')
      exchange.onCancel?.(new SipRequest('CANCEL', request.uri, reason.done()))
    },
  })
  const outcome = await invocation.forward([request], {
    sender: attempt,
    onResponse: response => {
      if (response.status === 180 && !rung) {
        rung = true
        if (request.method === 'INVITE' && plan.target('no-answer') !== undefined) {
          timer = core.clock.after(plan.noReply, () => attempt.giveUp())
        }
      }
      return onResponse?.(response) ?? response
    },
  })
  timer?.cancel()
  return { response: outcome.response, rung, timedOut: attempt.givenUp }
}

async function divert(
  invocation: Invocation,
  request: SipRequest,
  onResponse: CalleeOptions['onResponse'],
): Promise<void> {
  if (request.method === 'INVITE') invocation.answer(181)
  const options = onResponse === undefined ? {} : { onResponse }
  const { response } = await invocation.forward([request], options)
  if (response.status >= 300) invocation.exchange.respond(response)
}
