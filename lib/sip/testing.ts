import type { SipRequest, SipResponse } from './message.ts'
import { parseSip } from './parse.ts'
import {
  BaseFlow,
  type ListeningPoint,
  type Transport,
  type TransportEvents,
  type TransportName,
} from './transport/flow.ts'

/** What a test wants to be different from a plain INVITE. */
export interface RequestParts {
  readonly method?: string
  readonly uri?: string
  /** The topmost Via. */
  readonly via?: string
  readonly branch?: string
  /** Further header lines, below the Via. */
  readonly headers?: readonly string[]
  readonly body?: string
  /** Of a request inside a dialog. */
  readonly toTag?: string
}

/** For tests: a request as it would come over the wire. */
export function requestText(parts: RequestParts = {}): string {
  const { method = 'INVITE', uri = 'sip:bob@example.com', branch = 'z9hG4bK-test', body = '' } = parts
  const via = parts.via ?? `SIP/2.0/UDP 192.0.2.1:5060;branch=${branch};rport`
  const lines = [
    `${method} ${uri} SIP/2.0`,
    `Via: ${via}`,
    ...(parts.headers ?? []),
    'From: <sip:alice@example.com>;tag=a1',
    `To: <sip:bob@example.com>${parts.toTag === undefined ? '' : `;tag=${parts.toTag}`}`,
    'Call-ID: call-1@192.0.2.1',
    `CSeq: 7 ${method}`,
    `Content-Length: ${body.length}`,
  ]
  return lines.join('\r\n') + '\r\n\r\n' + body
}

export function request(parts: RequestParts = {}): SipRequest {
  return parsedRequest(requestText(parts))
}

export function parsedRequest(text: string): SipRequest {
  const parsed = parseSip(text)
  if (!parsed.ok || parsed.message.kind !== 'request') throw new Error(`not a request: ${text}`)
  return parsed.message
}

export function parsedResponse(text: string): SipResponse {
  const parsed = parseSip(text)
  if (!parsed.ok || parsed.message.kind !== 'response') throw new Error(`not a response: ${text}`)
  return parsed.message
}

/** The start lines of messages, without their versions: `INVITE sip:bob@example.com`, `180 Ringing`. */
export function startLines(texts: readonly string[]): string[] {
  return texts.map(text => text.slice(0, text.indexOf('\r\n')).replace(/^SIP\/2\.0 | SIP\/2\.0$/g, ''))
}

/** Lets everything that waits for a promise or microtask happen. */
export function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

/** A peer that a test plays: what was sent to it is a list, and it sends what the test says. */
export class FakeFlow extends BaseFlow {
  readonly sent: string[] = []
  /** For what is to be a connection: whether it stands. */
  ready?: boolean

  send(text: string): void {
    this.sent.push(text)
  }

  close(): void {
    this.die()
  }

  arrives(text: string): void {
    this.deliver(text)
  }

  /** What was sent is lost, and the transport has noticed. */
  loses(why = 'connection refused'): void {
    this.events.failed(this, new Error(why))
  }

  /** Takes what was sent off the list. */
  take(): string[] {
    return this.sent.splice(0)
  }
}

/** A transport without sockets. Every address has its flow, but for those that a test has made unreachable. */
export class FakeTransport implements Transport {
  readonly point: ListeningPoint
  readonly flows = new Map<string, FakeFlow>()
  readonly unreachable = new Set<string>()
  readonly events: TransportEvents
  closed = false

  constructor(transport: TransportName, events: TransportEvents, port = 5060) {
    this.point = { transport, address: '192.0.2.100', port }
    this.events = events
  }

  flowTo(address: string, port: number): FakeFlow | undefined {
    const key = `${address}:${port}`
    if (this.unreachable.has(key)) return undefined
    const known = this.flows.get(key)
    if (known !== undefined && !known.closed) return known
    const flow = new FakeFlow(this.point, address, port, this.events)
    this.flows.set(key, flow)
    return flow
  }

  /** The flow to a peer that must be reachable. */
  peer(address: string, port = 5060): FakeFlow {
    const flow = this.flowTo(address, port)
    if (flow === undefined) throw new Error(`${address}:${port} is unreachable`)
    return flow
  }

  async close(): Promise<void> {
    this.closed = true
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
