import { H } from '../../../lib/sip/header-names.ts'
import type { HeaderEdit } from '../../../lib/sip/headers.ts'
import { parseNameAddr } from '../../../lib/sip/name-addr.ts'
import type { SipRequest, SipResponse } from '../../../lib/sip/message.ts'
import { param } from '../../../lib/sip/params.ts'
import { parseVia } from '../../../lib/sip/via.ts'
import type { Step } from './report.ts'
import { stepOf } from './step.ts'
import { newCallId, sdpOf, type Answer, type Patience, type UserAgent } from './user-agent.ts'

/**
 * How far a call came: `INVITE` did not reach the callee; its `answer` did not come back; `ACK` or `BYE` did not reach
 * the callee; the answer to BYE (`end`) did not come back; or it was made and `done`.
 */
export type CallStage = 'INVITE' | 'answer' | 'ACK' | 'BYE' | 'end' | 'done'

export interface Call {
  readonly stage: CallStage
  /** What the caller heard last. */
  readonly last: Answer
  readonly steps: readonly Step[]
  /** Hosts that the INVITE came through, the first one first, as the callee saw them in its Vias. */
  readonly hosts: readonly string[]
}

export interface CallParts {
  readonly caller: UserAgent
  readonly callee: UserAgent
  /**
   * As an element of the core sends it that has authenticated the caller: with this Route into the core, and the
   * caller's identity asserted.
   */
  readonly route?: string
  /** What they do between ACK and BYE. Absent: nothing. */
  readonly talk?: () => Promise<void>
}

/** One whole call: INVITE, 180, 200, ACK, BYE, 200. Whatever happens, no part of it is left behind. */
export async function placeCall(
  { caller, callee, route, talk }: CallParts,
  patience: Patience,
): Promise<Call> {
  const callId = newCallId()
  callee.expectCall(callId)
  const invite = caller.request('INVITE', callee.identity.impu, {
    callId,
    cseq: 1,
    edit: headers => {
      headers.set(H.Contact, caller.contact).set(H['Content-Type'], 'application/sdp')
      if (route === undefined) return
      headers.set(H.Route, route).set(H['P-Asserted-Identity'], `<${caller.identity.impu}>`)
    },
    body: sdpOf('127.0.0.1'),
  })
  const invited = await caller.ask(invite, patience)
  const steps = [stepOf('INVITE', invited)]
  const arrived = callee.hasHeard('INVITE')
  const hosts = arrived === undefined ? [] : hostsOf(arrived)
  const { final } = invited
  if (final === undefined || final.status >= 300) {
    return { stage: arrived === undefined ? 'INVITE' : 'answer', last: invited, steps, hosts }
  }

  const inDialog = dialogOf(caller, callId, final)
  caller.acknowledge(inDialog('ACK', 1))
  const bye = inDialog('BYE', 2)
  let acknowledged: SipRequest | undefined
  try {
    acknowledged = await callee.heard('ACK', patience)
  } finally {
    // Nobody waits for its answer: the call has failed already.
    if (acknowledged === undefined) caller.ask(bye, { ...patience, signal: NEVER }).catch(() => undefined)
  }
  if (acknowledged === undefined) return { stage: 'ACK', last: invited, steps: [...steps, LOST_ACK], hosts }

  await talk?.()
  const ended = await caller.ask(bye, patience)
  steps.push({ ...LOST_ACK, answer: 'arrived' }, stepOf('BYE', ended))
  if (ended.final?.status === 200) return { stage: 'done', last: ended, steps, hosts }
  const heard = callee.hasHeard('BYE')
  return { stage: heard === undefined ? 'BYE' : 'end', last: ended, steps, hosts }
}

const NEVER = new AbortController().signal
const LOST_ACK: Step = { sent: 'ACK', ms: 0 }

/** Makes requests inside the dialog that an answer has made (RFC 3261 §12.1.2). */
function dialogOf(
  caller: UserAgent,
  callId: string,
  answer: SipResponse,
): (method: string, cseq: number) => SipRequest {
  const target = parseNameAddr(answer.headers.top(H.Contact) ?? '')?.uri ?? ''
  const routes = answer.headers.list(H['Record-Route']).toReversed()
  const to = answer.headers.get(H.To) ?? ''
  const edit = (headers: HeaderEdit): void => {
    for (const route of routes) headers.append(H.Route, route)
  }
  return (method, cseq) => caller.request(method, target, { callId, cseq, to, edit })
}

/** The bottom Via is the caller's own. */
function hostsOf(request: SipRequest): readonly string[] {
  return request.headers
    .list(H.Via)
    .slice(0, -1)
    .map(parseVia)
    .flatMap(via => (via === undefined ? [] : [param(via.params, 'received') ?? via.host]))
    .toReversed()
}
