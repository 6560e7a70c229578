import { H } from '../../lib/sip/header-names.ts'
import type { HeaderEdit } from '../../lib/sip/headers.ts'
import type { SipRequest, SipResponse } from '../../lib/sip/message.ts'
import { param, withParam } from '../../lib/sip/params.ts'
import type { Flow } from '../../lib/sip/transport/flow.ts'
import { formatVia } from '../../lib/sip/via.ts'

/** Middleboxes forget datagrams after half a minute, connections later (RFC 5626 §4.4.1, §4.4.2). */
const DATAGRAMS_S = 29
const CONNECTION_S = 120

/**
 * Agrees to the keep-alives that a client offers in its Via, and says how often (RFC 6223 §4.4). The answers to them are
 * the transports': a line end for two, a STUN response for a request.
 *
 * @param edit of the request that goes on: its answers come back with the Vias it has
 */
export function agreeToKeepAlives(edit: HeaderEdit, request: SipRequest, flow: Flow): void {
  const via = request.topVia
  if (via === undefined || param(via.params, 'keep') !== '') return
  const params = withParam(via.params, 'keep', String(secondsBetween(flow)))
  edit.replaceTop(H.Via, formatVia({ ...via, params }))
}

/** Tells a client whose flow the registrar has accepted how long it may be silent (RFC 5626 §5.4). */
export function withFlowTimer(response: SipResponse, flow: Flow): SipResponse {
  if (response.status !== 200 || !response.headers.list(H.Require).includes('outbound')) return response
  return response.with(
    response.headers
      .edit()
      .set(H['Flow-Timer'], String(secondsBetween(flow)))
      .done(),
  )
}

function secondsBetween(flow: Flow): number {
  return flow.transport === 'UDP' ? DATAGRAMS_S : CONNECTION_S
}
