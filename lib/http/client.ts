import { randomUUID } from 'node:crypto'
import { errors, Pool, type Dispatcher } from 'undici'
import type { Duration } from '../kit/clock.ts'

export interface HttpClientOptions {
  /** `http://host:port`. */
  readonly origin: string
  /** For the whole exchange. */
  readonly timeout: Duration
  readonly connectTimeout: Duration
  /** How many connections are kept at most. */
  readonly connections?: number
  /** A longer answer is a failure. */
  readonly maxBodyBytes?: number
}

export interface ClientRequest {
  readonly method: Dispatcher.HttpMethod
  /** With query; parts encoded by `encodePathPart`. */
  readonly path: string
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** What came back, or why nothing did. `unreachable`: it cannot have had an effect. */
export type ClientResult =
  | { readonly kind: 'answer'; readonly status: number; readonly body: string }
  | { readonly kind: 'unreachable' | 'timeout' | 'broken'; readonly error: unknown }

const MIB = 1024 * 1024
const CONNECTIONS = 50

/** Asks one server over kept connections, as interfaces.md §1.4 says. Never throws for what the server or network do. */
export class HttpClient {
  readonly #pool: Pool
  readonly #timeout: Duration

  constructor(options: HttpClientOptions) {
    this.#timeout = options.timeout
    this.#pool = new Pool(options.origin, {
      connections: options.connections ?? CONNECTIONS,
      connect: { timeout: options.connectTimeout },
      maxResponseSize: options.maxBodyBytes ?? MIB,
    })
  }

  /** A request that may be repeated is, once, if its connection breaks: the server may just have closed a kept one. */
  async request(request: ClientRequest): Promise<ClientResult> {
    const result = await this.#try(request)
    return result.kind === 'broken' && request.method !== 'POST' ? this.#try(request) : result
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }

  async #try(request: ClientRequest): Promise<ClientResult> {
    try {
      const response = await this.#pool.request({
        method: request.method,
        path: request.path,
        headers: {
          'x-sas-http-branch-id': randomUUID(),
          ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...request.headers,
        },
        body: request.body ?? null,
        // The pool's own timeouts are coarse.
        signal: AbortSignal.timeout(this.#timeout),
      })
      return { kind: 'answer', status: response.statusCode, body: await response.body.text() }
    } catch (error) {
      return { kind: failureKind(error), error }
    }
  }
}

const UNREACHABLE = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN'])

function failureKind(error: unknown): 'unreachable' | 'timeout' | 'broken' {
  if (error instanceof errors.ConnectTimeoutError) return 'unreachable'
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error
  if (!(inner instanceof Error)) return 'broken'
  if ('code' in inner && UNREACHABLE.has(String(inner.code))) return 'unreachable'
  return inner.name === 'TimeoutError' ? 'timeout' : 'broken'
}
