import type { Clock, Duration, Timer } from '../../../lib/kit/clock.ts'
import { Attempt } from '../../../lib/sip/attempt.ts'
import type { ClientExchange, NoAnswer, Sender } from '../../../lib/sip/exchange.ts'
import type { SipResponse } from '../../../lib/sip/message.ts'

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
 * Any response, and the request itself when it comes back, stop the watch. If it runs out the server is given up.
 */
export class Visit extends Attempt {
  readonly #options: VisitOptions
  #watch: Timer | undefined
  #responsive = false

  constructor(options: VisitOptions) {
    super(options.sender, { lateAnswer: options.onLateAnswer, ended: options.onEnd })
    this.#options = options
  }

  /** It has rung, or has sent the request on: from now on its failures are the session's. */
  get responsive(): boolean {
    return this.#responsive
  }

  /** The request has come back. */
  returned(): void {
    this.#watch?.cancel()
    this.#responsive = true
  }

  override begun(client: ClientExchange): void {
    const { clock, patience } = this.#options
    if (patience > 0) this.#watch = clock.after(patience, () => this.giveUp())
    super.begun(client)
  }

  override response(response: SipResponse): void {
    this.#watch?.cancel()
    if (!this.givenUp && response.status > 100 && response.status < 200) this.#responsive = true
    super.response(response)
  }

  override noAnswer(why: NoAnswer): void {
    this.#watch?.cancel()
    super.noAnswer(why)
  }
}
