import type { ServerExchange, ServicePoint } from '../../../lib/sip/exchange.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { hopsLeft } from '../../../lib/sip/hop.ts'
import type { SipRequest, SipResponse } from '../../../lib/sip/message.ts'
import type { Flow } from '../../../lib/sip/transport/flow.ts'

/**
 * A request that came back from an application server with more Max-Forwards than the server was given, as one that is
 * made anew may have: it goes on with what the session had left, so that servers which call each other come to an end.
 */
export class ReturnedExchange implements ServerExchange {
  readonly request: SipRequest
  readonly #arrived: ServerExchange

  private constructor(arrived: ServerExchange, request: SipRequest) {
    this.#arrived = arrived
    this.request = request
  }

  /** @param maxForwards as the server was given it */
  static of(arrived: ServerExchange, maxForwards: number): ServerExchange {
    const { request } = arrived
    if (hopsLeft(request) < maxForwards) return arrived
    const allowed = maxForwards + (request.inside?.count ?? 0)
    const edit = request.headers.edit().set(H['Max-Forwards'], String(allowed))
    return new ReturnedExchange(arrived, request.with(edit.done()))
  }

  get point(): ServicePoint {
    return this.#arrived.point
  }

  get flow(): Flow | undefined {
    return this.#arrived.flow
  }

  get cancelled(): SipRequest | undefined {
    return this.#arrived.cancelled
  }

  get onCancel(): ServerExchange['onCancel'] {
    return this.#arrived.onCancel
  }

  set onCancel(listener: ServerExchange['onCancel']) {
    this.#arrived.onCancel = listener
  }

  respond(response: SipResponse): void {
    this.#arrived.respond(response)
  }
}
