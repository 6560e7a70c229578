import type { ServerExchange } from '../../lib/sip/exchange.ts'
import { H } from '../../lib/sip/header-names.ts'
import type { SipRequest } from '../../lib/sip/message.ts'
import { topRoute } from '../../lib/sip/routing.ts'
import type { Core } from './core.ts'

/** A monitor's OPTIONS, which asks this node and not somebody behind it (sip.md §1.4). */
export function isPoll(request: SipRequest, core: Core): boolean {
  if (request.method !== 'OPTIONS') return false
  const target = request.parsedUri
  if (target?.kind !== 'sip' || target.user !== undefined || !core.isLocal(target)) return false
  const routes = request.headers.list(H.Route)
  if (routes.length === 0) return true
  const top = topRoute(request)
  return routes.length === 1 && top !== undefined && core.isLocal(top)
}

/** Answered whatever the load. */
export function answerPoll(exchange: ServerExchange, core: Core): void {
  core.answer(exchange, 200)
}
