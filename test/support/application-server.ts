import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { isRequest, methodOf, readSip, valueOf, valuesOf, writeSip, type SipText } from './sip-text.ts'
import { waitUntil } from './wait.ts'
import { cutMessages } from './wire.ts'

type Behaviour = (request: SipText, server: ApplicationServer) => void

/** The way back to where a request came from. */
type Return = (text: string) => void

/** An application server that the test plays: it does with each request what the test says, and shows what came in. */
export class ApplicationServer implements AsyncDisposable {
  readonly received: SipText[] = []
  /** What it does with a request other than ACK. */
  behaviour: Behaviour
  readonly #transport: 'TCP' | 'UDP'
  readonly #server: Server | undefined
  readonly #udp: UdpSocket | undefined
  readonly #sockets = new Set<Socket>()
  readonly #sources = new Map<SipText, Return>()
  /** What was sent on, by the branch it got. */
  readonly #forwarded = new Map<string, SipText>()

  private constructor(socket: Server | UdpSocket, behaviour: Behaviour) {
    this.behaviour = behaviour
    if ('listen' in socket) {
      this.#transport = 'TCP'
      this.#server = socket
      socket.on('connection', connection => this.#serve(connection))
      return
    }
    this.#transport = 'UDP'
    this.#udp = socket
    socket.on('message', (data, from) => {
      this.#take(readSip(data.toString('latin1')), text => {
        socket.send(Buffer.from(text, 'latin1'), from.port, from.address)
      })
    })
  }

  static async start(behaviour: Behaviour, transport: 'TCP' | 'UDP' = 'TCP'): Promise<ApplicationServer> {
    if (transport === 'UDP') {
      const socket = createSocket('udp4')
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
      return new ApplicationServer(socket, behaviour)
    }
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new ApplicationServer(server, behaviour)
  }

  get port(): number {
    if (this.#udp !== undefined) return this.#udp.address().port
    const address = this.#server?.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  get uri(): string {
    return `sip:127.0.0.1:${this.port};transport=${this.#transport}`
  }

  /** Waits for a request of this method, the first or the one with this number. */
  async request(method: string, number = 1): Promise<SipText> {
    return await waitUntil(`the application server to get ${method} number ${number}`, () => {
      return this.received.filter(message => isRequest(message) && methodOf(message) === method)[number - 1]
    })
  }

  /** Sends anything back to where a request came from. */
  write(request: SipText, text: string): void {
    this.#sources.get(request)?.(text)
  }

  reply(request: SipText, status: number, headers: readonly (readonly [string, string])[] = []): void {
    const to = valueOf(request, 'to')
    this.write(
      request,
      writeSip(`SIP/2.0 ${status} Answer`, [
        ['Via', valuesOf(request, 'via')],
        ['Record-Route', valuesOf(request, 'record-route')],
        ['From', valueOf(request, 'from')],
        ['To', /;tag=/.test(to) ? to : `${to};tag=as`],
        ['Call-ID', valueOf(request, 'call-id')],
        ['CSeq', valueOf(request, 'cseq')],
        ...headers,
      ]),
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
    this.write(
      request,
      writeSip(
        `${methodOf(request)} ${uri} SIP/2.0`,
        [
          ['Via', `SIP/2.0/${this.#transport} 127.0.0.1:${this.port};branch=${branch}`],
          ['Via', valuesOf(request, 'via')],
          ['Route', routes.slice(1)],
          ['Max-Forwards', `${Number(valueOf(request, 'max-forwards')) - 1}`],
          ...rest,
          ...(change.headers ?? []),
        ],
        request.body,
      ),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#udp?.close()
    this.#server?.close()
    for (const socket of this.#sockets) socket.destroy()
    const closing = this.#udp ?? this.#server
    if (closing !== undefined) await once(closing, 'close')
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    const back: Return = text => {
      socket.write(text, 'latin1')
    }
    let pending = ''
    socket.on('data', data => {
      const { messages, rest } = cutMessages(pending + data.toString('latin1'))
      pending = rest
      for (const raw of messages) this.#take(readSip(raw), back)
    })
  }

  #take(message: SipText, back: Return): void {
    this.received.push(message)
    if (!isRequest(message)) {
      this.#sendBack(message)
      return
    }
    this.#sources.set(message, back)
    if (methodOf(message) !== 'ACK') this.behaviour(message, this)
  }

  #sendBack(response: SipText): void {
    const branch = /branch=([^;,\s]+)/.exec(valueOf(response, 'via'))?.[1] ?? ''
    const request = this.#forwarded.get(branch)
    if (request === undefined) return
    // Whoever answers may have put all of them into one line.
    const [, ...vias] = valuesOf(response, 'via').flatMap(line => line.split(/\s*,\s*/))
    const others = response.headers.filter(([name]) => name !== 'via' && name !== 'content-length')
    const headers: typeof response.headers = [...vias.map(via => ['via', via] as const), ...others]
    this.write(request, writeSip(response.startLine, headers, response.body))
  }
}
