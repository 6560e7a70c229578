import { millis, seconds, type Clock } from '../kit/clock.ts'
import type { Graylist } from '../kit/graylist.ts'
import type { Log } from '../kit/log.ts'
import type { Admission, AdmissionFigures } from '../overload/admission.ts'
import { newLocalBranch, newTag } from './branch.ts'
import { ConnectionPools, type PooledHosts } from './connection-pools.ts'
import type {
  HopLimits,
  NextHop,
  ResponseListener,
  Sender,
  ServerExchange,
  ServicePoint,
  SipFunction,
} from './exchange.ts'
import { Destinations } from './destinations.ts'
import { H } from './header-names.ts'
import { forHop, forInsideHop } from './hop.ts'
import { Inbox } from './inbox.ts'
import { AckExchange, LocalExchange } from './local-exchange.ts'
import type { LocalNet } from './local-net.ts'
import { responseTo, type SipRequest, type SipResponse } from './message.ts'
import { NetworkClient, type ClientNode } from './network-client.ts'
import { NetworkServer } from './network-server.ts'
import { parseSip, type ParseFailure } from './parse.ts'
import { PeerHealth } from './peer-health.ts'
import { isUrgent } from './priority.ts'
import { stampSource, transactionKey } from './received.ts'
import { isAckOfRefusal, refusalOf } from './refusal.ts'
import type { Resolver, Target } from './resolver.ts'
import { ClientTransaction, type ClientSurroundings, type ClientUser } from './transaction/client.ts'
import { ServerTransaction, type ServerSurroundings } from './transaction/server.ts'
import type { SipTimers } from './transaction/timers.ts'
import type { Flow, ListeningPoint, Transport, TransportEvents, TransportName } from './transport/flow.ts'
import type { SipUri } from './uri.ts'
import { hasRport, type Via } from './via.ts'

export interface SipNodeOptions {
  readonly clock: Clock
  readonly timers: SipTimers
  readonly log: Log
  /** Functions that are reached inside the process. */
  readonly net: LocalNet
  readonly resolver: Resolver
  /** Requests that may wait for an answer at once; one more is refused with 503. */
  readonly mostOpenRequests?: number
  /** Targets that did not answer are passed over for a while; absent: never. */
  readonly graylist?: Graylist
  /** Hosts, in lower case, behind which a stateless proxy is: its silence is not its own. */
  readonly statelessProxies?: ReadonlySet<string>
  /** Hosts that requests go to over pools of connections. */
  readonly pooled?: PooledHosts
  /** Refuses requests that could not be answered in time, but for urgent ones; absent: none. */
  readonly admission?: Admission
  /** Values of Resource-Priority, in lower case, whose requests are never refused for load. */
  readonly priorities?: ReadonlySet<string>
}

/** What keeps a node working under load and beside peers that do not answer. */
export type NodeProtection = Pick<
  SipNodeOptions,
  'graylist' | 'statelessProxies' | 'pooled' | 'admission' | 'priorities'
>

/** One function's place in the network: how it is known, and what answers there. */
export interface Service {
  readonly point: ServicePoint
  readonly handle: SipFunction
  /**
   * Answers a request that arrives with this status at once, and remembers nothing of it: whoever floods from forged
   * addresses has it answered once each. Absent, or undefined: it is handled.
   */
  readonly turnsAway?: (request: SipRequest, flow: Flow) => number | undefined
}

/** Counts since the start, for /metrics and tests. */
export interface SipCounts {
  requestsReceived: number
  responsesReceived: number
  malformed: number
  refusedForLoad: number
  strayResponses: number
}

const MOST_OPEN_REQUESTS = 100_000
/** Until then a connection that an ACK was given to is refused, or stands. */
const ACK_WATCHED = seconds(5)
/** Whoever has waited for longer in the inbox has sent the request again several times, or given up. */
const LONGEST_WAIT_MS = 4000
/** Answered requests are remembered for 32 s, to know their repetitions; so many at most. */
const MOST_TRANSACTIONS = 400_000

/**
 * A SIP element: its transports, its transactions and the functions behind them (RFC 3261 §18, §17).
 *
 * Requests that arrive become exchanges and go to the function of the point they arrived at; `send` takes requests
 * out, over a flow, over the network or to a function of the same process.
 */
export class SipNode implements Sender, ClientNode, ServerSurroundings, ClientSurroundings {
  readonly clock: Clock
  readonly timers: SipTimers
  readonly peers: PeerHealth
  readonly counts: SipCounts = {
    requestsReceived: 0,
    responsesReceived: 0,
    malformed: 0,
    refusedForLoad: 0,
    strayResponses: 0,
  }
  readonly #options: SipNodeOptions
  readonly #services = new Map<ListeningPoint, Service>()
  readonly #transports: Transport[] = []
  readonly #outbound = new Map<TransportName, Transport>()
  readonly #servers = new Map<string, ServerTransaction>()
  readonly #clients = new Map<string, ClientTransaction>()
  readonly #cancels = new Map<string, ClientTransaction>()
  /** Streams that requests have gone out over: the end of any other concerns no transaction. */
  readonly #streamsUsed = new Set<Flow>()
  readonly #inbox: Inbox
  readonly #destinations: Destinations
  readonly #pools: ConnectionPools | undefined
  #openRequests = 0
  #draining = false

