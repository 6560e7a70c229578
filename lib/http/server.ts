import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import {
  fastify,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type HTTPMethods,
} from 'fastify'
import { CwError } from '../kit/errors.ts'
import { listenError } from '../kit/listen-error.ts'
import type { Log } from '../kit/log.ts'
import type { Admission } from '../overload/admission.ts'
import {
  empty,
  parseQuery,
  text,
  type HttpAnswer,
  type HttpHandler,
  type HttpMethod,
  type HttpRequest,
} from './message.ts'

export interface HttpServerOptions {
  readonly log: Log
  /** Default 1 MiB; a longer body is answered 413. */
  readonly maxBodyBytes?: number
  /** Whether `/a/` means `/a`. */
  readonly ignoreTrailingSlash?: boolean
  /** Whether answers are compressed for those who accept it. */
  readonly gzip?: boolean
  /** A last change to each answer, also to those the server makes itself (404, 405, 413 …). */
  readonly shape?: (request: HttpRequest, answer: HttpAnswer) => HttpAnswer
  /** What `GET /ping` asks before it says OK; false is 503. */
  readonly isAlive?: () => boolean | Promise<boolean>
  /** Refuses requests that could not be answered in time with 503, but for those of monitors. */
  readonly admission?: Admission
}

export interface RouteOptions {
  /** The handler takes the body as it arrives, of any length. */
  readonly stream?: boolean
}

type Handlers = Readonly<Partial<Record<HttpMethod, HttpHandler>>>

const METHODS: readonly HttpMethod[] = ['GET', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS']
/** A monitor that is refused would take a busy server for a dead one. */
const MONITORS = new Set(['/ping', '/health', '/status', '/metrics'])
const MIB = 1024 * 1024
/** An identity of 500 octets, each percent-encoded. */
const MAX_PARAM_LENGTH = 1500
const GZIP_FROM_BYTES = 1024

/** What a client may take its time for; beyond, its connection is closed. */
const BOUNDS = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 120_000,
  keepAliveTimeout: 60_000,
  connectionsCheckingInterval: 5_000,
} as const
const MAX_CONNECTIONS = 10_000
/** What a request at work gets when the server is closed; a client that sends slowly would hold it for minutes. */
const CLOSE_WITHIN_MS = 2_000

/**
 * The HTTP server of every daemon: `/ping`, 404 and 405 as interfaces.md §1.3 has them, bounded bodies, headers and
 * times. Routes are matched on the raw path and decoded afterwards, so that `%2F` in an identity adds no segment.
 */
export class HttpServer {
  readonly #app: FastifyInstance
  readonly #options: HttpServerOptions
  readonly #maxBodyBytes: number

