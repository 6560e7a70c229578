import type { SipFunction } from '../../lib/sip/exchange.ts'
import { topRoute } from '../../lib/sip/routing.ts'
import { hasKnownScheme } from '../../lib/sip/scheme.ts'
import { uriParam, type SipUri } from '../../lib/sip/uri.ts'
import { Invocation, type ApplicationServer } from './as/invocation.ts'
import { bgcf } from './bgcf/bgcf.ts'
import { CSCF_NAMES, type Core, type FunctionName } from './core.ts'
import { icscf } from './icscf/icscf.ts'
import type { ServerName } from './options.ts'
import { answerPoll, isPoll } from './poll.ts'
import { scscf } from './scscf/scscf.ts'

/** Which function a URI of this node names: by `service=`, its host's first label or its user (sip.md §1.3). */
type NamedFunction = (uri: SipUri) => FunctionName | undefined

/**
 * What sprout does with the requests that arrive at the port or under the name of each of its functions.
 *
 * A request goes to the function that its Route names, else to that of the port it arrived at.
 */
export function functionsOf(
  core: Core,
  servers: ReadonlyMap<ServerName, ApplicationServer>,
): ReadonlyMap<FunctionName, SipFunction> {
  const byText = new Map<string, FunctionName>([...CSCF_NAMES, ...servers.keys()].map(name => [name, name]))
  const named: NamedFunction = uri => {
    if (!core.isLocal(uri)) return undefined
    const service = byText.get(uriParam(uri, 'service') ?? '')
    if (service !== undefined) return service
    const { host, user } = uri
    const label = byText.get(host.slice(0, Math.max(0, host.indexOf('.'))).toLowerCase())
    return label ?? (user === undefined ? undefined : byText.get(user))
  }
  const handlers = new Map<FunctionName, SipFunction>([
    ['icscf', exchange => icscf(exchange, core)],
    ['scscf', exchange => scscf(exchange, core)],
    ['bgcf', exchange => bgcf(exchange, core)],
  ])
  for (const [name, server] of servers) {
    const isOwn = (uri: SipUri): boolean => core.isLocal(uri) && (named(uri) ?? name) === name
    handlers.set(name, exchange => server(new Invocation(name, exchange, isOwn, core)))
  }
  return new Map([...handlers].map(([name, handler]) => [name, dispatcher(handler, named, handlers, core)]))
}

function dispatcher(
  usual: SipFunction,
  named: NamedFunction,
  handlers: ReadonlyMap<FunctionName, SipFunction>,
  core: Core,
): SipFunction {
  return exchange => {
    const { request } = exchange
    if (isPoll(request, core)) {
      answerPoll(exchange, core)
      return
    }
    if (!hasKnownScheme(request.uri)) {
      core.answer(exchange, 416)
      return
    }
    const target = request.parsedUri
    const uri = topRoute(request) ?? (target?.kind === 'sip' ? target : undefined)
    const name = uri === undefined ? undefined : named(uri)
    const handle = name === undefined ? undefined : handlers.get(name)
    return (handle ?? usual)(exchange)
  }
}
