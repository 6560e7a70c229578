import type { ServerExchange } from '../../lib/sip/exchange.ts'
import { H } from '../../lib/sip/header-names.ts'
import type { SipRequest } from '../../lib/sip/message.ts'
import { nextHopOf } from '../../lib/sip/routing.ts'
import type { Core, FunctionName } from './core.ts'

/** Sends a call for an emergency service to where the operator wants them (RFC 5031, TS 24.229 §5.4.3.2). */
export function toEmergencyCentre(
  exchange: ServerExchange,
  request: SipRequest,
  as: FunctionName,
  core: Core,
): Promise<void> | void {
  const { emergencyUri } = core.options
  if (emergencyUri === undefined) return core.answer(exchange, 404, { reason: 'No emergency centre' })
  const routed = request.with(request.headers.edit().append(H.Route, `<${emergencyUri};lr>`).done())
  const hop = nextHopOf(routed)
  return hop === undefined ? core.answer(exchange, 500) : core.proxy(exchange, { request: routed, hop }, as)
}
