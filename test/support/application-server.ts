import { createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { isRequest, methodOf, readSip, valueOf, valuesOf, writeSip, type SipText } from './sip-text.ts'
import { waitUntil } from './wait.ts'
import { cutMessages } from './wire.ts'

type Behaviour = (request: SipText, server: ApplicationServer) => void

/**
 * An application server that the test plays, over TCP: it does with each request what the test says, and shows what
 * came in.
 */
export class ApplicationServer implements AsyncDisposable {
  readonly received: SipText[] = []
  /** What it does with a request other than ACK. */
  behaviour: Behaviour
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Where a request came from, and where its branch is known. */
  readonly #sources = new Map<SipText, Socket>()
  readonly #forwarded = new Map<string, SipText>()

  private constructor(server: Server, behaviour: Behaviour) {
    this.#server = server
    this.behaviour = behaviour
    server.on('connection', socket => this.#serve(socket))
  }

  static async start(behaviour: Behaviour): Promise<ApplicationServer> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new ApplicationServer(server, behaviour)
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  get uri(): string {
    return `sip:127.0.0.1:${this.port};transport=TCP`
  }

  /** Waits for a request of this method, the first or the one with this number. */
  async request(method: string, number = 1): Promise<SipText> {
    return await waitUntil(`the application server to get ${method} number ${number}`, () => {
      return this.received.filter(message => isRequest(message) && methodOf(message) === method)[number - 1]
    })
  }

  reply(request: SipText, status: number, headers: readonly (readonly [string, string])[] = []): void {
    const to = valueOf(request, 'to')
    this.#sources
      .get(request)
      ?.write(
        writeSip(`SIP/2.0 ${status} Answer`, [
          ['Via', valuesOf(request, 'via')],
          ['Record-Route', valuesOf(request, 'record-route')],
          ['From', valueOf(request, 'from')],
          ['To', /;tag=/.test(to) ? to : `${to};tag=as`],
          ['Call-ID', valueOf(request, 'call-id')],
          ['CSeq', valueOf(request, 'cseq')],
          ...headers,
        ]),
        'latin1',
      )
  }

  /** Sends a request on by the Route below its own, as a proxy; what comes back goes back. */
  proxy(
    request: SipText,
    change: { uri?: string; headers?: readonly (readonly [string, string])[] } = {},
  ): void {
    const branch = `z9hG4bKas${Math.random().toString(36).slice(2)}`
    const uri = change.uri ?? request.startLine.split(' ')[1] ?? ''
    const routes = valuesOf(request, 'route').flatMap(line => line.split(/\s*,\s*(?=<)/))
    const rest = request.headers.filter(
      ([name]) => !['route', 'via', 'content-length', 'max-forwards'].includes(name),
    )
    this.#forwarded.set(branch, request)
    this.#sources
      .get(request)
      ?.write(
        writeSip(
          `${methodOf(request)} ${uri} SIP/2.0`,
          [
            ['Via', `SIP/2.0/TCP 127.0.0.1:${this.port};branch=${branch}`],
            ['Via', valuesOf(request, 'via')],
            ['Route', routes.slice(1)],
            ['Max-Forwards', `${Number(valueOf(request, 'max-forwards')) - 1}`],
            ...rest,
            ...(change.headers ?? []),
          ],
          request.body,
        ),
        'latin1',
      )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    if (this.#server.listening) await once(this.#server, 'close')
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    let pending = ''
    socket.on('data', data => {
      const { messages, rest } = cutMessages(pending + data.toString('latin1'))
      pending = rest
      for (const raw of messages) this.#take(readSip(raw), socket)
    })
  }

  #take(message: SipText, socket: Socket): void {
    this.received.push(message)
    if (!isRequest(message)) {
      this.#sendBack(message)
      return
    }
    this.#sources.set(message, socket)
    if (methodOf(message) !== 'ACK') this.behaviour(message, this)
  }

  #sendBack(response: SipText): void {
    const branch = /branch=([^;,\s]+)/.exec(valueOf(response, 'via'))?.[1] ?? ''
    const request = this.#forwarded.get(branch)
    if (request === undefined) return
    const own = response.headers.findIndex(([name]) => name === 'via')
    const headers = response.headers.filter(([name], index) => index !== own && name !== 'content-length')
    this.#sources.get(request)?.write(writeSip(response.startLine, headers, response.body), 'latin1')
  }
}
