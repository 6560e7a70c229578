import { millis, type Clock, type Timer } from '../kit/clock.ts'
import { isLoop, newBranch, newTag } from './branch.ts'
import type { ClientExchange, HopLimits, NoAnswer, ResponseListener } from './exchange.ts'
import { H } from './header-names.ts'
import { forHop } from './hop.ts'
import { responseTo, type SipRequest, type SipResponse } from './message.ts'
import type { PeerHealth } from './peer-health.ts'
import type { Target } from './resolver.ts'
import type { ClientTransaction, ClientUser } from './transaction/client.ts'
import type { SipTimers } from './transaction/timers.ts'
import type { Flow } from './transport/flow.ts'

/** What a request over the network needs of its node. */
export interface ClientNode {
  readonly clock: Clock
  readonly timers: SipTimers
  readonly peers: PeerHealth
  /** The flow to an address, connecting where needed; undefined if the transport is not there. */
  flowTo(target: Target): Flow | undefined
  /** sent-by for Vias over a flow. */
  sentBy(flow: Flow): string
  /** Starts a transaction, and knows it until it ends. */
  begin(request: SipRequest, flow: Flow, user: ClientUser): ClientTransaction
}

/** A larger request goes by a transport that does not lose pieces (RFC 3261 §18.1.1). */
const LARGEST_DATAGRAM = 1300
/** What the Via of this hop will add, at least. */
const VIA_OCTETS = 80
/** At most so many addresses are tried for one request. */
const MOST_TARGETS = 5

/** A request on its way to one next hop over the network, trying its addresses in turn (RFC 3263 §4.3). */
export class NetworkClient implements ClientExchange, ClientUser {
  readonly #node: ClientNode
  readonly #request: SipRequest
  readonly #limits: HopLimits | undefined
  readonly #listener: ResponseListener
  #targets: readonly Target[] = []
  #next = 0
  /** Where the present transaction goes; undefined over a connection that was given. */
  #target: Target | undefined
  /** Whether the target has shown any sign of life. */
  #heard = false
  /** Whether the present transaction goes over a connection that stood before. */
  #stood = false
  #mayBeSilent = false
  #elsewhere: (() => void) | undefined
  #transaction: ClientTransaction | undefined
  #flow: Flow | undefined
  #cancelReasons: readonly string[] | undefined
  #timerC: Timer | undefined
  #afterCancel: Timer | undefined
  #done = false

  constructor(
    node: ClientNode,
    request: SipRequest,
    limits: HopLimits | undefined,
    listener: ResponseListener,
  ) {
    this.#node = node
    this.#request = request
    this.#limits = limits
    this.#listener = listener
  }

