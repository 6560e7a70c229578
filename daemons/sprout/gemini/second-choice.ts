import type {
  ClientExchange,
  HopLimits,
  NextHop,
  NoAnswer,
  ResponseListener,
  Sender,
} from '../../../lib/sip/exchange.ts'
import type { SipRequest, SipResponse } from '../../../lib/sip/message.ts'

export interface Choice {
  /** The request that is watched. */
  readonly instead: SipRequest
  /** The status upon which the next one is sent. */
  readonly of: number
  /** It goes where the first one went, by its own Request-URI where that decides. */
  readonly next: SipRequest
}

/** Sends requests; to one of them there is a second choice, which takes its place in the fork when it fails so. */
export class SecondChoice implements Sender {
  readonly #sender: Sender
  readonly #choice: Choice

  constructor(sender: Sender, choice: Choice) {
    this.#sender = sender
    this.#choice = choice
  }

  send(
    request: SipRequest,
    hop: NextHop,
    as: string,
    limits: HopLimits | undefined,
    listener: ResponseListener,
  ): void {
    if (request !== this.#choice.instead) {
      this.#sender.send(request, hop, as, limits, listener)
      return
    }
    const { of, next } = this.#choice
    const again = (): void => this.#sender.send(next, hop, as, limits, listener)
    this.#sender.send(request, hop, as, limits, new Watched(listener, of, again))
  }

  sendAck(ack: SipRequest, hop: NextHop, as: string, limits: HopLimits): void {
    this.#sender.sendAck(ack, hop, as, limits)
  }
}

class Watched implements ResponseListener {
  readonly #listener: ResponseListener
  readonly #status: number
  readonly #again: () => void
  #cancelled = false

  constructor(listener: ResponseListener, status: number, again: () => void) {
    this.#listener = listener
    this.#status = status
    this.#again = again
  }

  begun(client: ClientExchange): void {
    this.#listener.begun({
      cancel: reasons => {
        this.#cancelled = true
        client.cancel(reasons)
      },
    })
  }

  response(response: SipResponse): void {
    // Nobody waits for the call any more.
    if (response.status === this.#status && !this.#cancelled) this.#again()
    else this.#listener.response(response)
  }

  noAnswer(why: NoAnswer): void {
    this.#listener.noAnswer(why)
  }
}
