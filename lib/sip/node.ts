import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { millis, type Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import { MAGIC_COOKIE, newLocalBranch } from './branch.ts'
import type {
  ClientExchange,
  NextHop,
  ResponseListener,
  Sender,
  ServerExchange,
  ServicePoint,
  SipFunction,
} from './exchange.ts'
import { H } from './header-names.ts'
import type { HeaderEdit } from './headers.ts'
import { AckExchange, LocalExchange } from './local-exchange.ts'
import type { LocalNet } from './local-net.ts'
import { responseTo, type SipRequest, type SipResponse } from './message.ts'
import { NetworkClient, type ClientNode } from './network-client.ts'
import { NetworkServer } from './network-server.ts'
import { param, withParam } from './params.ts'
import { parseSip, type ParseFailure } from './parse.ts'
import type { Resolver, Target } from './resolver.ts'
import { ClientTransaction, type ClientUser } from './transaction/client.ts'
import { ServerTransaction } from './transaction/server.ts'
import type { SipTimers } from './transaction/timers.ts'
import type { Flow, ListeningPoint, Transport, TransportEvents, TransportName } from './transport/flow.ts'
import { uriParam, type SipUri } from './uri.ts'
import { formatVia, hasRport, type Via } from './via.ts'

export interface SipNodeOptions {
  readonly clock: Clock
  readonly timers: SipTimers
  readonly log: Log
  /** Functions that are reached inside the process. */
  readonly net: LocalNet
  readonly resolver: Resolver
  /** Requests that may wait for an answer at once; one more is refused with 503. */
  readonly mostOpenRequests?: number
}

/** One function's place in the network: how it is known, and what answers there. */
export interface Service {
  readonly point: ServicePoint
  readonly handle: SipFunction
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

/**
 * A SIP element: its transports, its transactions and the functions behind them (RFC 3261 §18, §17).
 *
 * Requests that arrive become exchanges and go to the function of the point they arrived at; `send` takes requests
 * out, over a flow, over the network or to a function of the same process.
 */
export class SipNode implements Sender, ClientNode {
  readonly clock: Clock
  readonly timers: SipTimers
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
  readonly #exchanges = new Map<ServerTransaction, NetworkServer>()
  readonly #clients = new Map<string, ClientTransaction>()
  readonly #cancels = new Map<string, ClientTransaction>()
  #draining = false

  constructor(options: SipNodeOptions) {
    this.#options = options
    this.clock = options.clock
    this.timers = options.timers
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
    return this.#exchanges.size
  }

  /** Takes nothing new (503), waits for what is under way or the deadline, then closes every transport. */
  async close(deadline: number): Promise<void> {
    this.#draining = true
    while (this.#exchanges.size > 0 && this.clock.now() < deadline) {
      await new Promise<void>(resolve => this.clock.after(millis(50), resolve))
    }
    await Promise.allSettled(this.#transports.map(transport => transport.close()))
  }

  // Sender

  send(request: SipRequest, hop: NextHop, as: string, listener: ResponseListener): ClientExchange {
    if (hop.via === 'uri') {
      const local = this.#options.net.find(hop.uri.host, hop.uri.port)
      if (local !== undefined) return this.#sendLocally(request, local, as, listener)
    }
    const client = new NetworkClient(this, request, listener)
    if (hop.via === 'flow') client.overFlow(hop.flow)
    else void this.#targetsOf(hop.uri).then(targets => client.toTargets(targets))
    return client
  }

  sendAck(ack: SipRequest, hop: NextHop, as: string): void {
    if (hop.via === 'uri') {
      const local = this.#options.net.find(hop.uri.host, hop.uri.port)
      if (local !== undefined) {
        const exchange = new AckExchange(withLocalVia(ack, as), local.point, undefined)
        queueMicrotask(() => this.#run({ point: local.point, handle: local.handle }, exchange))
        return
      }
      void this.#targetsOf(hop.uri).then(targets => {
        const flow = targets[0] === undefined ? undefined : this.flowTo(targets[0])
        if (flow !== undefined) this.#writeAck(ack, flow)
      })
      return
    }
    if (!hop.flow.closed) this.#writeAck(ack, hop.flow)
  }

  #writeAck(ack: SipRequest, flow: Flow): void {
    const via = `SIP/2.0/${flow.transport} ${this.sentBy(flow)};branch=${newLocalBranch()}`
    flow.send(ack.with(ack.headers.edit().prepend(H.Via, via).done()).format())
  }

  #sendLocally(
    request: SipRequest,
    target: Service,
    as: string,
    listener: ResponseListener,
  ): ClientExchange {
    const exchange = new LocalExchange(withLocalVia(request, as), target.point, listener)
    // Not at once: the sender has not got its client exchange yet, and an answer must not come before that.
    queueMicrotask(() => this.#run(target, exchange))
    return exchange
  }

  async #targetsOf(uri: SipUri): Promise<readonly Target[]> {
    const host = uri.host.startsWith('[') ? uri.host.slice(1, -1) : uri.host
    if (isIP(host) === 0) return this.#options.resolver.resolve(uri)
    const transport = uriParam(uri, 'transport')?.toUpperCase() === 'TCP' ? 'TCP' : 'UDP'
    return [{ transport, address: host, port: uri.port ?? 5060 }]
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
    const transactions = request.method === 'CANCEL' ? this.#cancels : this.#clients
    const transaction = new ClientTransaction(request, flow, user, {
      clock: this.clock,
      timers: this.timers,
      ended: ended => transactions.delete(ended.branch),
    })
    transactions.set(transaction.branch, transaction)
    transaction.start()
    return transaction
  }

  // Receiving

  #events(): TransportEvents {
    const { log } = this.#options
    return {
      message: (text, flow) => this.#receive(text, flow),
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
    // An unreliable flow may be shared by many transactions of which the loss of one datagram says nothing.
    for (const transaction of [...this.#clients.values()]) {
      if (transaction.outlet === flow) transaction.transportFailed()
    }
  }

  #receive(text: string, flow: Flow): void {
    const parsed = parseSip(text)
    if (!parsed.ok) {
      this.counts.malformed++
      this.#answerMalformed(parsed, flow)
      return
    }
    const { message } = parsed
    if (message.kind === 'response') this.#receiveResponse(message)
    else this.#receiveRequest(message, flow)
  }

  #receiveResponse(response: SipResponse): void {
    this.counts.responsesReceived++
    const transactions = response.cseq?.method === 'CANCEL' ? this.#cancels : this.#clients
    const transaction = transactions.get(response.branch ?? '')
    if (transaction !== undefined && transaction.method === response.cseq?.method) transaction.receive(response)
    else this.counts.strayResponses++
  }

  #receiveRequest(received: SipRequest, flow: Flow): void {
    this.counts.requestsReceived++
    const via = received.topVia
    const service = this.#services.get(flow.local)
    if (via === undefined || service === undefined) return
    const key = transactionKey(received, via)
    const sentBy = via.port === undefined ? via.host : `${via.host}:${via.port}`
    const method = received.method === 'ACK' ? 'INVITE' : received.method
    const known = this.#findServer(key, sentBy, method)
    if (received.method === 'ACK') {
      if (known !== undefined) known.receiveAck(received)
      else this.#run(service, new AckExchange(received, service.point, flow))
      return
    }
    if (known !== undefined) {
      known.repeated()
      return
    }
    const request = stampSource(received, via, flow)
    if (request.method === 'CANCEL') {
      this.#receiveCancel(request, key, sentBy, flow)
      return
    }
    if (this.#draining || this.#exchanges.size >= (this.#options.mostOpenRequests ?? MOST_OPEN_REQUESTS)) {
      this.counts.refusedForLoad++
      this.#refuse(request, flow, 503, undefined)
      return
    }
    const transaction = this.#openServer(request, key, sentBy, via, flow, service)
    const exchange = new NetworkServer(request, service.point, flow, transaction)
    this.#exchanges.set(transaction, exchange)
    exchange.begin(this.clock)
    this.#run(service, exchange)
  }

  #receiveCancel(cancel: SipRequest, key: string, sentBy: string, flow: Flow): void {
    const invite = this.#findServer(key, sentBy, 'INVITE')
    const exchange = invite === undefined ? undefined : this.#exchanges.get(invite)
    // RFC 3261 §22.1: whoever cancels must be the hop that invited.
    const sameHop = exchange === undefined || exchange.flow.remoteAddress === flow.remoteAddress
    const status = invite === undefined ? 481 : sameHop ? 200 : 403
    this.#refuse(cancel, flow, status, undefined)
    if (status === 200) exchange?.cancel(cancel)
  }

  #openServer(
    request: SipRequest,
    key: string,
    sentBy: string,
    via: Via,
    flow: Flow,
    service: Service,
  ): ServerTransaction {
    const transaction = new ServerTransaction(request, sentBy, this.#replyPath(via, flow), {
      clock: this.clock,
      timers: this.timers,
      answered: answered => this.#exchanges.delete(answered),
      ended: ended => this.#forgetServer(key, ended),
      ack: (_, ack) => this.#run(service, new AckExchange(ack, service.point, flow)),
    })
    transaction.sibling = this.#servers.get(key)
    this.#servers.set(key, transaction)
    return transaction
  }

  #findServer(key: string, sentBy: string, method: string): ServerTransaction | undefined {
    let transaction = this.#servers.get(key)
    while (transaction !== undefined && (transaction.method !== method || transaction.sentBy !== sentBy)) {
      transaction = transaction.sibling
    }
    return transaction
  }

  #forgetServer(key: string, ended: ServerTransaction): void {
    this.#exchanges.delete(ended)
    const first = this.#servers.get(key)
    if (first === ended) {
      if (ended.sibling === undefined) this.#servers.delete(key)
      else this.#servers.set(key, ended.sibling)
      return
    }
    for (let one = first; one !== undefined; one = one.sibling) {
      if (one.sibling === ended) one.sibling = ended.sibling
    }
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
    const stamped = param(via.params, 'received') === flow.remoteAddress ? request : stampSource(request, via, flow)
    const toTag = createHash('sha1').update(`${request.callId} ${formatVia(via)}`).digest('base64url').slice(0, 10)
    const edit = status === 503 ? { edit: retryLater } : {}
    const text = reason === undefined ? {} : { reason }
    this.#replyPath(via, flow).send(responseTo(stamped, status, { toTag, ...text, ...edit }).format())
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
    const { method, callId } = exchange.request
    this.#options.log.error('a SIP function failed', { method, callId, point: exchange.point.name, error })
    if (method !== 'ACK') exchange.respond(responseTo(exchange.request, 500, { toTag: 'failed' }))
  }
}

function retryLater(edit: HeaderEdit): void {
  edit.set(H['Retry-After'], '0')
}

/** RFC 3261 §17.2.3: the branch names the transaction, unless an RFC 2543 element made it. */
function transactionKey(request: SipRequest, via: Via): string {
  const branch = param(via.params, 'branch')
  if (branch !== undefined && branch.length > MAGIC_COOKIE.length && branch.startsWith(MAGIC_COOKIE)) return branch
  return [request.uri, request.callId, request.fromTag, request.cseq?.number, formatVia(via)].join('|')
}

/** Notes where a request really came from (RFC 3261 §18.2.1, RFC 3581 §4). */
function stampSource(request: SipRequest, via: Via, flow: Flow): SipRequest {
  let { params } = via
  if (hasRport(via)) params = withParam(params, 'rport', String(flow.remotePort))
  params = withParam(params, 'received', flow.remoteAddress)
  const stamped = formatVia({ ...via, params })
  return request.with(request.headers.edit().replaceTop(H.Via, stamped).done())
}

function withLocalVia(request: SipRequest, as: string): SipRequest {
  const via = `SIP/2.0/TCP ${as};branch=${newLocalBranch()}`
  return request.with(request.headers.edit().prepend(H.Via, via).done())
}
