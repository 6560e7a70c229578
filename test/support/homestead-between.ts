import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What stands between sprout and homestead: it passes everything on, but for the answers that a test wants otherwise. */
export class HomesteadBetween implements AsyncDisposable {
  /** By what the path contains, percent signs resolved: the JSON that is answered in place of homestead's. */
  readonly answers = new Map<string, unknown>()
  readonly asked: string[] = []
  /** `host:port`; to be set before anybody asks. */
  behind = ''
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    server.on('request', (from, to) => this.#handle(from, to))
  }

  static async start(): Promise<HomesteadBetween> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new HomesteadBetween(server)
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  #handle(from: IncomingMessage, to: ServerResponse): void {
    const path = decodeURIComponent(from.url ?? '')
    this.asked.push(path)
    for (const [part, answer] of this.answers) {
      if (!path.includes(part)) continue
      to.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
      return
    }
    const [host, port] = this.behind.split(':')
    const { method, url, headers } = from
    const onward = request({ host, port, method, path: url, headers }, answer => {
      to.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(to)
    })
    onward.on('error', () => to.writeHead(503).end())
    from.pipe(onward)
  }
}
