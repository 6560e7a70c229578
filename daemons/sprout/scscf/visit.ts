import type { Clock, Duration, Timer } from '../../../lib/kit/clock.ts'
import type {
  ClientExchange,
  HopLimits,
  NextHop,
  NoAnswer,
  ResponseListener,
  Sender,
} from '../../../lib/sip/exchange.ts'
import type { SipRequest, SipResponse } from '../../../lib/sip/message.ts'

export interface VisitOptions {
  readonly sender: Sender
  readonly clock: Clock
  /** How long the server may say nothing at all; 0 is for ever. */
  readonly patience: Duration
  /** It said yes after all, when it had been given up. */
  readonly onLateAnswer: (response: SipResponse) => void
  /** The request has ended, as one of a server that was given up too. */
  readonly onEnd: () => void
}

/**
 * One request at one application server, watched for a sign of life: what it is forwarded with.
 *
 * Any response, and the request itself when it comes back, stop the watch. If it runs out the server is given up: the
 * request is cancelled, and ends here as one that was not answered.
 */
export class Visit implements Sender, ResponseListener {
  readonly #options: VisitOptions
  #listener: ResponseListener | undefined
  #client: ClientExchange | undefined
  #watch: Timer | undefined
  #responsive = false
  #givenUp = false

  constructor(options: VisitOptions) {
    this.#options = options
  }

  /** It has rung, or has sent the request on: from now on its failures are the session's. */
  get responsive(): boolean {
    return this.#responsive
  }

  get givenUp(): boolean {
    return this.#givenUp
  }

  /** The request has come back. */
  returned(): void {
    this.#watch?.cancel()
    this.#responsive = true
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
    this.#options.sender.send(request, hop, as, limits, this)
  }

  sendAck(ack: SipRequest, hop: NextHop, as: string, limits: HopLimits): void {
    this.#options.sender.sendAck(ack, hop, as, limits)
  }

  // ResponseListener

  begun(client: ClientExchange): void {
    this.#client = client
    const { clock, patience } = this.#options
    if (patience > 0) this.#watch = clock.after(patience, () => this.#giveUp())
    this.#listener?.begun(client)
  }

  response(response: SipResponse): void {
    this.#watch?.cancel()
    const { status } = response
    if (status >= 200) this.#options.onEnd()
    if (this.#givenUp) {
      if (status >= 200 && status < 300) this.#options.onLateAnswer(response)
      return
    }
    if (status > 100 && status < 200) this.#responsive = true
    this.#listener?.response(response)
  }

  noAnswer(why: NoAnswer): void {
    this.#watch?.cancel()
    this.#options.onEnd()
    if (!this.#givenUp) this.#listener?.noAnswer(why)
  }

  #giveUp(): void {
    this.#givenUp = true
    this.#client?.cancel(['SIP;cause=408;text="Request Timeout"'])
    this.#listener?.noAnswer('timeout')
  }
}
