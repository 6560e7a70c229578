import { millis, type Clock, type Duration, type Timer } from '../../kit/clock.ts'
import { H, type HeaderId } from '../header-names.ts'
import type { HeaderEdit } from '../headers.ts'
import { SipRequest, type SipResponse } from '../message.ts'
import {
  CLIENT_START,
  INVITE_CLIENT,
  NON_INVITE_CLIENT,
  type Action,
  type ClientEvent,
  type Machine,
  type State,
} from './machines.ts'
import { retransmitDelay, type SipTimers } from './timers.ts'

/** Where a transaction's messages go; a transport flow, or a list in a test. */
export interface Outlet {
  readonly reliable: boolean
  send(text: string): void
}

/** What the user of a client transaction hears. */
export interface ClientUser {
  response(response: SipResponse): void
  /** No answer in time (timer B or F). */
  timedOut(): void
  /** The request could not be delivered. */
  unreachable(): void
}

/** What a client transaction needs of its surroundings. */
export interface ClientSurroundings {
  readonly clock: Clock
  readonly timers: SipTimers
  /** The transaction has ended and may be forgotten. */
  ended(transaction: ClientTransaction): void
}

/** One request sent to one next hop, until its final response (RFC 3261 §17.1). Performs the table's actions. */
export class ClientTransaction {
  readonly branch: string
  readonly method: string
  readonly outlet: Outlet
  #state: State
  readonly #machine: Machine<ClientEvent>
  readonly #surroundings: ClientSurroundings
  readonly #user: ClientUser
  /** Kept while it may be resent, acknowledged or cancelled. */
  #request: SipRequest | undefined
  #text: string | undefined
  #response: SipResponse | undefined
  #sent = 0
  #resend: Timer | undefined
  #deadline: Timer | undefined

  /** @param request carries its Via, with the transaction's branch, on top */
  constructor(request: SipRequest, outlet: Outlet, user: ClientUser, surroundings: ClientSurroundings) {
    this.branch = request.branch ?? ''
    this.method = request.method
    this.outlet = outlet
    const invite = request.method === 'INVITE'
    this.#machine = invite ? INVITE_CLIENT : NON_INVITE_CLIENT
    this.#state = invite ? 'calling' : 'trying'
    this.#surroundings = surroundings
    this.#user = user
    this.#request = request
    this.#text = request.format()
  }

  get state(): State {
    return this.#state
  }

  start(): void {
    for (const action of CLIENT_START) this.#perform(action)
  }

  receive(response: SipResponse): void {
    this.#response = response
    this.#step(response.status < 200 ? '1xx' : response.status < 300 ? '2xx' : 'failure')
  }

  transportFailed(): void {
    this.#step('transportError')
  }

  /** Ends without a final response: the peer owes one and will not be waited for any longer (RFC 3261 §9.1). */
  abandon(): void {
    if (this.#state === 'terminated') return
    this.#resend?.cancel()
    this.#deadline?.cancel()
    this.#state = 'terminated'
    this.#surroundings.ended(this)
  }

  /** The CANCEL of this INVITE (RFC 3261 §9.1): same branch, target and route. Undefined once it is answered. */
  cancelRequest(reasons: readonly string[]): SipRequest | undefined {
    const request = this.#request
    if (request === undefined || this.#state !== 'proceeding') return undefined
    const headers = hopByHop(request, [H.Route, H.From, H.To, H['Call-ID'], H['Max-Forwards']], 'CANCEL')
    for (const reason of reasons) headers.append(H.Reason, reason)
    return new SipRequest('CANCEL', request.uri, headers.done())
  }

  #step(event: ClientEvent): void {
    const step = this.#machine[this.#state]?.[event]
    if (step === undefined) return
    this.#state = step.to
    for (const action of step.do) this.#perform(action)
    if (step.to === 'terminated') this.#surroundings.ended(this)
  }

  #perform(action: Action): void {
    switch (action) {
      case 'send':
      case 'resend':
        this.#sent++
        this.outlet.send(this.#text ?? '')
        return
      case 'scheduleResend':
        if (!this.outlet.reliable) this.#resend = this.#after(this.#resendDelay(), 'resendDue')
        return
      case 'startTimeout':
        this.#deadline = this.#after(millis(64 * this.#surroundings.timers.t1), 'timeout')
        return
      case 'stopTimers':
        this.#resend?.cancel()
        this.#deadline?.cancel()
        return
      case 'ack':
        if (this.#response !== undefined) this.outlet.send(this.#ackText(this.#response))
        return
      case 'linger':
        this.#linger()
        return
      case 'tell':
        if (this.#response !== undefined) this.#user.response(this.#response)
        return
      case 'tellTimeout':
        this.#user.timedOut()
        return
      case 'tellTransportError':
        this.#user.unreachable()
        return
      case 'tellAck':
        return
    }
  }

  #resendDelay(): Duration {
    const { timers } = this.#surroundings
    // In proceeding, a non-INVITE request is resent every T2 (§17.1.2.2).
    if (this.#state === 'proceeding') return timers.t2
    return retransmitDelay(this.#sent, this.method !== 'INVITE', timers)
  }

  #linger(): void {
    const { timers } = this.#surroundings
    // A transaction that only absorbs need not keep its request; only an INVITE's failure is acknowledged again.
    this.#text = undefined
    if (this.#state === 'accepted') {
      this.#request = undefined
      this.#deadline = this.#after(millis(64 * timers.t1), 'lingerOver')
      return
    }
    if (this.outlet.reliable) {
      this.#state = 'terminated'
      this.#surroundings.ended(this)
      return
    }
    this.#deadline = this.#after(this.method === 'INVITE' ? timers.d : timers.t4, 'lingerOver')
  }

  #after(delay: Duration, event: ClientEvent): Timer {
    return this.#surroundings.clock.after(delay, () => this.#step(event))
  }

  /** ACK for a failure: goes the way of the INVITE, hop by hop (RFC 3261 §17.1.1.3). */
  #ackText(response: SipResponse): string {
    const request = this.#request
    if (request === undefined) return ''
    const headers = hopByHop(request, [H.Route, H.From, H['Call-ID'], H['Max-Forwards']], 'ACK')
    headers.append(H.To, response.headers.get(H.To) ?? request.headers.get(H.To) ?? '')
    return new SipRequest('ACK', request.uri, headers.done()).format()
  }
}

/** A request about another one on the same hop: its topmost Via only, the named headers, its CSeq number. */
function hopByHop(request: SipRequest, copied: readonly HeaderId[], method: string): HeaderEdit {
  return request.headers
    .pick(copied)
    .prepend(H.Via, request.headers.top(H.Via) ?? '')
    .append(H.CSeq, `${request.cseq?.number ?? 1} ${method}`)
}