  constructor(options: SipNodeOptions) {
    this.#options = options
    this.clock = options.clock
    this.timers = options.timers
    this.peers = new PeerHealth(options.graylist)
    this.#inbox = new Inbox(
      (text, flow, waitedMs) => this.#receive(text, flow, waitedMs),
      error => options.log.error('a message could not be handled', { error }),
    )
    const { resolver, statelessProxies, pooled } = options
    this.#destinations = new Destinations({ resolver, statelessProxies, peers: this.peers })
    this.#pools =
      pooled &&
      new ConnectionPools(pooled, {
        clock: this.clock,
        peers: this.peers,
        targetsOf: uri => this.#destinations.of(uri),
        connect: ({ address, port }) => this.#outbound.get('TCP')?.connect?.(address, port),
        inUse: () =>
          new Set([...this.#clients.values(), ...this.#cancels.values()].map(({ outlet }) => outlet as Flow)),
      })
  }

  /**
   * Opens a transport and puts a service behind it.
   *
   * @param open makes the transport with the events it is given
   * @param outbound whether requests to addresses may leave from here
   */
  async listen(
    open: (events: TransportEvents) => Promise<Transport>,
    service: Service,
    outbound = false,
  ): Promise<Transport> {
    const transport = await open(this.#events())
    this.#services.set(transport.point, service)
    this.#transports.push(transport)
    if (outbound) this.#outbound.set(transport.point.transport, transport)
    return transport
  }

  /** Requests that came over the network and wait for their final answer. */
  get openRequests(): number {
    return this.#openRequests
  }

  /** Messages that have been read and not yet looked at. */
  get waitingMessages(): number {
    return this.#inbox.length
  }

  /** What is known of the load; undefined where nothing is refused for it. */
  get load(): AdmissionFigures | undefined {
    return this.#options.admission?.figures
  }

  /**
   * Takes nothing new (503) but what belongs to a dialog, and waits for what is under way, or for the deadline (Unix ms).
   *
   * @returns false if `takeAgain` came before
   */
  async drain(deadline: number): Promise<boolean> {
    this.#draining = true
    const isDraining = (): boolean => this.#draining
    while (isDraining() && this.#openRequests > 0 && this.clock.now() < deadline) {
      await new Promise<void>(resolve => this.clock.after(millis(50), resolve))
    }
    return isDraining()
  }

  /** Takes requests as before `drain`. */
  takeAgain(): void {
    this.#draining = false
  }

  /** Takes nothing new (503), waits for what is under way or the deadline, then closes every transport. */
  async close(deadline: number): Promise<void> {
    await this.drain(deadline)
    this.#pools?.close()
    await Promise.allSettled(this.#transports.map(transport => transport.close()))
  }

  // Sender

  send(
    request: SipRequest,
    hop: NextHop,
    as: string,
    limits: HopLimits | undefined,
    listener: ResponseListener,
  ): void {
    if (hop.via === 'uri') {
      const local = this.#options.net.find(hop.uri.host, hop.uri.port)
      if (local !== undefined) {
        const exchange = new LocalExchange(forInsideHop(request, as, limits), local.point, listener)
        listener.begun(exchange)
        this.#run(local, exchange)
        return
      }
    }
    const client = new NetworkClient(this, request, limits, listener)
    listener.begun(client)
    if (hop.via === 'flow') {
      client.overFlow(hop.flow)
      return
    }
    const pooled = this.#pools?.pick(hop.uri)
    if (pooled === undefined) this.#toTargetsOf(client, hop.uri)
    else client.overFlow(pooled, () => this.#toTargetsOf(client, hop.uri, pooled))
  }

  sendAck(ack: SipRequest, hop: NextHop, as: string, limits: HopLimits): void {
    if (hop.via === 'uri') {
      const local = this.#options.net.find(hop.uri.host, hop.uri.port)
      if (local !== undefined) {
        this.#run(local, new AckExchange(forInsideHop(ack, as, limits), local.point, undefined))
        return
      }
      const pooled = this.#pools?.pick(hop.uri)
      if (pooled !== undefined) {
        this.#writeAck(ack, pooled, limits)
        return
      }
      void this.#destinations.of(hop.uri).then(targets => this.#ackToFirst(ack, targets, limits))
      return
    }
    if (!hop.flow.closed) this.#writeAck(ack, hop.flow, limits)
  }

  /** An ACK has no answer that could be missed; but a connection that cannot be made tells that it is lost. */
  #ackToFirst(ack: SipRequest, [target, ...others]: readonly Target[], limits: HopLimits): void {
    const flow = target === undefined ? undefined : this.flowTo(target)
    if (flow === undefined) return
    if (flow.reliable && others.length > 0) {
      const forget = flow.onClose(() => this.#ackToFirst(ack, others, limits))
      this.clock.after(ACK_WATCHED, forget)
    }
    this.#writeAck(ack, flow, limits)
  }

  #writeAck(ack: SipRequest, flow: Flow, limits: HopLimits): void {
    const via = `SIP/2.0/${flow.transport} ${this.sentBy(flow)};branch=${newLocalBranch()}`
    flow.send(forHop(ack, via, limits).format())
  }

  #toTargetsOf(client: NetworkClient, uri: SipUri, tried?: Flow): void {
    const mayBeSilent = this.#destinations.mayBeSilent(uri)
    void this.#destinations.of(uri, tried).then(targets => client.toTargets(targets, mayBeSilent))
  }

  // ClientNode

  flowTo(target: Target): Flow | undefined {
    return this.#outbound.get(target.transport)?.flowTo(target.address, target.port)
  }

  sentBy(flow: Flow): string {
    const point = this.#services.get(flow.local)?.point
    return point === undefined ? `${flow.local.address}:${flow.local.port}` : `${point.host}:${point.port}`
  }

  begin(request: SipRequest, flow: Flow, user: ClientUser): ClientTransaction {
    const transaction = new ClientTransaction(request, flow, user, this)
    this.#clientsOf(request.method).set(transaction.branch, transaction)
    if (flow.reliable) this.#streamsUsed.add(flow)
    transaction.start()
    return transaction
  }

  // What transactions tell their surroundings

  ended(transaction: ClientTransaction | ServerTransaction): void {
    if (transaction instanceof ClientTransaction) {
      this.#clientsOf(transaction.method).delete(transaction.branch)
    } else {
      this.answered(transaction)
      this.#servers.delete(transaction.key)
    }
  }

  answered(transaction: ServerTransaction): void {
    if (transaction.user === undefined) return
    transaction.user = undefined
    this.#openRequests--
  }

  ack(transaction: ServerTransaction, ack: SipRequest): void {
    const flow = transaction.outlet as Flow
    const service = this.#services.get(flow.local)
    if (service !== undefined) this.#run(service, new AckExchange(ack, service.point, flow))
  }

  /** CANCEL has the branch of its INVITE (RFC 3261 §9.1). */
  #clientsOf(method: string): Map<string, ClientTransaction> {
    return method === 'CANCEL' ? this.#cancels : this.#clients
  }

  // Receiving

  #events(): TransportEvents {
    const { log } = this.#options
    return {
      message: (text, flow) => this.#inbox.put(text, flow),
      malformed: (flow, fault, text) => {
        this.counts.malformed++
        log.debug('a peer broke the framing', { peer: flow.remoteAddress, fault })
        const failure = parseSip(text)
        if (!failure.ok) this.#answerMalformed(failure, flow)
        else if (failure.message.kind === 'request') {
          this.#refuse(failure.message, flow, 400, 'Bad message framing')
        }
      },
      failed: (flow, error) => {
        log.debug('sending failed', { peer: flow.remoteAddress, port: flow.remotePort, why: error.message })
        this.#flowFailed(flow)
      },
      closed: flow => {
        if (flow.reliable) this.#flowFailed(flow)
      },
      error: error => log.error('a transport reported an error', { error }),
    }
  }

