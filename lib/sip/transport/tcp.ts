import { createServer, isIP, type Server, Socket } from 'node:net'
import { type Clock, type Duration, seconds, type Timer } from '../../kit/clock.ts'
import { ConnectionBudget } from './connection-budget.ts'
import type { Flow, ListeningPoint, OwnConnection, Transport, TransportEvents } from './flow.ts'
import { listenAt } from './listen.ts'
import { canonicalAddress, PeerTable } from './peer-table.ts'
import { DEFAULT_STREAM_LIMITS, type StreamLimits, SWEEP_PERIOD } from './stream-limits.ts'
import { sweep } from './sweep.ts'
import { TcpFlow, type TcpHost } from './tcp-flow.ts'

export interface TcpOptions {
  readonly name?: string
  readonly address: string
  /** 0 takes any that is free. */
  readonly port: number
  readonly events: TransportEvents
  readonly clock: Clock
  readonly limits?: Partial<StreamLimits>
  /** How long making a connection may take. */
  readonly connectTimeout?: Duration
}

const DEFAULT_CONNECT_TIMEOUT = seconds(2)
/** How long a silent peer may be dead before the kernel asks; keeps no live connection from staying idle for ever. */
const KERNEL_KEEP_ALIVE_MS = 60_000

/**
 * SIP over TCP at one listening point, and the connections made from there (RFC 3261 §18).
 *
 * A connection serves both directions, whoever made it. Idle ones stay; stalled, flooding or mis-framed ones are closed.
 */
export class TcpTransport implements Transport {
  readonly point: ListeningPoint
  readonly #server: Server
  readonly #host: TcpHost
  readonly #budget: ConnectionBudget
  readonly #connectTimeout: Duration
  readonly #connections = new Set<TcpFlow>()
  readonly #usable = new PeerTable<TcpFlow>()
  readonly #sweep: Timer
  #toFlush: TcpFlow[] = []
  #held = 0
  #closing = false
  #lastGone: (() => void) | undefined

  /** @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED, ADDRESS_NOT_LOCAL */
  static async open(options: TcpOptions): Promise<TcpTransport> {
    const { address, port } = options
    // Half-open: a peer that has said all may still be answered.
    const server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KERNEL_KEEP_ALIVE_MS,
    })
    await listenAt(server, address, port)
    return new TcpTransport(server, options)
  }

  private constructor(server: Server, options: TcpOptions) {
    const limits = { ...DEFAULT_STREAM_LIMITS, ...options.limits }
    const bound = server.address()
    this.#server = server
    this.#budget = new ConnectionBudget(limits)
    this.#connectTimeout = options.connectTimeout ?? DEFAULT_CONNECT_TIMEOUT
    this.point = {
      ...(options.name === undefined ? {} : { name: options.name }),
      transport: 'TCP',
      address: options.address,
      port: typeof bound === 'object' && bound !== null ? bound.port : options.port,
    }
    this.#host = {
      clock: options.clock,
      limits,
      events: options.events,
      point: this.point,
      flushLater: flow => {
        if (this.#toFlush.push(flow) === 1) setImmediate(this.#flush)
      },
      held: change => {
        this.#held += change
        return change <= 0 || this.#held <= limits.maxHeld
      },
      retired: flow => {
        this.#usable.delete(flow)
      },
      gone: flow => {
        this.#gone(flow)
      },
    }
    this.#sweep = sweep(options.clock, SWEEP_PERIOD, now => {
      for (const flow of this.#connections) flow.check(now)
    })
    server.on('connection', socket => {
      this.#accept(socket)
    })
    server.on('error', error => {
      options.events.error(error)
    })
  }

  /** Connections that are open or being made. */
  get flowCount(): number {
    return this.#connections.size
  }

  /** The open connection with this peer, or a new one: sending works at once, what is sent waits for the connection. */
  flowTo(address: string, port: number): Flow {
    const known = this.#usable.get(address, port)
    if (known !== undefined) return known
    const plain = canonicalAddress(address)
    return this.#usable.get(plain, port) ?? this.#connect(plain, port)
  }

  connect(address: string, port: number): OwnConnection {
    return this.#connect(canonicalAddress(address), port)
  }

  pause(): void {
    this.#server.close()
  }

  async resume(): Promise<void> {
    if (this.#closing || this.#server.listening) return
    await listenAt(this.#server, this.point.address, this.point.port)
  }

  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    this.#server.close()
    for (const flow of [...this.#connections]) flow.close()
    if (this.#connections.size > 0) await new Promise<void>(resolve => (this.#lastGone = resolve))
    this.#sweep.cancel()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #accept(socket: Socket): void {
    const { remoteAddress, remotePort } = socket
    // Undefined: it was reset before we came to accept it.
    if (remoteAddress === undefined || remotePort === undefined || !this.#budget.admit(remoteAddress)) {
      socket.on('error', () => undefined)
      socket.resetAndDestroy()
      return
    }
    this.#add(new TcpFlow(this.#host, socket, remoteAddress, remotePort, true))
  }

  #connect(address: string, port: number): TcpFlow {
    const socket = new Socket({ allowHalfOpen: true })
    const flow = new TcpFlow(this.#host, socket, address, port, false)
    const full = this.#budget.full
    this.#budget.count(address)
    this.#add(flow)
    if (this.#closing) flow.abort(new Error('the transport is closed'))
    else if (full) flow.abort(new Error('too many connections are open'))
    else if (isIP(address) === 0 || !isPort(port)) flow.abort(new Error(`${address}:${port} is no address`))
    else this.#connectSocket(flow, socket)
    return flow
  }

  #connectSocket(flow: TcpFlow, socket: Socket): void {
    const timer = this.#host.clock.after(this.#connectTimeout, () => {
      flow.abort(new Error(`no connection within ${this.#connectTimeout} ms`))
    })
    socket.once('connect', () => {
      timer.cancel()
      flow.connected()
    })
    socket.once('close', () => {
      timer.cancel()
    })
    socket.setNoDelay(true)
    socket.setKeepAlive(true, KERNEL_KEEP_ALIVE_MS)
    // From the address that peers know; the port is any, since connections to several peers leave from here.
    const from = isWildcard(this.point.address) ? {} : { localAddress: this.point.address }
    socket.connect({ host: flow.remoteAddress, port: flow.remotePort, ...from })
  }

  #add(flow: TcpFlow): void {
    this.#connections.add(flow)
    this.#usable.add(flow)
  }

  #gone(flow: TcpFlow): void {
    this.#connections.delete(flow)
    this.#budget.release(flow.remoteAddress)
    if (this.#connections.size === 0) this.#lastGone?.()
  }

  readonly #flush = (): void => {
    const flows = this.#toFlush
    this.#toFlush = []
    for (const flow of flows) flow.flush()
  }
}

const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port <= 65_535
const isWildcard = (address: string): boolean => address === '0.0.0.0' || address === '::'
