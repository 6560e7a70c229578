import { errors, Pool, type Dispatcher } from 'undici'
import { CwError } from '../../../lib/kit/errors.ts'

/** Which service, and how an operator says where it is. */
export interface ServiceAddress {
  /** As it stands in sentences: `homestead-prov`. */
  readonly name: string
  readonly host: string
  readonly port: number
  /** The flag that names another place. */
  readonly flag: string
}

export interface HttpServiceAnswer {
  readonly status: number
  readonly body: string
  readonly location: string | undefined
}

export interface HttpServiceCall {
  readonly method: Dispatcher.HttpMethod
  readonly path: string
  readonly body?: string
  readonly type?: 'application/json' | 'application/xml' | 'application/x-ndjson'
  /** Statuses that answer the question; any other is a SERVICE_ERROR. */
  readonly expect: readonly number[]
}

const REQUEST_TIMEOUT_MS = 20_000

/**
 * An HTTP interface of the core, as `cw` uses it, on a few connections that are kept.
 *
 * Every method throws CwError SERVICE_UNREACHABLE if there is no answer, SERVICE_ERROR for an unforeseen one.
 */
export class HttpService implements AsyncDisposable {
  readonly origin: string
  readonly #address: ServiceAddress
  readonly #pool: Pool

  /** Opens it once it has answered a ping. */
  static async open(address: ServiceAddress): Promise<HttpService> {
    const service = new HttpService(address)
    try {
      const { body } = await service.call({ method: 'GET', path: '/ping', expect: [200] })
      if (body.trim() !== 'OK')
        throw service.unforeseen('GET', '/ping', `answered "${body.slice(0, 60)}", not OK`)
      return service
    } catch (error) {
      await service.close()
      throw error
    }
  }

  private constructor(address: ServiceAddress) {
    const { host, port } = address
    this.#address = address
    this.origin = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
    this.#pool = new Pool(this.origin, { connections: 16, connect: { timeout: 5_000 } })
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async call({ method, path, body, type, expect }: HttpServiceCall): Promise<HttpServiceAnswer> {
    let answer: HttpServiceAnswer
    try {
      const response = await this.#pool.request({
        method,
        path,
        body: body ?? null,
        headers: type === undefined ? {} : { 'content-type': type },
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      })
      const location = response.headers.location
      answer = {
        status: response.statusCode,
        body: await response.body.text(),
        location: typeof location === 'string' ? location : undefined,
      }
    } catch (error) {
      throw this.#unreachable(error)
    }
    if (!expect.includes(answer.status)) throw this.unforeseen(method, path, whatItSaid(answer))
    return answer
  }

  json({ body }: HttpServiceAnswer, path: string): unknown {
    try {
      return JSON.parse(body) as unknown
    } catch {
      throw this.unforeseen('GET', path, 'answered something that is not JSON')
    }
  }

  /** @param what what it did, as it stands after `it` */
  unforeseen(method: string, path: string, what: string): CwError {
    const { name } = this.#address
    return new CwError('SERVICE_ERROR', `${name} did not do what was asked: ${method} ${path}`, {
      where: { address: this.origin },
      why: `it ${what}`,
      remedies: [`look into the log of ${name}, then run the command again`],
    })
  }

  #unreachable(cause: unknown): CwError {
    const { name, flag } = this.#address
    return new CwError('SERVICE_UNREACHABLE', `${name} does not answer`, {
      where: { address: this.origin },
      why: whyUnreachable(cause),
      remedies: [
        'start the core with: cw up',
        `or say where it runs: ${flag} HOST:PORT (or --port-offset N, as given to cw up)`,
      ],
      cause,
    })
  }
}

function whatItSaid({ status, body }: HttpServiceAnswer): string {
  const reason = reasonIn(body)
  return reason === undefined ? `answered ${status}` : `answered ${status}: ${reason}`
}

/** What an answer of homestead-prov or homer gives as its reason. */
export function reasonIn(body: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(body)
    const isTold = typeof parsed === 'object' && parsed !== null && 'reason' in parsed
    return isTold && typeof parsed.reason === 'string' ? parsed.reason : undefined
  } catch {
    return undefined
  }
}

function whyUnreachable(error: unknown): string {
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error
  const code = inner instanceof Error && 'code' in inner ? inner.code : undefined
  if (code === 'ECONNREFUSED') return 'nothing listens there (connection refused)'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'the host name is not known'
  const slow =
    inner instanceof errors.ConnectTimeoutError || (inner instanceof Error && inner.name === 'TimeoutError')
  if (slow) return 'no answer came in time'
  return inner instanceof Error ? inner.message : String(inner)
}
