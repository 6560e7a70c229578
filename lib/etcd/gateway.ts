import { Agent, type Dispatcher } from 'undici'
import { seconds, type Clock, type Duration } from '../kit/clock.ts'
import { tlsConnector, type EtcdCredentials } from './credentials.ts'
import { refusal, unavailable, type Attempt } from './failure.ts'
import { parseJson, type JsonObject } from './json.ts'

export interface GatewayOptions {
  /** `https://host:port` of members, in order of preference. */
  readonly origins: readonly string[]
  /** Read for each connection. Absent: members that are reached without TLS. */
  readonly credentials?: (() => Promise<EtcdCredentials>) | undefined
  /** What errors call them; absent: as they are. */
  readonly names?: ReadonlyMap<string, string> | undefined
  readonly clock: Clock
  /** For a whole call, over all origins that are tried. */
  readonly deadline: Duration
}

export interface CallOptions {
  /**
   * What sending it twice would do: nothing at all (`read`), the same as once (`repeatable`), or harm (`once`), so that
   * it is not sent again when an earlier attempt may have had its effect.
   */
  readonly effect: 'read' | 'repeatable' | 'once'
  readonly deadline?: Duration
}

/** An answer that goes on: what has been opened, and from whom. */
export interface OpenStream {
  readonly origin: string
  readonly body: AsyncIterable<Uint8Array>
}

/** With the handshake of TLS. */
const CONNECT_TIMEOUT_MS = 2_000
/** A handshake costs more than a socket that waits. */
const KEEP_ALIVE_MS = 60_000
const MAX_ANSWER_BYTES = 64 * 1024 * 1024
/** An origin that failed is asked last for so long. */
const AVOID_FOR = seconds(15)
/** While members elect a leader, all of them refuse; this much later they are asked again. */
const ROUND_PAUSE_MS = 150
/** What a member has at least before the next one is asked: one that has to set up a connection needs some of it. */
const SHORTEST_SHARE_MS = 1_000

/** gRPC codes, as the gateway writes them into its JSON, with which another member may answer better. */
const UNAVAILABLE = new Set([1, 4, 14])
/** Said before a request is proposed to the cluster, so it had no effect. */
const WITHOUT_EFFECT = /no leader|not capable|too many requests|unhealthy cluster/

const HEADERS = { 'content-type': 'application/json' }
/** A member that has lost sight of its leader says so at once rather than after its own long timeout. */
const WITH_LEADER = { ...HEADERS, 'grpc-metadata-hasleader': 'true' }

/** One etcd cluster behind the JSON gateways of its members; each call goes to the first that can answer it. */
export class Gateway {
  readonly #options: GatewayOptions
  readonly #agent: Agent
  /** Failed origins, and until when they are avoided. */
  readonly #avoided = new Map<string, number>()
  /** A stable order keeps one connection warm; an origin that answered stays the first. */
  #preferred: string | undefined

