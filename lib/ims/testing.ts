import { TestClock } from '../kit/clock.ts'
import type {
  ClientExchange,
  HopLimits,
  NextHop,
  NoAnswer,
  ResponseListener,
  Sender,
  ServerExchange,
  ServicePoint,
} from '../sip/exchange.ts'
import type { HeaderEdit } from '../sip/headers.ts'
import { responseTo, type SipRequest, type SipResponse } from '../sip/message.ts'
import { parseSip } from '../sip/parse.ts'
import type { Flow, ListeningPoint, TransportName } from '../sip/transport/flow.ts'
import { formatUri, parseUri, type Uri } from '../sip/uri.ts'

/*
 * For tests of SIP functions: a request comes in as a `TestExchange`, and what the function sends goes to a
 * `TestSender`, which answers as the test says. No socket, no time that passes by itself.
 */

const USUAL: Readonly<Record<string, string>> = {
  Via: 'SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK-test',
  'Max-Forwards': '70',
  From: '<sip:alice@example.com>;tag=a1',
  To: '<sip:bob@example.com>',
  'Call-ID': 'call@192.0.2.1',
}

/**
 * A request as it would come over the wire.
 *
 * @param lines header lines; one that is also a usual one replaces it, and an empty one (`Max-Forwards:`) takes it out
 */
export function sipRequest(
  method: string,
  uri: string,
  lines: readonly string[] = [],
  body = '',
): SipRequest {
  const given = new Set(lines.map(line => line.slice(0, line.indexOf(':'))))
  const usual = Object.entries({ ...USUAL, CSeq: `1 ${method}` })
    .filter(([name]) => !given.has(name))
    .map(([name, value]) => `${name}: ${value}`)
  const written = lines.filter(line => !line.endsWith(':'))
  const head = [`${method} ${uri} SIP/2.0`, ...usual, ...written, `Content-Length: ${body.length}`]
  const parsed = parseSip(`${head.join('\r\n')}\r\n\r\n${body}`)
  if (!parsed.ok || parsed.message.kind !== 'request') throw new Error(`not a request: ${head.join(' | ')}`)
  return parsed.message
}

export function uri(text: string): Uri {
  const parsed = parseUri(text)
  if (parsed === undefined) throw new Error(`not a URI: ${text}`)
  return parsed
}

/** A request on its way to its answers, which are kept. */
export class TestExchange implements ServerExchange {
  readonly request: SipRequest
  readonly flow: Flow | undefined
  readonly point: ServicePoint = { name: 'test', host: '192.0.2.9', port: 5060 }
  readonly responses: SipResponse[] = []
  cancelled: SipRequest | undefined
  onCancel: ((cancel: SipRequest) => void) | undefined

  constructor(request: SipRequest, flow?: Flow) {
    this.request = request
    this.flow = flow
  }

  respond(response: SipResponse): void {
    this.responses.push(response)
  }

  get statuses(): number[] {
    return this.responses.map(({ status }) => status)
  }

  /** The one final response. */
  get final(): SipResponse {
    const finals = this.responses.filter(({ status }) => status >= 200)
    const [only] = finals
    if (only === undefined || finals.length > 1)
      throw new Error(`final responses: ${this.statuses.join(' ')}`)
    return only
  }
}

/** One request that a function has sent, and the far side's means to answer it. */
export class SentRequest implements ClientExchange {
  readonly request: SipRequest
  readonly hop: NextHop
  cancelled = false
  readonly #listener: ResponseListener

  constructor(request: SipRequest, hop: NextHop, listener: ResponseListener) {
    this.request = request
    this.hop = hop
    this.#listener = listener
  }

  /** The next hop in words: a URI, or the number of the flow. */
  get to(): string {
    return this.hop.via === 'uri' ? formatUri(this.hop.uri) : `flow ${this.hop.flow.id}`
  }

  cancel(): void {
    this.cancelled = true
  }

  answer(status: number, edit: (headers: HeaderEdit) => void = () => undefined): void {
    this.#listener.response(responseTo(this.request, status, { toTag: 'far', edit }))
  }

  noAnswer(why: NoAnswer): void {
    this.#listener.noAnswer(why)
  }
}

/** Takes what functions send. The far side answers 200 unless the test says otherwise. */
export class TestSender implements Sender {
  readonly clock: TestClock
  readonly sent: SentRequest[] = []
  readonly acks: { readonly request: SipRequest; readonly hop: NextHop }[] = []
  /** What the far side does with a request, soon after it was sent. */
  farSide: (sent: SentRequest) => void = sent => sent.answer(200)

  constructor(clock = new TestClock()) {
    this.clock = clock
  }

  send(
    request: SipRequest,
    hop: NextHop,
    _as: string,
    _limits: HopLimits | undefined,
    listener: ResponseListener,
  ): void {
    const sent = new SentRequest(request, hop, listener)
    this.sent.push(sent)
    listener.begun(sent)
    queueMicrotask(() => this.farSide(sent))
  }

  sendAck(request: SipRequest, hop: NextHop): void {
    this.acks.push({ request, hop })
  }

  /** The one request that was sent. */
  get only(): SentRequest {
    const [only] = this.sent
    if (only === undefined || this.sent.length > 1) throw new Error(`${this.sent.length} requests were sent`)
    return only
  }

  get last(): SentRequest {
    const last = this.sent.at(-1)
    if (last === undefined) throw new Error('nothing was sent')
    return last
  }
}

let flows = 0

/** One client's connection, or its address over UDP. */
export class TestFlow implements Flow {
  readonly id = ++flows
  readonly transport: TransportName
  readonly reliable: boolean
  readonly remoteAddress: string
  readonly remotePort: number
  readonly local: ListeningPoint
  closed = false
  readonly #listeners = new Set<() => void>()

  constructor(transport: TransportName = 'TCP', remoteAddress = '198.51.100.7', remotePort = 40_000) {
    this.transport = transport
    this.reliable = transport !== 'UDP'
    this.remoteAddress = remoteAddress
    this.remotePort = remotePort
    this.local = { name: 'untrusted', transport, address: '192.0.2.9', port: 5060 }
  }

  send(): void {
    throw new Error('functions send through their sender')
  }

  close(): void {
    this.closed = true
    for (const listener of this.#listeners) listener()
    this.#listeners.clear()
  }

  onClose(fn: () => void): () => void {
    this.#listeners.add(fn)
    return () => this.#listeners.delete(fn)
  }
}
