import { HttpClient, type HttpServers } from '../http/client.ts'
import { encodePathPart } from '../http/message.ts'
import { millis } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import type { Impu } from './identity.ts'

/** Where the service documents of users are: homer, or its store where that is in the same process. */
export interface ServiceDocuments {
  /** The document of a user; undefined if there is none, or none can be had at present. Never throws. */
  get(impu: Impu): Promise<string | undefined>
}

export interface HttpServiceDocumentsOptions {
  /** `http://host:7888`. */
  readonly origin: string
  readonly log: Log
  /** How the servers of a cluster are found. */
  readonly servers?: HttpServers
}

const TIMEOUT = millis(500)
const CONNECT_TIMEOUT = millis(50)

/** Path of a user's simservs at homer (interfaces.md §3). */
export function simservsPath(impu: Impu): string {
  return `/org.etsi.ngn.simservs/users/${encodePathPart(impu)}/simservs.xml`
}

/** The documents behind homer's HTTP interface. It is asked for each call: a change counts from the next one on. */
export class HttpServiceDocuments implements ServiceDocuments {
  readonly #client: HttpClient
  readonly #log: Log

  constructor({ origin, log, servers }: HttpServiceDocumentsOptions) {
    this.#log = log
    this.#client = new HttpClient({
      origin,
      timeout: TIMEOUT,
      connectTimeout: CONNECT_TIMEOUT,
      ...(servers === undefined ? {} : { servers }),
    })
  }

  async get(impu: Impu): Promise<string | undefined> {
    const headers = { 'x-xcap-asserted-identity': impu }
    const result = await this.#client.request({ method: 'GET', path: simservsPath(impu), headers })
    if (result.kind === 'answer' && result.status === 200) return result.body
    if (result.kind !== 'answer') {
      this.#log.warn('homer does not give services, a call goes on without', { impu, why: result.kind })
    } else if (result.status !== 404) {
      this.#log.warn('homer does not give services, a call goes on without', { impu, status: result.status })
    }
    return undefined
  }

  async close(): Promise<void> {
    await this.#client.close()
  }
}
