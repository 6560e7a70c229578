import { numberParam } from '../../../lib/ims/identity.ts'
import type { ServerExchange } from '../../../lib/sip/exchange.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { nextHopOf, sipUriOf, withoutOwnRoute } from '../../../lib/sip/routing.ts'
import type { Uri } from '../../../lib/sip/uri.ts'
import type { Core } from '../core.ts'
import { numberOf } from '../number.ts'
import { translated } from '../translate.ts'
import type { BgcfRoute } from '../options.ts'

/** What the routes say about a target. */
export type BgcfChoice =
  | { readonly kind: 'route'; readonly route: readonly string[] }
  /** No route for a number: it ends here. */
  | { readonly kind: 'no-route' }
  /** No route for a host: DNS decides. */
  | { readonly kind: 'by-host' }

/** The BGCF (TS 24.229 §5.6): chooses where a call leaves the network, by `bgcf.json`. */
export async function bgcf(exchange: ServerExchange, core: Core): Promise<void> {
  const arrived = withoutOwnRoute(exchange.request, uri => core.isLocal(uri)).request
  const request = await translated(arrived, 'portability', core)
  const target = request.parsedUri
  const choice =
    target === undefined ? { kind: 'no-route' as const } : chooseRoute(core.options.bgcfRoutes, target, core)
  if (choice.kind === 'no-route') return core.answer(exchange, 404, { reason: 'No route to target' })
  let routed = request
  if (choice.kind === 'route') {
    if (choice.route.some(route => sipUriOf(asRoute(route)) === undefined)) return core.answer(exchange, 500)
    const edit = request.headers.edit().remove(H.Route)
    for (const route of choice.route) edit.append(H.Route, asRoute(route))
    routed = request.with(edit.done())
  } else if (target?.kind === 'sip' && core.isHome(target) && !routed.headers.has(H.Route)) {
    // DNS would lead back to ourselves.
    return core.answer(exchange, 404, { reason: 'No route to target' })
  }
  const hop = nextHopOf(routed)
  if (hop === undefined) return core.answer(exchange, 404, { reason: 'No route to target' })
  return core.proxy(exchange, { request: routed, hop }, 'bgcf')
}

/**
 * Longest number prefix for a routing number or a number, then the domain, then the default domain `*`. There is no
 * default for a routing number (sip.md §6.6, §13 row 19).
 */
export function chooseRoute(
  routes: readonly BgcfRoute[],
  target: Uri,
  core: Pick<Core, 'uriContext'>,
): BgcfChoice {
  const routingNumber = numberParam(target, 'rn')
  const number = routingNumber ?? numberOf(target, core.uriContext)
  if (number !== undefined) {
    const route =
      byNumber(routes, number) ?? (routingNumber === undefined ? byDomain(routes, '*') : undefined)
    return route === undefined ? { kind: 'no-route' } : { kind: 'route', route }
  }
  if (target.kind !== 'sip') return { kind: 'no-route' }
  const route = byDomain(routes, target.host.toLowerCase()) ?? byDomain(routes, '*')
  return route === undefined ? { kind: 'by-host' } : { kind: 'route', route }
}

function byNumber(routes: readonly BgcfRoute[], number: string): readonly string[] | undefined {
  let best: { readonly prefix: string; readonly route: readonly string[] } | undefined
  for (const entry of routes) {
    if (!('number' in entry)) continue
    const prefix = entry.number.replace(/[-().\s]/g, '')
    if (number.startsWith(prefix) && (best === undefined || prefix.length > best.prefix.length)) {
      best = { prefix, route: entry.route }
    }
  }
  return best?.route
}

function byDomain(routes: readonly BgcfRoute[], domain: string): readonly string[] | undefined {
  return routes.find(entry => 'domain' in entry && entry.domain.toLowerCase() === domain)?.route
}

function asRoute(text: string): string {
  return text.startsWith('<') ? text : `<${text}>`
}
