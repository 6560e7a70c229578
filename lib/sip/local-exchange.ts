import type { ClientExchange, ResponseListener, ServerExchange, ServicePoint } from './exchange.ts'
import { H } from './header-names.ts'
import { SipRequest, type SipResponse } from './message.ts'

/**
 * A request handed from one function to another inside the process: both ends of the hop in one object.
 *
 * Nothing can be lost here, so there are no timers and no repetitions, and responses need no Via to find back.
 */
export class LocalExchange implements ServerExchange, ClientExchange {
  readonly request: SipRequest
  readonly point: ServicePoint
  readonly flow = undefined
  cancelled: SipRequest | undefined
  onCancel: ((cancel: SipRequest) => void) | undefined
  readonly #listener: ResponseListener
  #final = false

  /** @param request as `forInsideHop` makes it */
  constructor(request: SipRequest, point: ServicePoint, listener: ResponseListener) {
    this.request = request
    this.point = point
    this.#listener = listener
  }

  get open(): boolean {
    return !this.#final
  }

  respond(response: SipResponse): void {
    if (response.status === 100) return
    // After a final response only a further 2xx to INVITE is anybody's business (RFC 6026).
    if (this.#final && !(this.request.method === 'INVITE' && response.status < 300 && response.status >= 200))
      return
    if (response.status >= 200) this.#final = true
    this.#listener.response(response)
  }

  cancel(reasons: readonly string[]): void {
    if (this.#final || this.cancelled !== undefined) return
    const headers = this.request.headers.pick([H.Via, H.Route, H.From, H.To, H['Call-ID'], H['Max-Forwards']])
    headers.append(H.CSeq, `${this.request.cseq?.number ?? 1} CANCEL`)
    for (const reason of reasons) headers.append(H.Reason, reason)
    this.cancelled = new SipRequest('CANCEL', this.request.uri, headers.done())
    this.onCancel?.(this.cancelled)
  }
}

/** An ACK for a 2xx on its way: nobody answers it. */
export class AckExchange implements ServerExchange {
  readonly request: SipRequest
  readonly point: ServicePoint
  readonly flow: ServerExchange['flow']
  readonly cancelled = undefined
  onCancel: ServerExchange['onCancel']

  constructor(request: SipRequest, point: ServicePoint, flow: ServerExchange['flow']) {
    this.request = request
    this.point = point
    this.flow = flow
  }

  respond(): void {
    // RFC 3261 §8.2.7: there is no response to ACK.
  }
}
