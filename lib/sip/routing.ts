import { H } from './header-names.ts'
import type { NextHop } from './exchange.ts'
import { topOfList } from './list.ts'
import type { SipRequest } from './message.ts'
import { parseNameAddr } from './name-addr.ts'
import { parseUri, uriParam, type SipUri } from './uri.ts'

/** A next hop that is yet to be resolved. */
export type UriHop = Extract<NextHop, { via: 'uri' }>

/** The URI of a name-addr such as a Route value, if it is a SIP URI. */
export function sipUriOf(nameAddr: string): SipUri | undefined {
  // Almost every Route is `<uri>` alone.
  const text =
    nameAddr.charCodeAt(0) === 0x3c && nameAddr.indexOf('>') === nameAddr.length - 1
      ? nameAddr.slice(1, -1)
      : parseNameAddr(nameAddr)?.uri
  const uri = text === undefined ? undefined : parseUri(text)
  return uri?.kind === 'sip' ? uri : undefined
}

/** The URI of the topmost Route; undefined if there is none, or it is not a SIP URI. */
export function topRoute(request: SipRequest): SipUri | undefined {
  return request.headers.parsed(H.Route, parseTopRoute)
}

function parseTopRoute(value: string): SipUri | undefined {
  return sipUriOf(topOfList(value))
}

export interface OwnRoute {
  readonly request: SipRequest
  /** Our own Route that was on top, with the parameters we once put into it. */
  readonly own: SipUri | undefined
}

/**
 * Prepares a request for routing (RFC 3261 §16.4): undoes a strict router's swap when the Request-URI is a
 * Record-Route of ours, and takes our own Route off the top.
 */
export function withoutOwnRoute(request: SipRequest, isOwn: (uri: SipUri) => boolean): OwnRoute {
  const restored = withoutStrictRouting(request, isOwn)
  const top = topRoute(restored)
  if (top === undefined || !isOwn(top)) return { request: restored, own: undefined }
  return { request: restored.with(restored.headers.withoutTop(H.Route)), own: top }
}

/**
 * Undoes what a strict router did, once: it put our Route into the Request-URI, and the Request-URI last of the Routes.
 */
function withoutStrictRouting(request: SipRequest, isOwn: (uri: SipUri) => boolean): SipRequest {
  const target = request.parsedUri
  if (target?.kind !== 'sip' || uriParam(target, 'lr') === undefined || !isOwn(target)) return request
  const routes = request.headers.list(H.Route)
  const last = routes.pop()
  const uri = last === undefined ? undefined : parseNameAddr(last)?.uri
  if (uri === undefined) return request
  const edit = request.headers.edit()
  if (routes.length === 0) edit.remove(H.Route)
  else edit.set(H.Route, routes.join(', '))
  return request.with(edit.done(), uri)
}

/** Where the Route set or else the Request-URI sends a request; undefined if that is not a SIP URI. */
export function nextHopOf(request: SipRequest): UriHop | undefined {
  if (request.headers.has(H.Route)) {
    const route = topRoute(request)
    return route === undefined ? undefined : { via: 'uri', uri: route }
  }
  const target = request.parsedUri
  return target?.kind === 'sip' ? { via: 'uri', uri: target } : undefined
}
