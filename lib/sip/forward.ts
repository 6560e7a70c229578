import type { Awaitable } from '../kit/awaitable.ts'
import type {
  ClientExchange,
  NextHop,
  NoAnswer,
  ResponseListener,
  Sender,
  ServerExchange,
} from './exchange.ts'
import { EarlyDialogs } from './early-dialogs.ts'
import { H } from './header-names.ts'
import { breadthOf, hopsLeft } from './hop.ts'
import { responseTo, type SipResponse, type SipRequest } from './message.ts'
import { newTag } from './branch.ts'

/** One copy of a request and where it goes. */
export interface Fork {
  readonly request: SipRequest
  readonly hop: NextHop
}

export interface ForwardOptions {
  readonly sender: Sender
  /** sent-by of the function, `host[:port]`. */
  readonly as: string
  /** Changes a response on its way upstream; it is called for every one but 100. */
  readonly onResponse?: (response: SipResponse, fork: number) => SipResponse
  /** The caller sends the final response, a 2xx too: for one that must wait for something first. */
  readonly holdFinal?: boolean
  /** A fork ended with this final response or without an answer. */
  readonly onForkEnd?: (fork: number, end: SipResponse | NoAnswer) => void
}

/** What became of a forwarded request. */
export interface Outcome {
  readonly response: SipResponse
  /** Why there was no response and this one was made up: 408 or 503 (RFC 3261 §16.7, §16.9). */
  readonly made: NoAnswer | 'cancelled' | undefined
}

/**
 * Sends a request to one or several next hops at once, as a stateful proxy does (RFC 3261 §16.6-16.10, RFC 5393, RFC 6228).
 *
 * Provisional responses and every 2xx go upstream at once (but see `holdFinal`); a 2xx or 6xx ends the other forks.
 * What comes of it is the first 2xx, which is already sent, or the best failure, which is the caller's to send (or to try
 * elsewhere first): at once where functions of this process have answered without waiting for anything, else promised.
 * A CANCEL from upstream is passed to all open forks.
 */
export function forward(
  exchange: ServerExchange,
  forks: readonly Fork[],
  options: ForwardOptions,
): Awaitable<Outcome> {
  const refused = refusalOf(exchange, forks.length)
  if (refused !== undefined) return refused
  const forwarding = new Forwarding(exchange, options)
  forwarding.start(forks)
  return forwarding.outcome
}

/** Which of two failures tells the caller more, the earlier one if they tell the same. */
export function betterOf(earlier: Outcome, later: Outcome): Outcome {
  return rank(later.response.status) < rank(earlier.response.status) ? later : earlier
}

/** Passes on the ACK of a 2xx: one next hop, no transaction, no answer. */
export function forwardAck(ack: SipRequest, hop: NextHop, sender: Sender, as: string): void {
  const maxForwards = hopsLeft(ack)
  if (maxForwards > 0) sender.sendAck(ack, hop, as, { maxForwards, maxBreadth: undefined })
}

function refusalOf(exchange: ServerExchange, forks: number): Outcome | undefined {
  const { request } = exchange
  if (exchange.cancelled !== undefined) return made(request, 487, 'cancelled')
  if (forks === 0) return made(request, 480, undefined)
  if (hopsLeft(request) <= 0) return made(request, 483, undefined)
  if (forks > breadthOf(request)) return made(request, 440, undefined)
  return undefined
}

/** Parallel forks divide what the request may still spread to; a single one inherits it (RFC 5393 §5.3.3). */
function shareOfBreadth(request: SipRequest, index: number, forks: number): number | undefined {
  if (forks === 1) return undefined
  const breadth = breadthOf(request)
  return Math.floor(breadth / forks) + (index < breadth % forks ? 1 : 0)
}

function made(request: SipRequest, status: number, why: Outcome['made']): Outcome {
  return { response: responseTo(request, status, { toTag: newTag() }), made: why }
}

/** One fork as its next hop sees it. */
class Branch implements ResponseListener {
  readonly #forwarding: Forwarding
  readonly #index: number
  client: ClientExchange | undefined

  constructor(forwarding: Forwarding, index: number) {
    this.#forwarding = forwarding
    this.#index = index
  }

  begun(client: ClientExchange): void {
    this.client = client
  }

  response(response: SipResponse): void {
    this.#forwarding.receive(this.#index, response)
  }

  noAnswer(why: NoAnswer): void {
    this.#forwarding.receiveNothing(this.#index, why)
  }
}

class Forwarding {
  readonly #exchange: ServerExchange
  readonly #options: ForwardOptions
  readonly #branches: Branch[] = []
  #challenges: SipResponse[] | undefined
  #earlyDialogs: EarlyDialogs | undefined
  #open = 0
  #best: Outcome | undefined
  #succeeded = false
  #stopped = false
  #settled: Outcome | undefined
  #resolve: ((outcome: Outcome) => void) | undefined

  constructor(exchange: ServerExchange, options: ForwardOptions) {
    this.#exchange = exchange
    this.#options = options
  }

