import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ServerOptions, WebSocketServer } from 'ws'
import type { Clock, Timer } from '../../kit/clock.ts'
import { ConnectionBudget } from './connection-budget.ts'
import {
  type Flow,
  type ListeningPoint,
  MAX_MESSAGE_OCTETS,
  type Transport,
  type TransportEvents,
} from './flow.ts'
import { listenAt } from './listen.ts'
import { canonicalAddress, PeerTable } from './peer-table.ts'
import { DEFAULT_STREAM_LIMITS, type StreamLimits, SWEEP_PERIOD } from './stream-limits.ts'
import { sweep } from './sweep.ts'
import { WsFlow, type WsHost } from './ws-flow.ts'

export interface WsOptions {
  readonly name?: string
  readonly address: string
  /** 0 takes any that is free. */
  readonly port: number
  readonly events: TransportEvents
  readonly clock: Clock
  readonly limits?: Partial<StreamLimits>
  /** Paths on which clients are taken; absent: on every path, since RFC 7118 names none. */
  readonly paths?: readonly string[]
}

const SUBPROTOCOL = 'sip'
/** Small pieces cost more memory than the octets in them; a whole message fits into these many of 16 octets. */
const MAX_PIECES = 4096
const MAX_HANDSHAKE_OCTETS = 8192
const HANDSHAKE_CHECK_MS = 2000

/** SIP over WebSocket at one listening point (RFC 7118). Clients connect to it; it connects to nobody. */
export class WsTransport implements Transport {
  readonly point: ListeningPoint
  readonly #http: Server
  readonly #webSockets: WebSocketServer
  readonly #host: WsHost
  readonly #budget: ConnectionBudget
  readonly #paths: readonly string[] | undefined
  readonly #flows = new Set<WsFlow>()
  readonly #usable = new PeerTable<WsFlow>()
  readonly #sweep: Timer
  #closing = false

  /** @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED, ADDRESS_NOT_LOCAL */
  static async open(options: WsOptions): Promise<WsTransport> {
    const { address, port } = options
    const stall = options.limits?.stall ?? DEFAULT_STREAM_LIMITS.stall
    const http = createServer({
      // For the handshake only; after it the flow's own limits hold.
      headersTimeout: stall,
      requestTimeout: stall,
      connectionsCheckingInterval: HANDSHAKE_CHECK_MS,
      maxHeaderSize: MAX_HANDSHAKE_OCTETS,
      noDelay: true,
    })
    await listenAt(http, address, port)
    return new WsTransport(http, options)
  }

  private constructor(http: Server, options: WsOptions) {
    const limits = { ...DEFAULT_STREAM_LIMITS, ...options.limits }
    const bound = http.address()
    this.#http = http
    this.#paths = options.paths
    this.#budget = new ConnectionBudget(limits)
    this.#webSockets = new WebSocketServer(serverOptions())
    this.point = {
      ...(options.name === undefined ? {} : { name: options.name }),
      transport: 'WS',
      address: options.address,
      port: typeof bound === 'object' && bound !== null ? bound.port : options.port,
    }
    this.#host = {
      clock: options.clock,
      limits,
      events: options.events,
      point: this.point,
      retired: flow => {
        this.#usable.delete(flow)
      },
      gone: flow => {
        this.#flows.delete(flow)
      },
    }
    this.#sweep = sweep(options.clock, SWEEP_PERIOD, now => {
      for (const flow of this.#flows) flow.check(now)
    })
    http.on('connection', socket => {
      this.#admit(socket)
    })
    http.on('upgrade', (request, stream, head) => {
      this.#upgrade(request, stream, head)
    })
    http.on('request', refusePlainHttp)
    http.on('error', error => {
      options.events.error(error)
    })
    this.#webSockets.on('error', error => {
      options.events.error(error)
    })
  }

  /** Clients whose handshake is done. */
  get flowCount(): number {
    return this.#flows.size
  }

  /** The living flow of a client; nobody can be connected to from here. */
  flowTo(address: string, port: number): Flow | undefined {
    return this.#usable.get(canonicalAddress(address), port)
  }

  pause(): void {
    this.#http.close()
  }

  async resume(): Promise<void> {
    if (this.#closing || this.#http.listening) return
    await listenAt(this.#http, this.point.address, this.point.port)
  }

  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    const closed = once(this.#http, 'close')
    this.#http.close()
    this.#http.closeAllConnections()
    for (const flow of [...this.#flows]) flow.close()
    await closed
    this.#sweep.cancel()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #admit(socket: Socket): void {
    const { remoteAddress } = socket
    if (remoteAddress === undefined || !this.#budget.admit(remoteAddress)) {
      socket.resetAndDestroy()
      return
    }
    socket.once('close', () => {
      this.#budget.release(remoteAddress)
    })
  }

  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const { socket } = request
    const { remoteAddress, remotePort } = socket
    const path = (request.url ?? '').split('?')[0] ?? ''
    if (this.#closing || remoteAddress === undefined || remotePort === undefined) {
      stream.destroy()
      return
    }
    if (this.#paths !== undefined && !this.#paths.includes(path)) {
      stream.on('error', () => undefined)
      stream.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      return
    }
    this.#webSockets.handleUpgrade(request, stream, head, webSocket => {
      const flow = new WsFlow(this.#host, webSocket, socket, remoteAddress, remotePort)
      this.#flows.add(flow)
      this.#usable.add(flow)
    })
  }
}

function serverOptions(): ServerOptions {
  // The last two are newer than the types.
  const options: ServerOptions & { maxBufferedChunks: number; maxFragments: number } = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_OCTETS,
    // Offered but not `sip`: none is chosen, and the client may leave (RFC 7118 §4.1).
    handleProtocols: offered => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
    maxBufferedChunks: MAX_PIECES,
    maxFragments: MAX_PIECES,
  }
  return options
}

function refusePlainHttp(request: IncomingMessage, response: ServerResponse): void {
  const upgrade = request.method === 'GET'
  response.writeHead(upgrade ? 426 : 400, {
    ...(upgrade ? { Upgrade: 'websocket', Connection: 'Upgrade, close' } : { Connection: 'close' }),
    'Content-Type': 'text/plain; charset=utf-8',
  })
  response.end('This port speaks SIP over WebSocket (RFC 7118).\n')
  // A body is of no interest, and waiting for it would keep the connection.
  response.once('finish', () => request.socket.end())
}