  constructor(options: GatewayOptions) {
    this.#options = options
    const { credentials } = options
    this.#agent = new Agent({
      connect:
        credentials === undefined
          ? { timeout: CONNECT_TIMEOUT_MS }
          : tlsConnector(credentials, CONNECT_TIMEOUT_MS),
      connections: 16,
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: 0,
      bodyTimeout: 0,
    })
  }

  get origins(): readonly string[] {
    return this.#options.origins
  }

  /**
   * Asks one member after the other until the deadline.
   *
   * @throws CwError ETCD_REFUSED or ETCD_UNAVAILABLE; of the latter `isUncertain` tells whether it may have been done
   */
  async call(path: string, body: JsonObject, options: CallOptions): Promise<JsonObject> {
    const end = performance.now() + (options.deadline ?? this.#options.deadline)
    const attempts: Attempt[] = []
    for (;;) {
      const origins = this.#order()
      let mayPass = false
      for (const [index, origin] of origins.entries()) {
        const remaining = end - performance.now()
        if (remaining <= 0) throw unavailable(attempts, options.effect)
        // What is left is shared with those still to be asked, so that one that hangs does not use it all up.
        const share = Math.max(remaining / (origins.length - index), SHORTEST_SHARE_MS)
        const attempt = await this.#attempt(origin, path, body, Math.min(share, remaining))
        if (attempt.kind === 'answer') {
          this.#praise(origin)
          return attempt.answer
        }
        if (attempt.kind === 'refused') throw refusal(attempt.reason, this.#nameOf(origin))
        this.#avoid(origin)
        attempts.push({ origin: this.#nameOf(origin), ...attempt })
        if (attempt.kind === 'unknown' && options.effect === 'once') throw unavailable(attempts, 'once')
        mayPass ||= attempt.kind !== 'unreachable'
      }
      if (!mayPass || end - performance.now() < ROUND_PAUSE_MS) {
        throw unavailable(attempts, options.effect)
      }
      await pause(ROUND_PAUSE_MS)
    }
  }

  /** Asks exactly one member, a GET where there is no body. Never throws for what it or the network do. */
  async ask(
    origin: string,
    path: string,
    deadline: Duration,
    body?: JsonObject,
  ): Promise<JsonObject | undefined> {
    try {
      const { status, text } = await this.#exchange(origin, path, body, AbortSignal.timeout(deadline))
      return status === 200 ? parseJson(text) : undefined
    } catch {
      return undefined
    }
  }

  /**
   * Opens an answer that goes on, at the first member that begins one within the deadline.
   *
   * @throws CwError ETCD_UNAVAILABLE
   */
  async open(path: string, body: JsonObject, signal: AbortSignal): Promise<OpenStream> {
    const origins = this.#order()
    const attempts: Attempt[] = []
    for (const origin of origins) {
      const late = new AbortController()
      const timer = setTimeout(() => {
        late.abort(new Error('no answer in time'))
      }, this.#options.deadline / origins.length)
      try {
        const response = await this.#request(origin, path, body, AbortSignal.any([signal, late.signal]))
        if (response.statusCode === 200) {
          this.#praise(origin)
          return { origin, body: response.body }
        }
        const reason = reasonOf(await response.body.text())
        attempts.push({ origin: this.#nameOf(origin), kind: 'no-leader', reason })
      } catch (error) {
        signal.throwIfAborted()
        attempts.push({ origin: this.#nameOf(origin), kind: 'unreachable', reason: messageOf(error) })
      } finally {
        clearTimeout(timer)
      }
      this.#avoid(origin)
    }
    throw unavailable(attempts, 'read')
  }

  /** A stream of this origin broke or fell silent: others first for a while. */
  blame(origin: string): void {
    this.#avoid(origin)
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  #nameOf(origin: string): string {
    return this.#options.names?.get(origin) ?? origin
  }

  async #attempt(origin: string, path: string, body: JsonObject, patienceMs: number): Promise<Outcome> {
    try {
      const signal = AbortSignal.timeout(Math.max(1, Math.ceil(patienceMs)))
      const { status, text } = await this.#exchange(origin, path, body, signal)
      if (status === 200) return { kind: 'answer', answer: parseJson(text) }
      const reason = reasonOf(text)
      if (WITHOUT_EFFECT.test(reason)) return { kind: 'no-leader', reason }
      return { kind: UNAVAILABLE.has(codeOf(text)) || status >= 502 ? 'unknown' : 'refused', reason }
    } catch (error) {
      return { kind: isUnreachable(error) ? 'unreachable' : 'unknown', reason: messageOf(error) }
    }
  }

  async #exchange(
    origin: string,
    path: string,
    body: JsonObject | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const response = await this.#request(origin, path, body, signal)
    const pieces: Buffer[] = []
    let length = 0
    for await (const piece of response.body as AsyncIterable<Buffer>) {
      length += piece.length
      if (length > MAX_ANSWER_BYTES) throw new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`)
      pieces.push(piece)
    }
    return { status: response.statusCode, text: Buffer.concat(pieces).toString('utf8') }
  }

  #request(
    origin: string,
    path: string,
    body: JsonObject | undefined,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    return this.#agent.request({
      origin,
      path,
      method: body === undefined ? 'GET' : 'POST',
      // Of one member alone one also wants to know how it does without a leader.
      headers: path === '/v3/maintenance/status' ? HEADERS : WITH_LEADER,
      body: body === undefined ? null : JSON.stringify(body),
      signal,
    })
  }

  /** The one that answered last, then the others, then those that failed, the longest ago first. */
  #order(): readonly string[] {
    const now = this.#options.clock.now()
    const rank = (origin: string): number => {
      const until = this.#avoided.get(origin) ?? 0
      if (until > now) return until
      return origin === this.#preferred ? -1 : 0
    }
    return [...this.#options.origins].sort((a, b) => rank(a) - rank(b))
  }

  #praise(origin: string): void {
    this.#avoided.delete(origin)
    this.#preferred = origin
  }

  #avoid(origin: string): void {
    this.#avoided.set(origin, this.#options.clock.now() + AVOID_FOR)
    if (this.#preferred === origin) this.#preferred = undefined
  }
}

type Outcome =
  | { readonly kind: 'answer'; readonly answer: JsonObject }
  | { readonly kind: 'refused'; readonly reason: string }
  | Omit<Attempt, 'origin'>

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  // Whoever answers there is none of ours, so nothing was sent.
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
  'INVALID_PURPOSE',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  // Our own credentials are not there.
  'FILE_UNREADABLE',
])

function isUnreachable(error: unknown): boolean {
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error
  if (!(inner instanceof Error)) return false
  // Such as the end of a tunnel behind which nobody listens: no request is sent before TLS stands.
  if (inner.message.includes('before secure TLS connection')) return true
  return 'code' in inner && UNREACHABLE.has(String(inner.code))
}

function reasonOf(text: string): string {
  try {
    const { message, error } = parseJson(text)
    return [message, error].find(each => typeof each === 'string') ?? text
  } catch {
    return text.slice(0, 200)
  }
}

function codeOf(text: string): number {
  try {
    return Number(parseJson(text).code ?? 0)
  } catch {
    return 0
  }
}

function messageOf(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError') return 'no answer in time'
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error
  return inner instanceof Error ? inner.message : String(inner)
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