  #flowFailed(flow: Flow): void {
    if (flow.reliable && !this.#streamsUsed.delete(flow)) return
    // An unreliable flow may be shared by many transactions of which the loss of one datagram says nothing.
    for (const transaction of [...this.#clients.values()]) {
      if (transaction.outlet === flow) transaction.transportFailed()
    }
  }

  #receive(text: string, flow: Flow, waitedMs: number): void {
    const parsed = parseSip(text)
    if (!parsed.ok) {
      this.counts.malformed++
      this.#answerMalformed(parsed, flow)
      return
    }
    const { message } = parsed
    if (message.kind === 'response') this.#receiveResponse(message, flow)
    else this.#receiveRequest(message, flow, waitedMs)
  }

  #receiveResponse(response: SipResponse, flow: Flow): void {
    this.counts.responsesReceived++
    const method = response.cseq?.method ?? ''
    const transaction = this.#clientsOf(method).get(response.branch ?? '')
    if (transaction?.method === method && isPeer(transaction.outlet as Flow, flow))
      transaction.receive(response)
    else this.counts.strayResponses++
  }

  #receiveRequest(received: SipRequest, flow: Flow, waitedMs: number): void {
    this.counts.requestsReceived++
    const via = received.topVia
    const service = this.#services.get(flow.local)
    if (via === undefined || service === undefined) return
    const key = transactionKey(received, via, received.method === 'ACK' ? 'INVITE' : received.method)
    const known = this.#servers.get(key)
    if (received.method === 'ACK') {
      if (known !== undefined) known.receiveAck(received)
      else if (!isAckOfRefusal(received, via))
        this.#run(service, new AckExchange(received, service.point, flow))
      return
    }
    if (known !== undefined) {
      known.repeated()
      return
    }
    const request = stampSource(received, via, flow)
    if (request.method === 'CANCEL') {
      this.#receiveCancel(request, via, flow)
      return
    }
    const turnedAway = service.turnsAway?.(request, flow)
    if (turnedAway !== undefined) {
      this.#refuse(request, flow, turnedAway, undefined)
      return
    }
    const { admission } = this.#options
    const now = admission === undefined ? 0 : performance.now()
    if (
      (this.#draining && request.toTag === undefined) ||
      this.#servers.size >= MOST_TRANSACTIONS ||
      this.#openRequests >= (this.#options.mostOpenRequests ?? MOST_OPEN_REQUESTS) ||
      (admission !== undefined && !this.#isLetIn(request, admission, waitedMs, now))
    ) {
      this.counts.refusedForLoad++
      this.#refuse(request, flow, 503, undefined)
      return
    }
    const transaction = new ServerTransaction(key, request.method, this.#replyPath(via, flow), this)
    this.#servers.set(key, transaction)
    const exchange = new NetworkServer(request, service.point, flow, transaction)
    transaction.user = exchange
    this.#openRequests++
    exchange.begin()
    this.#run(service, exchange)
    if (exchange.open) exchange.wait(this.clock)
    if (admission !== undefined) {
      const done = performance.now()
      admission.completed(waitedMs + done - now, done)
    }
  }

  #isLetIn(request: SipRequest, admission: Admission, waitedMs: number, now: number): boolean {
    if (waitedMs < LONGEST_WAIT_MS && admission.take(now)) return true
    if (isUrgent(request, this.#options.priorities)) return true
    admission.refused()
    return false
  }

  #receiveCancel(cancel: SipRequest, via: Via, flow: Flow): void {
    const invite = this.#servers.get(transactionKey(cancel, via, 'INVITE'))
    const inviter = invite?.user
    const status = invite === undefined ? 481 : inviter === undefined || inviter.isFrom(flow) ? 200 : 403
    this.#refuse(cancel, flow, status, undefined)
    if (status === 200) inviter?.cancel(cancel)
  }

  /** Where responses go (RFC 3261 §18.2.2, RFC 3581 §4): back over the flow, or to the port the Via names. */
  #replyPath(via: Via, flow: Flow): Flow {
    if (flow.transport !== 'UDP' || hasRport(via)) return flow
    const port = via.port ?? 5060
    if (port === flow.remotePort) return flow
    const transport = this.#transports.find(one => one.point === flow.local)
    return transport?.flowTo(flow.remoteAddress, port) ?? flow
  }

  #answerMalformed(failure: ParseFailure, flow: Flow): void {
    this.#options.log.debug('a message was not taken', { peer: flow.remoteAddress, why: failure.why })
    if (failure.answerable !== undefined) {
      this.#refuse(failure.answerable, flow, failure.status, failure.status === 505 ? undefined : failure.why)
    }
  }

  /** Answers without a transaction (RFC 3261 §8.2.7): the same answer for the same request. */
  #refuse(request: SipRequest, flow: Flow, status: number, reason: string | undefined): void {
    const via = request.topVia
    if (request.method === 'ACK' || via === undefined) return
    this.#replyPath(via, flow).send(refusalOf(request, via, flow, status, reason).format())
  }

  #run(service: Service, exchange: ServerExchange): void {
    try {
      const running = service.handle(exchange)
      if (running !== undefined) running.catch((error: unknown) => this.#failed(exchange, error))
    } catch (error) {
      this.#failed(exchange, error)
    }
  }

  #failed(exchange: ServerExchange, error: unknown): void {
    const { method, callId, headers } = exchange.request
    const named = { method, callId, sessionId: headers.get(H['Session-ID']) }
    this.#options.log.error('a SIP function failed', { ...named, point: exchange.point.name, error })
    // The caller must not wait for ever; where an answer has gone out already, this one is not sent.
    exchange.respond(responseTo(exchange.request, 500, { toTag: newTag() }))
  }
}

/** Whether a response comes from where its request went: over the same stream, or from the same address. */
function isPeer(asked: Flow, answering: Flow): boolean {
  return asked === answering || (!asked.reliable && asked.remoteAddress === answering.remoteAddress)
}
