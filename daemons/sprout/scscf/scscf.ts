import { andThen, type Awaitable } from '../../../lib/kit/awaitable.ts'
import type { ServerExchange } from '../../../lib/sip/exchange.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { Core } from '../core.ts'
import { authenticate } from './authentication.ts'
import { register } from './registrar.ts'
import { session } from './session.ts'
import { isForRegEvent, subscribe } from './subscribe.ts'

/** The S-CSCF (TS 24.229 §5.4): authenticates and keeps registrations, and serves users' requests. */
export function scscf(exchange: ServerExchange, core: Core): Awaitable<void> {
  const { request } = exchange
  if (isForRegEvent(request, core)) return subscribe(exchange, core)
  if (request.method !== 'REGISTER' || !isForRegistrar(request, core)) return session(exchange, core)
  return andThen(authenticate(exchange, core), user =>
    user === undefined ? undefined : register(exchange, user, core),
  )
}

/** The registrar takes what names this node or a home domain; other REGISTERs pass through (sip.md §4.5). */
function isForRegistrar(request: SipRequest, core: Core): boolean {
  const target = request.parsedUri
  return (
    target?.kind === 'sip' &&
    (core.isLocal(target) || core.isHome(target)) &&
    request.headers.count(H.Route) <= 1
  )
}
