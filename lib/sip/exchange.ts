import type { Awaitable } from '../kit/awaitable.ts'
import type { SipUri } from './uri.ts'
import type { SipRequest, SipResponse } from './message.ts'
import type { Flow } from './transport/flow.ts'

/** Where a function listens, as it is known to others. */
export interface ServicePoint {
  /** Which of the daemon's points this is, e.g. `untrusted`, `trusted`, `scscf`. */
  readonly name: string
  /** Host name or address that others reach it by. */
  readonly host: string
  readonly port: number
}

/**
 * A request on its way to its answers, as the function that handles it sees it.
 *
 * It came over the network, or was handed over by another function of the same process: the function cannot tell,
 * but for `flow`.
 */
export interface ServerExchange {
  readonly request: SipRequest
  readonly point: ServicePoint
  /** The connection it came over; undefined when it was handed over inside the process. */
  readonly flow: Flow | undefined
  /** The CANCEL, once the caller has given up. */
  readonly cancelled: SipRequest | undefined
  /** Called when the caller gives up before the final response; set by whoever works on the request. */
  onCancel: ((cancel: SipRequest) => void) | undefined
  /** Sends a response upstream. After a final one only further 2xx to an INVITE go out. */
  respond(response: SipResponse): void
}

/** A request sent to one next hop. */
export interface ClientExchange {
  /** Gives up: sends CANCEL as soon as RFC 3261 §9.1 allows. The final response still comes. */
  cancel(reasons: readonly string[]): void
}

/** How an attempt to reach one next hop went wrong without an answer. */
export type NoAnswer = 'timeout' | 'unreachable'

/** What the sender of a request hears: responses without the Via of this hop, or that there is none. */
export interface ResponseListener {
  /** The request is on its way; comes before anything else. */
  begun(client: ClientExchange): void
  response(response: SipResponse): void
  noAnswer(why: NoAnswer): void
}

/** Where a request goes next: a connection that is already there, or a URI that is yet to be resolved. */
export type NextHop =
  { readonly via: 'flow'; readonly flow: Flow } | { readonly via: 'uri'; readonly uri: SipUri }

/** A SIP function: one request in, its answers out, by way of `exchange.respond`. */
export type SipFunction = (exchange: ServerExchange) => Awaitable<void>

/** What a request may still do after this hop. */
export interface HopLimits {
  readonly maxForwards: number
  /** Undefined leaves Max-Breadth as it is. */
  readonly maxBreadth: number | undefined
}

/** What a function sends with. */
export interface Sender {
  /**
   * Sends a request to its next hop, with a Via of this hop on top. A function of the same process may answer before
   * this returns.
   *
   * @param as sent-by of the Via when the request stays inside the process, `host[:port]`
   * @param limits undefined for a request that begins here
   */
  send(
    request: SipRequest,
    hop: NextHop,
    as: string,
    limits: HopLimits | undefined,
    listener: ResponseListener,
  ): void
  /** Passes on the ACK of a 2xx, which has no transaction (RFC 3261 §16.11). */
  sendAck(ack: SipRequest, hop: NextHop, as: string, limits: HopLimits): void
}
