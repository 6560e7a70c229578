import { H } from '../../lib/sip/header-names.ts'
import type { HeaderEdit } from '../../lib/sip/headers.ts'
import type { SipRequest } from '../../lib/sip/message.ts'
import { topRoute } from '../../lib/sip/routing.ts'
import { uriParam, type SipUri } from '../../lib/sip/uri.ts'
import type { ClientFlow } from './flows.ts'
import type { BonoOptions } from './options.ts'

/** Requests that neither make nor refresh a dialog, so that a Record-Route in them would mean nothing. */
const NO_RECORD_ROUTE = new Set(['ACK', 'BYE', 'CANCEL', 'PRACK'])

/** How this edge is named in Routes, Record-Routes and Request-URIs: towards the core, and towards outsiders. */
export class EdgeRoutes {
  /** This node as the core sees it, `host:port`. */
  readonly coreName: string
  /** The side of the core, as a Route. */
  readonly inner: string
  /** The side of trunks and PBXes, as a Route. */
  readonly peers: string
  readonly #options: BonoOptions

  constructor(options: BonoOptions) {
    const { localHost, publicHost, ports } = options
    this.#options = options
    this.coreName = `${localHost}:${ports.trusted}`
    this.inner = `<sip:${this.coreName};transport=TCP;lr>`
    this.peers = `<sip:${publicHost}:${ports.untrusted};transport=TCP;lr>`
  }

  /** The side of a client, as a Route; `seal` marks the Route set that it is given out with. */
  outer({ flow, token }: ClientFlow, seal?: string): string {
    const { publicHost, ports } = this.#options
    const port = flow.transport === 'WS' ? ports.websocket : ports.untrusted
    const mark = seal === undefined ? '' : `;seal=${seal}`
    return `<sip:${token}@${publicHost}:${port};transport=${flow.transport};lr${mark}>`
  }

  /** Stays in the dialog with two Routes, one a side (RFC 5658 §4). */
  record(edit: HeaderEdit, request: SipRequest, below: string, top: string): void {
    if (NO_RECORD_ROUTE.has(request.method)) return
    edit.prepend(H['Record-Route'], below).prepend(H['Record-Route'], top)
  }

  /**
   * Takes our Routes off the top. Each dialog has two of them, one a side; the one with the token names the client's
   * flow.
   */
  withoutOwn(request: SipRequest): {
    readonly routed: SipRequest
    readonly token: string | undefined
    readonly seal: string | undefined
  } {
    let named: SipUri | undefined
    let routed = request
    for (let taken = 0; taken < 2; taken++) {
      const top = topRoute(routed)
      if (top === undefined || !this.#isOwn(top)) break
      if (top.user !== undefined && named !== undefined) break
      if (top.user !== undefined) named = top
      routed = routed.with(routed.headers.withoutTop(H.Route))
    }
    return { routed, token: named?.user, seal: named === undefined ? undefined : uriParam(named, 'seal') }
  }

  isOwnHost(host: string): boolean {
    return host === this.#options.localHost || host === this.#options.publicHost
  }

  /** Whether the Request-URI names this node. */
  isOwnTarget(request: SipRequest): boolean {
    const target = request.parsedUri
    return target?.kind === 'sip' && this.#isOwn(target)
  }

  /** Whether it is the OPTIONS of a monitor, who asks this node and not somebody behind it (sip.md §1.4). */
  isPoll(request: SipRequest): boolean {
    if (request.method !== 'OPTIONS' || !this.isOwnTarget(request)) return false
    const routes = request.headers.list(H.Route)
    if (routes.length === 0) return true
    const top = topRoute(request)
    return routes.length === 1 && top !== undefined && this.#isOwn(top)
  }

  #isOwn({ host, port }: SipUri): boolean {
    const { ports } = this.#options
    return (
      this.isOwnHost(host) &&
      (port === undefined || port === ports.untrusted || port === ports.trusted || port === ports.websocket)
    )
  }
}