  /** What has become of it; asked for once. */
  get outcome(): Awaitable<Outcome> {
    return this.#settled ?? new Promise(resolve => (this.#resolve = resolve))
  }

  start(forks: readonly Fork[]): void {
    const { sender, as } = this.#options
    const original = this.#exchange.request
    const maxForwards = hopsLeft(original)
    this.#open = forks.length
    this.#earlyDialogs = EarlyDialogs.of(original, forks.length)
    // Nothing else can be cancelled (RFC 3261 §9.1).
    if (original.method === 'INVITE') this.#exchange.onCancel = cancel => this.#cancel(cancel)
    for (let i = 0; i < forks.length; i++) {
      // A fork inside the process may have ended the matter already.
      if (this.#stopped) {
        this.#open -= forks.length - i
        this.#settle()
        return
      }
      const { request, hop } = forks[i] as Fork
      const branch = new Branch(this, i)
      this.#branches[i] = branch
      const maxBreadth = shareOfBreadth(original, i, forks.length)
      sender.send(request, hop, as, { maxForwards, maxBreadth }, branch)
    }
  }

  receive(fork: number, received: SipResponse): void {
    const { status } = received
    if (status === 100) return
    const response = this.#options.onResponse?.(received, fork) ?? received
    if (status < 200) {
      if (this.#succeeded) return
      this.#earlyDialogs?.note(fork, response)
      this.#exchange.respond(response)
      return
    }
    if (status < 300) {
      this.#succeed(fork, response)
      return
    }
    this.#options.onForkEnd?.(fork, received)
    this.#endBranch(fork)
    this.#fail(fork, { response, made: undefined })
  }

  receiveNothing(fork: number, why: NoAnswer): void {
    this.#options.onForkEnd?.(fork, why)
    this.#endBranch(fork)
    const { request, cancelled } = this.#exchange
    if (cancelled !== undefined) this.#fail(fork, made(request, 487, 'cancelled'))
    else this.#fail(fork, made(request, why === 'timeout' ? 408 : 503, why))
  }

  #succeed(fork: number, response: SipResponse): void {
    if (this.#options.holdFinal !== true) this.#exchange.respond(response)
    if (this.#succeeded) return
    this.#succeeded = true
    this.#options.onForkEnd?.(fork, response)
    this.#endBranch(fork)
    this.#cancelOthers(['SIP;cause=200;text="Call completed elsewhere"'])
    this.#end({ response, made: undefined })
  }

  #fail(fork: number, outcome: Outcome): void {
    this.#open--
    const { response } = outcome
    if (response.status === 401 || response.status === 407) (this.#challenges ??= []).push(response)
    this.#best = this.#best === undefined ? outcome : betterOf(this.#best, outcome)
    if (this.#open > 0 && !this.#stopped) this.#tellOfEnd(fork, response.status)
    // A 6xx speaks for the callee everywhere (§16.7 step 5): the others stop, and it goes up when they have.
    if (response.status >= 600) this.#cancelOthers([])
    this.#settle()
  }

  /** The caller need not wait for the slowest fork to forget what this one has said. */
  #tellOfEnd(fork: number, status: number): void {
    for (const response of this.#earlyDialogs?.ended(fork, status) ?? []) this.#exchange.respond(response)
  }

  /** Gives the best failure, once no fork is open any more. */
  #settle(): void {
    if (this.#best !== undefined && this.#open === 0 && !this.#succeeded) {
      this.#end({ response: this.#withAllChallenges(this.#best.response), made: this.#best.made })
    }
  }

  #end(outcome: Outcome): void {
    this.#settled = outcome
    this.#resolve?.(outcome)
  }

  #endBranch(fork: number): void {
    const branch = this.#branches[fork]
    if (branch !== undefined) branch.client = undefined
  }

  #cancel(cancel: SipRequest): void {
    const reasons = cancel.headers.lines(H.Reason)
    this.#cancelOthers(reasons.length > 0 ? reasons : ['SIP;cause=487;text="Request Terminated"'])
  }

  #cancelOthers(reasons: readonly string[]): void {
    this.#stopped = true
    for (const branch of this.#branches) branch.client?.cancel(reasons)
  }

  /** The caller must see the challenges of all forks to answer them at once (RFC 3261 §16.7 step 7). */
  #withAllChallenges(best: SipResponse): SipResponse {
    const challenges = this.#challenges
    if ((best.status !== 401 && best.status !== 407) || challenges === undefined || challenges.length < 2)
      return best
    const edit = best.headers.edit()
    for (const other of challenges) {
      if (other === best) continue
      for (const id of [H['WWW-Authenticate'], H['Proxy-Authenticate']]) {
        for (const value of other.headers.lines(id)) edit.append(id, value)
      }
    }
    return best.with(edit.done())
  }
}

/**
 * Which failure tells the caller most: 6xx (RFC 3261 §16.7 step 6), then 487, then the lowest code, 408 last.
 * Lower is better.
 */
function rank(status: number): number {
  if (status >= 600) return 0
  if (status === 487) return 1
  if (status === 408) return 1000
  return status
}
