import { createHash } from 'node:crypto'
import { H } from './header-names.ts'
import type { HeaderEdit } from './headers.ts'
import { responseTo, type SipRequest, type SipResponse } from './message.ts'
import { param } from './params.ts'
import { stampSource } from './received.ts'
import type { Flow } from './transport/flow.ts'
import { branchOf, type Via } from './via.ts'

/** Known from afar, so that the ACKs of calls need no hash. */
const MARK = 'r-'

/**
 * The answer to a request that gets no transaction (RFC 3261 §8.2.7): the same for the same request, however often it
 * comes. 503 lets the caller try the next server at once.
 *
 * @param reason instead of the usual words of the status
 */
export function refusalOf(
  request: SipRequest,
  via: Via,
  flow: Flow,
  status: number,
  reason?: string,
): SipResponse {
  const stamped =
    param(via.params, 'received') === flow.remoteAddress ? request : stampSource(request, via, flow)
  const edit = status === 503 ? { edit: retryLater } : {}
  const text = reason === undefined ? {} : { reason }
  return responseTo(stamped, status, { toTag: tagOf(request, via), ...text, ...edit })
}

/** Whether an ACK answers such a refusal: no transaction waits for it, and nobody else should get it. */
export function isAckOfRefusal(ack: SipRequest, via: Via): boolean {
  return ack.toTag?.startsWith(MARK) === true && ack.toTag === tagOf(ack, via)
}

function tagOf(request: SipRequest, via: Via): string {
  const hash = createHash('sha1').update(`${request.callId} ${via.host} ${branchOf(via) ?? ''}`)
  return MARK + hash.digest('base64url').slice(0, 10)
}

function retryLater(edit: HeaderEdit): void {
  edit.set(H['Retry-After'], '0')
}
