import { randomUUID } from 'node:crypto'
import { isIP } from 'node:net'
import { LRUCache } from 'lru-cache'
import { errors, Pool, type Dispatcher } from 'undici'
import { uriHost } from '../kit/address.ts'
import { seconds, type Duration } from '../kit/clock.ts'
import type { Graylist } from '../kit/graylist.ts'

export interface HttpClientOptions {
  /** `http://host:port`, or `https`. */
  readonly origin: string
  /** For one server to answer. */
  readonly timeout: Duration
  readonly connectTimeout: Duration
  /** How many connections are kept at most with each server. */
  readonly connections?: number
  /** A longer answer is a failure. */
  readonly maxBodyBytes?: number
  /** Absent: the origin is one server, found as the machine finds names. */
  readonly servers?: HttpServers
}

/** Servers that stand behind one name, as one daemon knows them. */
export interface HttpServers {
  /** Every address of a host. */
  readonly lookup: (host: string) => Promise<readonly string[]>
  /** Those that did not answer lately. */
  readonly graylist: Graylist
  /** Called when one says that it has too much to do. */
  readonly onOverload?: () => void
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
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly body: string
      readonly retryAfter?: Duration
    }
  | { readonly kind: 'unreachable' | 'timeout' | 'broken'; readonly error: unknown }

const MIB = 1024 * 1024
const CONNECTIONS = 50
/** Servers that are tried for one request, and of those the ones that may fail after they took it. */
const MOST_SERVERS = 5
const MOST_LOST = 2
/** Servers to which connections are kept; one that DNS no longer names goes as others are used. */
const MOST_POOLS = 100

/**
 * Asks the servers behind a name, over kept connections, as interfaces.md §1.4 says: each request one of them by
 * chance, and the next when that fails; those that failed lately come last. Never throws for what servers or network do.
 */
export class HttpClient {
  readonly #options: HttpClientOptions
  readonly #scheme: string
  readonly #host: string
  readonly #port: string
  /** By address; the host itself where there is no look-up. */
  readonly #pools = new LRUCache<string, Pool>({
    max: MOST_POOLS,
    dispose: pool => void pool.close().catch(() => undefined),
  })

  constructor(options: HttpClientOptions) {
    this.#options = options
    const { protocol, hostname, port } = new URL(options.origin)
    this.#scheme = protocol
    this.#host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
    this.#port = port === '' ? (protocol === 'https:' ? '443' : '80') : port
  }

  async request(request: ClientRequest): Promise<ClientResult> {
    const { servers } = this.#options
    if (servers === undefined || isIP(this.#host) !== 0) {
      const result = await this.#ask(this.#host, request)
      if (isOverloaded(result)) servers?.onOverload?.()
      return result
    }
    const addresses = inOrder(await servers.lookup(this.#host), address =>
      servers.graylist.size === 0 ? false : servers.graylist.isAvoided(this.#nameOf(address)),
    )
    let result: ClientResult = { kind: 'unreachable', error: new Error(`${this.#host} has no address`) }
    let lost = 0
    for (const address of addresses) {
      result = await this.#askListed(address, request, servers)
      if (result.kind === 'answer' && result.status !== 503) break
      if (result.kind !== 'unreachable') lost++
      if (lost >= MOST_LOST || (mayHaveHadEffect(result) && request.method === 'POST')) break
    }
    return result
  }

  async close(): Promise<void> {
    const pools = [...this.#pools.values()]
    await Promise.all(pools.map(pool => pool.destroy()))
    this.#pools.clear()
  }

  async #askListed(address: string, request: ClientRequest, servers: HttpServers): Promise<ClientResult> {
    const { graylist } = servers
    const name = this.#nameOf(address)
    graylist.trying(name)
    const result = await this.#ask(address, request)
    if (isOverloaded(result)) servers.onOverload?.()
    if (result.kind !== 'answer') graylist.failed(name)
    else if (result.status === 503 && result.retryAfter !== undefined)
      graylist.failed(name, result.retryAfter)
    else graylist.answered(name)
    return result
  }

  #nameOf(address: string): string {
    return `${address} ${this.#port}`
  }

  /** A request that may be repeated is, once, if its connection breaks: the server may just have closed a kept one. */
  async #ask(address: string, request: ClientRequest): Promise<ClientResult> {
    const result = await this.#try(address, request)
    return result.kind === 'broken' && request.method !== 'POST' ? this.#try(address, request) : result
  }

  async #try(address: string, request: ClientRequest): Promise<ClientResult> {
    try {
      const { statusCode, headers, body } = await this.#poolTo(address).request({
        method: request.method,
        path: request.path,
        headers: {
          host: `${uriHost(this.#host)}:${this.#port}`,
          'x-sas-http-branch-id': randomUUID(),
          ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...request.headers,
        },
        body: request.body ?? null,
        // The pool's own timeouts are coarse.
        signal: AbortSignal.timeout(this.#options.timeout),
      })
      const wait = Number(headers['retry-after'] ?? 0)
      const retryAfter = wait > 0 ? { retryAfter: seconds(Math.min(wait, 3600)) } : {}
      return { kind: 'answer', status: statusCode, body: await body.text(), ...retryAfter }
    } catch (error) {
      return { kind: failureKind(error), error }
    }
  }

  #poolTo(address: string): Pool {
    let pool = this.#pools.get(address)
    if (pool === undefined) {
      const { connections = CONNECTIONS, connectTimeout, maxBodyBytes = MIB } = this.#options
      pool = new Pool(`${this.#scheme}//${uriHost(address)}:${this.#port}`, {
        connections,
        connect: { timeout: connectTimeout },
        maxResponseSize: maxBodyBytes,
      })
      this.#pools.set(address, pool)
    }
    return pool
  }
}

function isOverloaded(result: ClientResult): boolean {
  return result.kind === 'answer' && (result.status === 503 || result.status === 504)
}

function mayHaveHadEffect(result: ClientResult): boolean {
  return result.kind === 'timeout' || result.kind === 'broken'
}

/** By chance, so that servers share the work; those to be avoided at the end. */
function inOrder(addresses: readonly string[], isAvoided: (address: string) => boolean): readonly string[] {
  if (addresses.length < 2) return addresses
  return addresses
    .map(address => ({ address, key: Math.random() + (isAvoided(address) ? 1 : 0) }))
    .toSorted((a, b) => a.key - b.key)
    .slice(0, MOST_SERVERS)
    .map(({ address }) => address)
}

const UNREACHABLE = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN'])

function failureKind(error: unknown): 'unreachable' | 'timeout' | 'broken' {
  if (error instanceof errors.ConnectTimeoutError) return 'unreachable'
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error
  if (!(inner instanceof Error)) return 'broken'
  if ('code' in inner && UNREACHABLE.has(String(inner.code))) return 'unreachable'
  return inner.name === 'TimeoutError' ? 'timeout' : 'broken'
}