  /**
   * Sends over a connection that exists; it is used whatever the request's size (RFC 5626 §5.3).
   *
   * @param elsewhere calls `toTargets`, should this connection lead nowhere
   */
  overFlow(flow: Flow, elsewhere?: () => void): void {
    this.#elsewhere = elsewhere
    if (!flow.closed) this.#transmit(flow)
    else if (this.#mayGoOn) this.#tryNext()
    else this.#laterNoAnswer('unreachable')
  }

  /**
   * Sends to the first address that takes it.
   *
   * @param mayBeSilent a stateless proxy is there: that nothing comes back says nothing about it
   */
  toTargets(targets: readonly Target[], mayBeSilent = false): void {
    this.#targets = withStreamsFirst(targets.slice(0, MOST_TARGETS), this.#request, this.#node.peers)
    this.#mayBeSilent = mayBeSilent
    if (this.#cancelReasons !== undefined || this.#targets.length === 0) this.#laterNoAnswer('unreachable')
    else this.#tryNext()
  }

  cancel(reasons: readonly string[]): void {
    if (this.#done || this.#cancelReasons !== undefined) return
    this.#cancelReasons = reasons
    if (this.#transaction?.state === 'proceeding') this.#sendCancel()
  }

  response(response: SipResponse): void {
    const { status } = response
    if (!this.#heard) {
      this.#heard = true
      if (this.#target !== undefined) this.#node.peers.answered(this.#target)
    }
    if (status < 200) {
      if (status > 100) this.#restartTimerC()
      if (this.#cancelReasons !== undefined && this.#afterCancel === undefined) this.#sendCancel()
    } else {
      if (status === 503 && this.#mayGoOn) {
        this.#tryNext()
        return
      }
      this.#finish()
    }
    // With the Via of this hop go those of the hops inside, which nobody there waits for.
    this.#listener.response(
      response.with(response.headers.withoutTop(H.Via, 1 + (this.#request.inside?.count ?? 0))),
    )
  }

  timedOut(): void {
    // One that has said 100 is alive: it is somebody behind it who does not answer.
    if (!this.#heard && !this.#mayBeSilent && this.#target !== undefined) {
      this.#node.peers.failed(this.#target)
    }
    this.#fail('timeout')
  }

  unreachable(): void {
    const target = this.#target
    // That a connection broke long ago, as when its peer has started anew, is often seen by its next use only.
    if (target !== undefined && this.#stood && !this.#heard && this.#cancelReasons === undefined) {
      this.#stood = false
      const anew = this.#node.flowTo(target)
      if (anew !== undefined && anew !== this.#flow) {
        this.#transmit(anew)
        return
      }
    }
    if (target !== undefined) this.#node.peers.failed(target)
    if (this.#mayGoOn) this.#tryNext()
    else this.#fail('unreachable')
  }

  get #mayGoOn(): boolean {
    const isMore = this.#next < this.#targets.length || this.#elsewhere !== undefined
    return isMore && this.#cancelReasons === undefined
  }

  #tryNext(): void {
    const elsewhere = this.#elsewhere
    if (elsewhere !== undefined) {
      this.#elsewhere = undefined
      elsewhere()
      return
    }
    const target = this.#targets[this.#next++]
    const flow = target === undefined ? undefined : this.#node.flowTo(target)
    this.#target = target
    this.#heard = false
    this.#stood = flow?.ready === true
    if (target !== undefined) this.#node.peers.trying(target)
    if (flow !== undefined) this.#transmit(flow)
    else if (this.#next < this.#targets.length) this.#tryNext()
    else this.#laterNoAnswer('unreachable')
  }

  #transmit(flow: Flow): void {
    if (isLoop(this.#request)) {
      this.#done = true
      const loop = responseTo(this.#request, 482, { toTag: newTag() })
      queueMicrotask(() => this.#listener.response(loop))
      return
    }
    const rport = flow.transport === 'UDP' ? ';rport' : ''
    const via = `SIP/2.0/${flow.transport} ${this.#node.sentBy(flow)}${rport};branch=${newBranch(this.#request)}`
    this.#flow = flow
    this.#transaction = this.#node.begin(forHop(this.#request, via, this.#limits), flow, this)
    if (this.#request.method === 'INVITE') this.#restartTimerC()
  }

  #sendCancel(): void {
    // Only INVITE is cancelled; any other request ends in time by itself (RFC 3261 §9.1).
    if (this.#request.method !== 'INVITE') return
    const { clock, timers } = this.#node
    const cancel = this.#transaction?.cancelRequest(this.#cancelReasons ?? [])
    const flow = this.#flow
    if (flow === undefined || cancel === undefined) return
    this.#node.begin(cancel, flow, NOBODY)
    // RFC 3261 §9.1: a peer that answers neither CANCEL nor INVITE is given up after 64·T1.
    this.#afterCancel = clock.after(millis(64 * timers.t1), () => {
      this.#transaction?.abandon()
      this.#fail('timeout')
    })
  }

  #restartTimerC(): void {
    if (this.#request.method !== 'INVITE') return
    this.#timerC?.cancel()
    this.#timerC = this.#node.clock.after(this.#node.timers.c, () => {
      this.cancel(['SIP;cause=408;text="Request Timeout"'])
    })
  }

  #laterNoAnswer(why: NoAnswer): void {
    queueMicrotask(() => this.#fail(why))
  }

  #fail(why: NoAnswer): void {
    if (this.#done) return
    this.#finish()
    this.#listener.noAnswer(why)
  }

  #finish(): void {
    this.#done = true
    this.#timerC?.cancel()
    this.#afterCancel?.cancel()
  }
}

const NOBODY: ClientUser = {
  response: () => undefined,
  timedOut: () => undefined,
  unreachable: () => undefined,
}

/** A large request tries each datagram target by stream first; by datagram is still better than no call. */
function withStreamsFirst(
  targets: readonly Target[],
  request: SipRequest,
  peers: PeerHealth,
): readonly Target[] {
  if (!targets.some(target => target.transport === 'UDP')) return targets
  if (request.format().length + VIA_OCTETS <= LARGEST_DATAGRAM) return targets
  return targets.flatMap(target => {
    if (target.transport !== 'UDP') return [target]
    const stream: Target = { ...target, transport: 'TCP' }
    return peers.isAvoided(stream) ? [target] : [stream, target]
  })
}
