import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** A way to a server on 127.0.0.1 that can be cut, as the line between two sites. */
export class Relay implements AsyncDisposable {
  readonly address: string
  readonly #server: Server
  readonly #sockets: Set<Socket>
  readonly #state: { isCut: boolean }

  private constructor(server: Server, sockets: Set<Socket>, state: { isCut: boolean }) {
    this.#server = server
    this.#sockets = sockets
    this.#state = state
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  /** @param address `host:port` of the server behind it */
  static async to(address: string): Promise<Relay> {
    const [host, port] = address.split(':')
    const sockets = new Set<Socket>()
    const state = { isCut: false }
    const keep = (socket: Socket): void => {
      sockets.add(socket)
      socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket))
    }
    const server = createServer(near => {
      keep(near)
      // Nobody hears of a line that is cut.
      if (state.isCut) return
      const far = connect(Number(port), host)
      keep(far)
      near.pipe(far).pipe(near)
      near.on('close', () => far.destroy())
      far.on('close', () => near.destroy())
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Relay(server, sockets, state)
  }

  /** From now on nothing comes through: connections stand, and are silent. */
  cut(): void {
    this.#state.isCut = true
    for (const socket of this.#sockets) socket.unpipe().pause()
  }

  /** New connections come through; those from before are gone. */
  heal(): void {
    this.#state.isCut = false
    for (const socket of this.#sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }
}
