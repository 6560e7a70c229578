import {
  formatAnswer,
  formatEnd,
  type AnsweredCall,
  type Party,
} from '../../../lib/ims/call-list/fragment.ts'
import { impuOf, type Impu } from '../../../lib/ims/identity.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { SipRequest, SipResponse } from '../../../lib/sip/message.ts'
import { parseNameAddr, type NameAddr } from '../../../lib/sip/name-addr.ts'
import { privacyOf } from '../../../lib/sip/privacy.ts'
import { parseUri } from '../../../lib/sip/uri.ts'
import type { ApplicationServer, Invocation } from '../as/invocation.ts'
import { formatDialogId, newCall, parseDialogId, type RecordedCall } from './dialog.ts'
import type { Recorder } from './recorder.ts'

/**
 * The Memento server (sip.md §7.6): writes down the calls of a user, made and received, answered and not. It changes
 * nothing about them but that it stays in their dialogs.
 */
export function memento(recorder: Recorder): ApplicationServer {
  return invocation => {
    const { request } = invocation
    if (!request.isInitial) return inDialog(invocation, recorder)
    return request.method === 'INVITE' ? watch(invocation, recorder) : invocation.pass()
  }
}

/** A call as it begins. */
interface Attempt {
  readonly impu: Impu
  readonly to: Party
  readonly from: Party
  readonly outgoing: boolean
}

async function watch(invocation: Invocation, recorder: Recorder): Promise<void> {
  const { clock } = invocation.core
  const attempt = attemptOf(invocation)
  if (attempt === undefined || !recorder.admits()) return invocation.pass()
  const startedAt = clock.now()
  const call = newCall(attempt.impu, startedAt)
  const staying = invocation.inDialog(invocation.request, formatDialogId(call))
  const { response } = await invocation.forward([staying])
  if (response.status >= 300) invocation.exchange.respond(response)
  record(call, { ...attempt, startedAt, answer: answerOf(response, clock.now()) }, recorder)
}

function record(call: RecordedCall, answered: AnsweredCall, recorder: Recorder): void {
  const { impu, timestamp, id } = call
  const kind = answered.answer.answered ? 'begin' : 'rejected'
  recorder.record(impu, { timestamp, id, kind, xml: formatAnswer(answered) })
}

/** The end of a call is known by its BYE, whatever that is answered. */
function inDialog(invocation: Invocation, recorder: Recorder): Promise<void> | void {
  const { request, dialogId, core } = invocation
  const call = request.method === 'BYE' && dialogId !== undefined ? parseDialogId(dialogId) : undefined
  if (call !== undefined) {
    const { impu, timestamp, id } = call
    recorder.record(impu, { timestamp, id, kind: 'end', xml: formatEnd(core.clock.now()) })
  }
  return invocation.pass()
}

/** Whose list the call is for, and what it will say; undefined if the caller is not known. */
function attemptOf({ request, user }: Invocation): Attempt | undefined {
  if (user?.side === 'term') return incoming(request)
  const caller = assertedBy(request)
  const impu = caller === undefined ? undefined : identityOf(caller.uri)
  const { to } = request
  if (caller === undefined || impu === undefined || to === undefined) return undefined
  return { impu, to: party(to), from: party(caller), outgoing: true }
}

function incoming(request: SipRequest): Attempt | undefined {
  const impu = identityOf(request.uri)
  const { from } = request
  if (impu === undefined || from === undefined) return undefined
  return { impu, to: { uri: request.uri }, from: party(from), outgoing: false }
}

function answerOf(response: SipResponse, at: number): AnsweredCall['answer'] {
  if (response.status >= 300) return { answered: false }
  const by = privacyOf(response.headers).has('id') ? undefined : assertedBy(response)
  return { answered: true, at, ...(by === undefined ? {} : { by: party(by) }) }
}

function assertedBy({ headers }: SipRequest | SipResponse): NameAddr | undefined {
  const first = headers.top(H['P-Asserted-Identity'])
  return first === undefined ? undefined : parseNameAddr(first)
}

function identityOf(text: string): Impu | undefined {
  const uri = parseUri(text)
  return uri === undefined ? undefined : impuOf(uri)
}

function party({ uri, display }: NameAddr): Party {
  return { uri, ...(display === undefined ? {} : { name: display }) }
}
