import type { ClientExchange, HopLimits, NextHop, NoAnswer, ResponseListener, Sender } from './exchange.ts'
import type { SipRequest, SipResponse } from './message.ts'

export interface AttemptListener {
  /** It said yes after all, when it had been given up. */
  lateAnswer(response: SipResponse): void
  /** The request has ended, as one that was given up too. */
  ended?(): void
}

/**
 * One request at one next hop, which may be given up before it has been answered: what it is forwarded with.
 *
 * Who waits for the answer hears at once that there is none; the request itself is cancelled, and ends unheard. A 2xx
 * that crosses the CANCEL is told, since a proxy keeps none back (RFC 3261 §16.7).
 */
export class Attempt implements Sender, ResponseListener {
  readonly #sender: Sender
  readonly #told: AttemptListener
  #listener: ResponseListener | undefined
  #client: ClientExchange | undefined
  #givenUp = false
  #ended = false

  constructor(sender: Sender, told: AttemptListener) {
    this.#sender = sender
    this.#told = told
  }

  get givenUp(): boolean {
    return this.#givenUp
  }

  giveUp(): void {
    if (this.#givenUp || this.#ended) return
    this.#givenUp = true
    this.#client?.cancel(['SIP;cause=408;text="Request Timeout"'])
    this.#listener?.noAnswer('timeout')
  }

  // Sender

  send(
    request: SipRequest,
    hop: NextHop,
    as: string,
    limits: HopLimits | undefined,
    listener: ResponseListener,
  ): void {
    this.#listener = listener
    this.#sender.send(request, hop, as, limits, this)
  }

  sendAck(ack: SipRequest, hop: NextHop, as: string, limits: HopLimits): void {
    this.#sender.sendAck(ack, hop, as, limits)
  }

  // ResponseListener

  begun(client: ClientExchange): void {
    this.#client = client
    this.#listener?.begun(client)
  }

  response(response: SipResponse): void {
    const { status } = response
    if (status >= 200) this.#end()
    if (this.#givenUp) {
      if (status >= 200 && status < 300) this.#told.lateAnswer(response)
      return
    }
    this.#listener?.response(response)
  }

  noAnswer(why: NoAnswer): void {
    this.#end()
    if (!this.#givenUp) this.#listener?.noAnswer(why)
  }

  #end(): void {
    this.#ended = true
    this.#told.ended?.()
  }
}