  constructor(options: HttpServerOptions) {
    this.#options = options
    this.#maxBodyBytes = options.maxBodyBytes ?? MIB
    this.#app = fastify({
      logger: false,
      http: BOUNDS,
      forceCloseConnections: 'idle',
      return503OnClosing: false,
      bodyLimit: Number.MAX_SAFE_INTEGER,
      routerOptions: {
        ignoreTrailingSlash: options.ignoreTrailingSlash ?? false,
        maxParamLength: MAX_PARAM_LENGTH,
        querystringParser: parseQuery,
      },
      frameworkErrors: (error, request, reply) => {
        this.#send(request, reply, empty(error.statusCode ?? 400))
      },
    })
    this.#app.server.maxConnections = MAX_CONNECTIONS
    this.#app.removeAllContentTypeParsers()
    this.#app.addContentTypeParser('*', (request: FastifyRequest, payload: Readable) =>
      this.#read(request, payload),
    )
    // Whatever a body is called, it is read as text: peers are careless about its type.
    this.#app.addHook('onRequest', async request => {
      request.headers['content-type'] = 'application/octet-stream'
    })
    if (options.admission !== undefined) this.#admitWith(options.admission)
    this.#app.setNotFoundHandler((request, reply) => this.#send(request, reply, empty(404)))
    this.#app.setErrorHandler((error, request, reply) =>
      this.#send(request, reply, this.#failure(error, request)),
    )
    this.route('/ping', {
      GET: async () => ((await options.isAlive?.()) === false ? empty(503) : text('OK')),
    })
  }

  /** Adds a path, `:name` standing for a decoded part. Methods that are not given are answered 405. */
  route(path: string, handlers: Handlers, options: RouteOptions = {}): void {
    const allow = METHODS.filter(method => handlers[method] !== undefined)
    for (const method of allow) {
      this.#add(path, [method], options, request => handlers[method]?.(request) ?? empty(405))
    }
    const others: HTTPMethods[] = METHODS.filter(method => !allow.includes(method))
    if (!allow.includes('GET')) others.push('HEAD')
    this.#add(path, others, {}, () => ({ status: 405, headers: { allow: allow.join(', ') } }))
  }

  /**
   * Opens the port; 0 takes a free one. @returns the port.
   *
   * @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED or ADDRESS_NOT_LOCAL
   */
  async listen(host: string, port: number): Promise<number> {
    try {
      await this.#app.listen({ host, port })
    } catch (error) {
      throw await listenError(error, { protocol: 'tcp', address: host, port })
    }
    const address = this.#app.server.address()
    return typeof address === 'object' && address !== null ? address.port : port
  }

  /** Stops accepting, closes idle connections, and gives requests at work two seconds before it cuts them off. */
  async close(): Promise<void> {
    const cutOff = setTimeout(() => this.#app.server.closeAllConnections(), CLOSE_WITHIN_MS)
    try {
      await this.#app.close()
    } finally {
      clearTimeout(cutOff)
    }
  }

  #add(path: string, method: HTTPMethods[], options: RouteOptions, handler: HttpHandler): void {
    this.#app.route({
      url: path,
      method,
      config: { stream: options.stream === true },
      handler: async (request, reply) => this.#send(request, reply, await handler(seen(request))),
    })
  }

  #admitWith(admission: Admission): void {
    const startedAt = new WeakMap<FastifyRequest, number>()
    this.#app.addHook('onRequest', async (request, reply): Promise<unknown> => {
      if (MONITORS.has(request.url)) return undefined
      const now = performance.now()
      if (admission.take(now)) {
        startedAt.set(request, now)
        return undefined
      }
      admission.refused()
      // 0: try another server, at once.
      return this.#send(request, reply, { status: 503, headers: { 'retry-after': '0' } })
    })
    this.#app.addHook('onResponse', async request => {
      const started = startedAt.get(request)
      const now = performance.now()
      if (started !== undefined) admission.completed(now - started, now)
    })
  }

  async #read(request: FastifyRequest, payload: Readable): Promise<string | Readable> {
    if (streams(request)) return payload
    const max = this.#maxBodyBytes
    if (Number(request.headers['content-length'] ?? 0) > max) throw new BodyTooLong()
    const pieces: Buffer[] = []
    let length = 0
    for await (const piece of payload as AsyncIterable<Buffer>) {
      length += piece.length
      if (length > max) throw new BodyTooLong()
      pieces.push(piece)
    }
    return Buffer.concat(pieces).toString('utf8')
  }

  #failure(error: unknown, request: FastifyRequest): HttpAnswer {
    if (error instanceof BodyTooLong) return { status: 413, headers: { connection: 'close' } }
    const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
    if (typeof status === 'number' && status >= 400 && status < 500) return empty(status)
    this.#options.log.error('a request could not be answered', {
      method: request.method,
      url: request.url,
      error,
    })
    // A store that cannot be reached or written is over when it is back; anything else is a fault of ours.
    return empty(error instanceof CwError && error.code === 'STORE_FAILED' ? 503 : 500)
  }

  #send(request: FastifyRequest, reply: FastifyReply, answer: HttpAnswer): FastifyReply {
    const shaped = this.#options.shape?.(seen(request), answer) ?? answer
    reply.code(shaped.status).headers(shaped.headers ?? {})
    const { body } = shaped
    if (body === undefined) return reply.send()
    const streamed = typeof body !== 'string' && !(body instanceof Uint8Array)
    const gzip =
      this.#options.gzip === true &&
      (streamed || body.length >= GZIP_FROM_BYTES) &&
      /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')
    if (!gzip) return reply.send(streamed ? Readable.from(body) : body)
    const source = Readable.from(streamed ? body : [body])
    const zipped = createGzip()
    source.once('error', error => zipped.destroy(error))
    return reply.headers({ 'content-encoding': 'gzip', vary: 'accept-encoding' }).send(source.pipe(zipped))
  }
}

class BodyTooLong extends Error {}

function streams(request: FastifyRequest): boolean {
  const { config } = request.routeOptions
  return 'stream' in config && config.stream === true
}

function seen(request: FastifyRequest): HttpRequest {
  const { body } = request
  return {
    method: request.method,
    params: (request.params ?? {}) as Record<string, string>,
    query: (request.query ?? {}) as Record<string, string>,
    headers: request.headers,
    body: typeof body === 'string' ? body : '',
    ...(body instanceof Readable ? { stream: body } : {}),
  }
}
