import { millis, seconds, type Clock, type Timer } from '../kit/clock.ts'
import type { ServerExchange, ServicePoint } from './exchange.ts'
import { responseTo, type SipRequest, type SipResponse } from './message.ts'
import type { ServerTransaction } from './transaction/server.ts'
import type { Flow } from './transport/flow.ts'

/** RFC 4320 §4.1: not earlier, or the 100 would make the client's resends slower than its timer E does. */
const NON_INVITE_TRYING_AFTER = millis(3500)
/** After 64·T1 the client has given up; an answer would reach nobody. */
const NON_INVITE_HOPELESS_AFTER = seconds(40)

/** A request that arrived over the network, joined to its transaction. */
export class NetworkServer implements ServerExchange {
  readonly request: SipRequest
  readonly point: ServicePoint
  readonly flow: Flow
  cancelled: SipRequest | undefined
  onCancel: ((cancel: SipRequest) => void) | undefined
  readonly #transaction: ServerTransaction
  #patience: Timer | undefined

  constructor(request: SipRequest, point: ServicePoint, flow: Flow, transaction: ServerTransaction) {
    this.request = request
    this.point = point
    this.flow = flow
    this.#transaction = transaction
  }

  /** Tells the caller at once that the request has arrived. */
  begin(): void {
    if (this.request.method === 'INVITE') this.#transaction.respond(responseTo(this.request, 100))
  }

  /** There is no answer yet: tells the client in time, and gives up when none would reach it any more. */
  wait(clock: Clock): void {
    if (this.request.method === 'INVITE') return
    this.#patience = clock.after(NON_INVITE_TRYING_AFTER, () => {
      if (!this.#transaction.open) return
      this.#transaction.respond(responseTo(this.request, 100))
      this.#patience = clock.after(NON_INVITE_HOPELESS_AFTER, () => this.#giveUp())
    })
  }

  get open(): boolean {
    return this.#transaction.open
  }

  respond(response: SipResponse): void {
    const { status } = response
    if (status >= 200) this.#patience?.cancel()
    if (this.request.method !== 'INVITE') {
      if (status < 200) return
      // RFC 4320 §4.2: a late 408 only misleads; the client's own timer says the same.
      if (status === 408) {
        this.#giveUp()
        return
      }
    } else if (status === 100) {
      return
    }
    this.#transaction.respond(response)
  }

  /** A stream may have been opened again since; a datagram comes from the same socket. */
  isFrom(flow: Flow): boolean {
    if (flow === this.flow) return true
    return flow.reliable && this.flow.reliable && flow.remoteAddress === this.flow.remoteAddress
  }

  /** The caller's CANCEL has come. */
  cancel(cancel: SipRequest): void {
    if (!this.#transaction.open || this.cancelled !== undefined) return
    this.cancelled = cancel
    this.onCancel?.(cancel)
  }

  #giveUp(): void {
    this.#patience?.cancel()
    if (this.#transaction.open) this.#transaction.abandon()
  }
}
