import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { uriHost } from '../../../lib/kit/address.ts'
import { millis, type Clock } from '../../../lib/kit/clock.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { noLog } from '../../../lib/kit/log.ts'
import { newTag, randomText } from '../../../lib/sip/branch.ts'
import type { ClientExchange, NoAnswer, ServerExchange } from '../../../lib/sip/exchange.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { Headers, type HeaderEdit } from '../../../lib/sip/headers.ts'
import { LocalNet } from '../../../lib/sip/local-net.ts'
import { responseTo, SipRequest, type SipResponse } from '../../../lib/sip/message.ts'
import { SipNode } from '../../../lib/sip/node.ts'
import { retransmitDelay, RFC_TIMERS } from '../../../lib/sip/transaction/timers.ts'
import type { Flow, Transport, TransportEvents } from '../../../lib/sip/transport/flow.ts'
import { TcpTransport } from '../../../lib/sip/transport/tcp.ts'
import { UdpTransport } from '../../../lib/sip/transport/udp.ts'

/** Whose telephone it is. */
export interface Identity {
  readonly impu: string
  readonly impi: string
  readonly password: string
  readonly domain: string
}

export interface UserAgentOptions {
  readonly clock: Clock
  readonly identity: Identity
  readonly transport: 'UDP' | 'TCP'
  /** The element that everything goes to, whatever a Route says: an IP address and a port. */
  readonly to: { readonly host: string; readonly port: number }
}

/** How long an exchange may take, and what ends it before. */
export interface Patience {
  readonly answerMs: number
  readonly signal: AbortSignal
}

/** What came back to a request. */
export interface Answer {
  /** Undefined: none came in time. */
  readonly final: SipResponse | undefined
  /** Statuses of the responses before it. */
  readonly provisional: readonly number[]
  /** The request did not even leave: the connection was refused or broke. */
  readonly undeliverable: boolean
  readonly ms: number
}

export interface RequestParts {
  readonly callId: string
  readonly cseq: number
  /** With its tag, in a dialog. Absent: the target itself. */
  readonly to?: string
  readonly edit?: (headers: HeaderEdit) => unknown
  readonly body?: string
}

/** How many requests of a call are remembered: a call of ours has three. */
const MOST_HEARD = 100

/**
 * A telephone with one flow to one element, which is its outbound proxy. It sends what it is told to, and takes the
 * one call it has been told of: it rings, answers and is hung up on.
 *
 * Nothing that the far end does throws; a signal that aborts does.
 */
export class UserAgent implements AsyncDisposable {
  readonly identity: Identity
  readonly contact: string
  readonly #clock: Clock
  readonly #node: SipNode
  readonly #flow: Flow
  readonly #tag = newTag()
  /** ACKs of calls that were answered, in case the answer comes again. */
  readonly #acks = new Map<string, SipRequest>()
  readonly #heard: SipRequest[] = []
  readonly #listeners = new Set<() => void>()
  #expected: string | undefined
  #closed = false

  /** @throws CwError SERVICE_UNREACHABLE if there is no way there */
  static async open(options: UserAgentOptions): Promise<UserAgent> {
    const { clock, to, transport } = options
    const address = await addressTowards(to)
    const node = new SipNode({ clock, timers: RFC_TIMERS, log: noLog, net: new LocalNet(), resolver: NOBODY })
    const listening = { address, port: 0, clock }
    const open = (events: TransportEvents): Promise<Transport> =>
      transport === 'UDP'
        ? UdpTransport.open({ ...listening, events })
        : TcpTransport.open({ ...listening, events })
    const point = { name: 'telephone', host: uriHost(address), port: 0 }
    let receive = (_: ServerExchange): void => undefined
    const opened = await node.listen(open, {
      point,
      handle: exchange => {
        receive(exchange)
      },
    })
    // Its port is known only now, and a Via is no place for a 0.
    point.port = opened.point.port
    const flow = opened.flowTo(to.host, to.port)
    if (flow === undefined) throw new TypeError(`${transport} makes no flow`)
    const agent = new UserAgent(options, node, flow, `${point.host}:${point.port}`)
    receive = exchange => {
      agent.#receive(exchange)
    }
    return agent
  }

  private constructor(
    { clock, identity, transport }: UserAgentOptions,
    node: SipNode,
    flow: Flow,
    at: string,
  ) {
    this.identity = identity
    this.contact = `<sip:${at};transport=${transport.toLowerCase()}>`
    this.#clock = clock
    this.#node = node
    this.#flow = flow
  }

  /** A request of this user's. */
  request(method: string, uri: string, parts: RequestParts): SipRequest {
    const { callId, cseq, to = `<${uri}>`, edit, body = '' } = parts
    const headers = Headers.none
      .edit()
      .set(H['Max-Forwards'], '70')
      .set(H.From, `<${this.identity.impu}>;tag=${this.#tag}`)
      .set(H.To, to)
      .set(H['Call-ID'], callId)
      .set(H.CSeq, `${cseq} ${method}`)
      .set(H['User-Agent'], 'cw verify')
    edit?.(headers)
    return new SipRequest(method, uri, headers.done(), body)
  }

