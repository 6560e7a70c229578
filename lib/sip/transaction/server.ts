import { millis, type Clock, type Duration, type Timer } from '../../kit/clock.ts'
import type { SipRequest, SipResponse } from '../message.ts'
import type { Flow } from '../transport/flow.ts'
import type { Outlet } from './client.ts'
import {
  INVITE_SERVER,
  NON_INVITE_SERVER,
  type Action,
  type Machine,
  type ServerEvent,
  type State,
} from './machines.ts'
import { retransmitDelay, type SipTimers } from './timers.ts'

/** What a server transaction needs of its surroundings. */
export interface ServerSurroundings {
  readonly clock: Clock
  readonly timers: SipTimers
  /** A final response has gone out. */
  answered(transaction: ServerTransaction): void
  ended(transaction: ServerTransaction): void
  /** An ACK that belongs to a 2xx: to be passed on end to end. */
  ack(transaction: ServerTransaction, ack: SipRequest): void
}

/** Who works on the answer, and hears when it is not wanted any more. */
export interface ServerUser {
  /** Whoever cancels must be the hop that invited (RFC 3261 §22.1). */
  isFrom(flow: Flow): boolean
  cancel(cancel: SipRequest): void
}

/** One request received, until its final response has surely arrived (RFC 3261 §17.2). */
export class ServerTransaction {
  /** What RFC 3261 §17.2.3 tells transactions apart by. */
  readonly key: string
  readonly outlet: Outlet
  /**
   * Set while the request waits for its final answer. A field and not a map of them: a small map through which
   * everything passes keeps what has left it alive in V8.
   */
  user: ServerUser | undefined
  readonly #machine: Machine<ServerEvent>
  readonly #surroundings: ServerSurroundings
  #state: State
  #text: string | undefined
  #ack: SipRequest | undefined
  /** How often timer G has been set. */
  #resends = 0
  #resend: Timer | undefined
  #deadline: Timer | undefined

  constructor(key: string, method: string, outlet: Outlet, surroundings: ServerSurroundings) {
    const invite = method === 'INVITE'
    this.key = key
    this.outlet = outlet
    this.#machine = invite ? INVITE_SERVER : NON_INVITE_SERVER
    this.#state = invite ? 'proceeding' : 'trying'
    this.#surroundings = surroundings
  }

  get state(): State {
    return this.#state
  }

  /** True until a final response has been sent. */
  get open(): boolean {
    return this.#state === 'trying' || this.#state === 'proceeding'
  }

  repeated(): void {
    this.#step('request')
  }

  receiveAck(ack: SipRequest): void {
    this.#ack = ack
    this.#step('ack')
    this.#ack = undefined
  }

  /** Sends a response. After a final one, only further 2xx to an INVITE still go out. */
  respond(response: SipResponse): void {
    const event = response.status < 200 ? 'send1xx' : response.status < 300 ? 'send2xx' : 'sendFailure'
    if (this.#machine[this.#state]?.[event] === undefined) return
    const wasOpen = this.open
    this.#text = response.format()
    this.#step(event)
    if (this.#state === 'accepted') this.#text = undefined
    if (wasOpen && event !== 'send1xx') this.#surroundings.answered(this)
  }

  /** Ends without an answer: the request was one that nobody may answer any more (RFC 4320 §4.2). */
  abandon(): void {
    if (this.#state === 'terminated') return
    this.#stop()
    this.#state = 'terminated'
    this.#surroundings.ended(this)
  }

  #step(event: ServerEvent): void {
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
        if (this.#text === undefined) return
        this.outlet.send(this.#text)
        return
      case 'scheduleResend':
        this.#scheduleResend()
        return
      case 'startTimeout':
        this.#deadline = this.#after(this.#sixtyFourT1(), 'timeout')
        return
      case 'stopTimers':
        this.#stop()
        return
      case 'tellAck':
        if (this.#ack !== undefined) this.#surroundings.ack(this, this.#ack)
        return
      case 'linger':
        this.#linger()
        return
      case 'ack':
      case 'tell':
      case 'tellTimeout':
      case 'tellTransportError':
        return
    }
  }

  #stop(): void {
    this.#resend?.cancel()
    this.#deadline?.cancel()
  }

  #scheduleResend(): void {
    if (this.outlet.reliable) return
    this.#resends++
    const delay = retransmitDelay(this.#resends, true, this.#surroundings.timers)
    this.#resend = this.#after(delay, 'resendDue')
  }

  #sixtyFourT1(): Duration {
    return millis(64 * this.#surroundings.timers.t1)
  }

  #linger(): void {
    if (this.#state === 'accepted') {
      this.#deadline = this.#after(this.#sixtyFourT1(), 'lingerOver')
      return
    }
    if (this.outlet.reliable) {
      this.abandon()
      return
    }
    const delay = this.#state === 'confirmed' ? this.#surroundings.timers.t4 : this.#sixtyFourT1()
    this.#deadline = this.#after(delay, 'lingerOver')
  }

  #after(delay: Duration, event: ServerEvent): Timer {
    return this.#surroundings.clock.after(delay, () => this.#step(event))
  }
}
