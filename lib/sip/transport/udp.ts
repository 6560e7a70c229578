import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { listenError } from '../../kit/listen-error.ts'
import type { Flow, ListeningPoint, Transport, TransportEvents } from './flow.ts'
import { answerStun, isStun } from './stun.ts'
import { type DatagramSender, FlowTable, UdpFlow } from './udp-flows.ts'

export interface UdpOptions {
  readonly name?: string
  readonly address: string
  /** 0 takes any that is free. */
  readonly port: number
  readonly events: TransportEvents
  /** How many peers nobody listens to are remembered. At about 0.5 kB each, the default is some 100 MB at worst. */
  readonly maxFlows?: number
}

const DEFAULT_MAX_FLOWS = 200_000
/** A burst of some thousand messages waits in the kernel instead of being lost; the kernel may grant less. */
const SOCKET_BUFFER_OCTETS = 4 * 1024 * 1024

const NUL = 0x00
const CR = 0x0d
const LF = 0x0a
const PING = '\r\n\r\n'
const PONG = '\r\n'

/** SIP over UDP at one listening point (RFC 3261 §18), with the keep-alives of RFC 5626. */
export class UdpTransport implements Transport, DatagramSender {
  readonly point: ListeningPoint
  readonly #socket: Socket
  readonly #events: TransportEvents
  readonly #flows: FlowTable
  #closed = false

  /** @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED, ADDRESS_NOT_LOCAL */
  static async open(options: UdpOptions): Promise<UdpTransport> {
    const family = isIPv6(options.address) ? 6 : 4
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      ipv6Only: family === 6,
      recvBufferSize: SOCKET_BUFFER_OCTETS,
      sendBufferSize: SOCKET_BUFFER_OCTETS,
      // Destinations are addresses already; the resolver would cost more than the send.
      lookup: (host, _options, done) => {
        done(null, host, family)
      },
    })
    try {
      // Waited for before it is asked for: with this look-up it comes within the call.
      const listening = once(socket, 'listening')
      socket.bind({ address: options.address, port: options.port, exclusive: true })
      await listening
    } catch (error) {
      socket.close()
      throw await listenError(error, { protocol: 'udp', address: options.address, port: options.port })
    }
    return new UdpTransport(socket, options)
  }

  private constructor(socket: Socket, options: UdpOptions) {
    this.#socket = socket
    this.#events = options.events
    this.point = {
      ...(options.name === undefined ? {} : { name: options.name }),
      transport: 'UDP',
      address: options.address,
      port: socket.address().port,
    }
    this.#flows = new FlowTable(
      options.maxFlows ?? DEFAULT_MAX_FLOWS,
      (address, port) => new UdpFlow(this.#flows, this, this.point, address, port, this.#events),
    )
    socket.on('message', (datagram, from) => {
      this.#receive(datagram, from.address, from.port)
    })
    socket.on('error', error => {
      this.#events.error(error)
    })
  }

  /** How many peers are remembered. */
  get flowCount(): number {
    return this.#flows.size
  }

  flowTo(address: string, port: number): Flow {
    return this.#flows.find(address, port)
  }

  transmit(octets: Buffer, port: number, address: string, settled?: (error: Error | null) => void): void {
    try {
      this.#socket.send(octets, port, address, settled)
    } catch (error) {
      // A port that cannot be, or the socket is closed.
      settled?.(error instanceof Error ? error : new Error(String(error)))
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    // What the kernel did not take at once goes out on this turn.
    await setImmediate()
    const closed = once(this.#socket, 'close')
    this.#socket.close()
    await closed
    this.#flows.forgetAll()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #receive(datagram: Buffer, address: string, port: number): void {
    // Port 0 is forged: nothing can be sent there.
    if (this.#closed || port === 0) return
    const first = datagram[0]
    if (first !== undefined && first >= 0x40) {
      this.#flows.get(address, port).received(datagram.toString('latin1'))
    } else {
      this.#receiveUnusual(datagram, address, port)
    }
  }

  /** Anything that does not begin with a letter: keep-alives, STUN, and messages after stray line ends. */
  #receiveUnusual(datagram: Buffer, address: string, port: number): void {
    if (isStun(datagram)) {
      const answer = answerStun(datagram, address, port)
      if (answer !== undefined) this.transmit(answer, port, address)
      return
    }
    const text = datagram.toString('latin1')
    if (text === PING) {
      this.#flows.get(address, port).send(PONG)
      return
    }
    let start = 0
    while (start < datagram.length && isFiller(datagram[start])) start++
    if (start < text.length) this.#flows.get(address, port).received(text.slice(start))
  }
}

const isFiller = (octet: number | undefined): boolean => octet === CR || octet === LF || octet === NUL
