import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { cutMessages } from './wire.ts'

/**
 * Everything that can be heard at one loopback address: UDP and TCP on the given ports.
 *
 * A request whose Via names a port gets its answer there and not where it came from (RFC 3261 §18.2.2), so whoever
 * sends other people's messages has to listen where they lived.
 */
export class Ears implements AsyncDisposable {
  readonly heard: string[] = []
  readonly #udp: UdpSocket[] = []
  readonly #tcp: Server[] = []

  static async at(address: string, ports: readonly number[]): Promise<Ears> {
    const ears = new Ears()
    try {
      for (const port of new Set([0, ...ports])) await ears.#listen(address, port)
      return ears
    } catch (error) {
      await ears[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Sends a datagram from the address, from a port that no Via names. */
  send(data: Buffer, port: number): void {
    this.#udp[0]?.send(data, port, '127.0.0.1')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#udp) socket.close()
    for (const server of this.#tcp) {
      server.close()
      await once(server, 'close')
    }
  }

  async #listen(address: string, port: number): Promise<void> {
    const socket = createSocket('udp4')
    this.#udp.push(socket)
    socket.on('message', data => this.heard.push(data.toString('latin1')))
    socket.bind(port, address)
    await once(socket, 'listening')
    if (port === 0) return
    const server = createServer(connection => {
      let pending = ''
      connection.on('error', () => undefined)
      connection.on('data', data => {
        const { messages, rest } = cutMessages(pending + data.toString('latin1'))
        pending = rest
        this.heard.push(...messages)
        // Nothing more is wanted, and an open connection would keep the server from closing.
        if (messages.length > 0) connection.destroy()
      })
    })
    server.listen(port, address)
    await once(server, 'listening')
    this.#tcp.push(server)
  }
}
