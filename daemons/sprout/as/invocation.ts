import type { Awaitable } from '../../../lib/kit/awaitable.ts'
import { parseServedUser, type ServedUser } from '../../../lib/ims/served-user.ts'
import type { ServerExchange } from '../../../lib/sip/exchange.ts'
import type { ForwardOptions, Outcome } from '../../../lib/sip/forward.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { ResponseOptions, SipRequest } from '../../../lib/sip/message.ts'
import { nextHopOf, withoutOwnRoute } from '../../../lib/sip/routing.ts'
import { uriParam, type SipUri } from '../../../lib/sip/uri.ts'
import type { Core } from '../core.ts'
import type { ServerName } from '../options.ts'

/**
 * An application server that is built into sprout: what it does with one request.
 *
 * It is reached as any other is, by a Route over it and back to the S-CSCF (TS 24.229 §5.7), and what it sends on
 * finds its way by what is left of the Routes. That the S-CSCF is in the same process makes no difference to it.
 */
export type ApplicationServer = (invocation: Invocation) => void | Promise<void>

/** One request at a built-in application server. */
export class Invocation {
  readonly name: ServerName
  readonly core: Core
  readonly exchange: ServerExchange
  /** Without the Route that led here. */
  readonly request: SipRequest
  /**
   * What led here, the Route or the Request-URI, with the parameters that the filter criterion has given it; undefined
   * where nothing but the port did.
   */
  readonly uri: SipUri | undefined

  constructor(name: ServerName, exchange: ServerExchange, isOwn: (uri: SipUri) => boolean, core: Core) {
    this.name = name
    this.core = core
    this.exchange = exchange
    const { request, own } = withoutOwnRoute(exchange.request, isOwn)
    const target = request.parsedUri
    this.request = request
    this.uri = own ?? (target?.kind === 'sip' && isOwn(target) ? target : undefined)
  }

  /** Whom the S-CSCF visits this server for; undefined if it does not say. */
  get user(): ServedUser | undefined {
    return this.request.headers.parsed(H['P-Served-User'], parseServedUser)
  }

  /** In a dialog that this server has stayed in: the name it gave to it (`inDialog`). */
  get dialogId(): string | undefined {
    return this.uri === undefined ? undefined : uriParam(this.uri, 'dialog_id')
  }

  /** Answers the request here; an ACK is dropped. */
  answer(status: number, options?: ResponseOptions): void {
    this.core.answer(this.exchange, status, options)
  }

  /** Sends the request on and passes every answer back: all that a proxy does. */
  pass(request = this.request): Promise<void> | void {
    const hop = nextHopOf(request)
    return hop === undefined ? this.answer(400) : this.core.proxy(this.exchange, { request, hop }, this.name)
  }

  /**
   * Sends on one copy of the request or several at once, and gives the best answer. A 2xx has gone up by then; a
   * failure is the server's to pass on, or to do something about. A copy that leads nowhere is not sent.
   */
  forward(requests: readonly SipRequest[], options?: Partial<ForwardOptions>): Awaitable<Outcome> {
    const forks = requests.flatMap(request => {
      const hop = nextHopOf(request)
      return hop === undefined ? [] : [{ request, hop }]
    })
    return this.core.forward(this.exchange, forks, this.name, options)
  }

  /**
   * The request with a Record-Route of this server, so that all of the dialog comes by here. One that listens at a
   * port of its own says so: DNS need not know it.
   *
   * @param dialogId a name for the dialog, of characters that may stand in a URI; what comes by later has it
   */
  inDialog(request: SipRequest, dialogId: string): SipRequest {
    const { sproutHostname, servers } = this.core.options
    const port = servers.find(({ name }) => name === this.name)?.port
    const host = `${this.name}.${sproutHostname}${port === undefined ? '' : `:${port}`}`
    const uri = `<sip:${host};transport=TCP;lr;dialog_id=${dialogId}>`
    return request.with(request.headers.edit().prepend(H['Record-Route'], uri).done())
  }
}