  /** Sends a request and waits for what comes back. An INVITE without a final answer is cancelled. */
  async ask(request: SipRequest, patience: Patience): Promise<Answer> {
    const begun = performance.now()
    const provisional: number[] = []
    let client: ClientExchange | undefined
    const end = await this.#inTime<SipResponse | NoAnswer>(patience, {
      begin: end => {
        this.#node.send(request, { via: 'flow', flow: this.#flow }, '', undefined, {
          begun: exchange => (client = exchange),
          response: response => {
            if (response.status < 200) provisional.push(response.status)
            else if (this.#acks.has(response.callId) && response.cseq?.method === 'INVITE')
              this.#sendAck(response.callId)
            else end(response)
          },
          noAnswer: end,
        })
      },
      giveUp: () => client?.cancel([]),
    })
    return {
      final: typeof end === 'object' ? end : undefined,
      provisional,
      undeliverable: end === 'unreachable',
      ms: Math.round(performance.now() - begun),
    }
  }

  /** Acknowledges the answer to an INVITE, now and whenever the answer comes again. */
  acknowledge(ack: SipRequest): void {
    this.#acks.set(ack.callId, ack)
    this.#sendAck(ack.callId)
  }

  /** The call that is taken; any other is refused. */
  expectCall(callId: string): void {
    this.#expected = callId
    this.#heard.length = 0
  }

  /** A request of the expected call, if it has come. */
  hasHeard(method: string): SipRequest | undefined {
    return this.#heard.find(each => each.method === method)
  }

  /** The same, and waits for it. */
  async heard(method: string, patience: Patience): Promise<SipRequest | undefined> {
    let look = (): void => undefined
    try {
      return await this.#inTime<SipRequest>(patience, {
        begin: end => {
          look = () => {
            const found = this.hasHeard(method)
            if (found !== undefined) end(found)
          }
          this.#listeners.add(look)
          look()
        },
      })
    } finally {
      this.#listeners.delete(look)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await this.#node.close(0)
  }

  /** What `begin` comes to; undefined when the time is over. Rejects when the signal aborts. */
  #inTime<T>(
    { answerMs, signal }: Patience,
    { begin, giveUp }: { begin: (end: (value: T) => void) => void; giveUp?: () => void },
  ): Promise<T | undefined> {
    signal.throwIfAborted()
    return new Promise((resolve, reject) => {
      const done = (): void => {
        timer.cancel()
        signal.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => {
        done()
        giveUp?.()
        reject(signal.reason as Error)
      }
      const timer = this.#clock.after(millis(answerMs), () => {
        done()
        giveUp?.()
        resolve(undefined)
      })
      signal.addEventListener('abort', onAbort)
      begin(value => {
        done()
        resolve(value)
      })
    })
  }

  #receive(exchange: ServerExchange): void {
    const { request } = exchange
    const expected = request.callId === this.#expected
    if (expected && this.#heard.length < MOST_HEARD) this.#heard.push(request)
    if (request.method === 'INVITE') {
      if (expected) this.#takeCall(exchange)
      else exchange.respond(responseTo(request, 486, { toTag: this.#tag }))
    } else if (request.method !== 'ACK') {
      exchange.respond(responseTo(request, expected ? 200 : 481, { toTag: this.#tag }))
    }
    for (const look of this.#listeners) look()
  }

  #takeCall(exchange: ServerExchange): void {
    const { request } = exchange
    const contact = (edit: HeaderEdit): unknown => edit.set(H.Contact, this.contact)
    exchange.respond(responseTo(request, 180, { toTag: this.#tag, edit: contact }))
    exchange.onCancel = () => {
      exchange.respond(responseTo(request, 487, { toTag: this.#tag }))
    }
    const answer = responseTo(request, 200, {
      toTag: this.#tag,
      edit: edit => contact(edit.set(H['Content-Type'], 'application/sdp')),
      body: sdpOf(this.#flow.local.address),
    })
    this.#answerUntilAcknowledged(exchange, answer, 1)
  }

  /** The answer to an INVITE is the telephone's own to repeat (RFC 3261 §13.3.1.4). */
  #answerUntilAcknowledged(exchange: ServerExchange, answer: SipResponse, sent: number): void {
    exchange.respond(answer)
    if (this.#flow.reliable) return
    this.#clock.after(retransmitDelay(sent, true, RFC_TIMERS), () => {
      const { callId } = exchange.request
      const done = this.#heard.some(each => each.method === 'ACK' && each.callId === callId)
      if (!done && !this.#closed && sent < 10) this.#answerUntilAcknowledged(exchange, answer, sent + 1)
    })
  }

  #sendAck(callId: string): void {
    const ack = this.#acks.get(callId)
    if (ack === undefined) return
    const limits = { maxForwards: 70, maxBreadth: undefined }
    this.#node.sendAck(ack, { via: 'flow', flow: this.#flow }, '', limits)
  }
}

export function newCallId(): string {
  return `cw-verify-${randomText(16)}`
}

/** An audio stream that nobody sends on: media do not pass the core. */
export function sdpOf(address: string): string {
  const at = `IN ${isIPv6(address) ? 'IP6' : 'IP4'} ${address}`
  const lines = ['v=0', `o=- 1 1 ${at}`, 's=-', `c=${at}`, 't=0 0', 'm=audio 9 RTP/AVP 0', 'a=inactive']
  return lines.map(line => `${line}\r\n`).join('')
}

const NOBODY = { resolve: () => Promise.resolve([]) }

/** The address of this machine from which that one is reached, as the routes say. */
async function addressTowards({ host, port }: { host: string; port: number }): Promise<string> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  try {
    const connected = once(socket, 'connect')
    socket.connect(port, host)
    await connected
    return socket.address().address
  } catch (cause) {
    throw new CwError('SERVICE_UNREACHABLE', `there is no way from here to ${host}`, {
      where: { address: `${host}:${port}` },
      changed: 'nothing',
      cause,
    })
  } finally {
    socket.close()
  }
}
