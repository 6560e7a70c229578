import { LRUCache } from 'lru-cache'
import { HttpClient, type HttpServers } from '../../lib/http/client.ts'
import { uriHost } from '../../lib/kit/address.ts'
import { millis, seconds } from '../../lib/kit/clock.ts'
import {
  REPLICA_DELAY,
  type ChronosTimer,
  formatReplication,
  formatTimerId,
} from '../../lib/timers/chronos/timer.ts'

export interface PeersOptions {
  /** On which every node of the cluster listens. */
  readonly port: number
  /** How hosts of callbacks are found. */
  readonly servers: HttpServers
}

/** A callback that takes longer is popped by the next replica too. */
const CALLBACK_DEADLINE = REPLICA_DELAY
const NODE_DEADLINE = seconds(1)
const CONNECT_DEADLINE = millis(500)
/** Hosts that connections are kept with. */
const MOST_CLIENTS = 100

/** What a chronos node says to other nodes, and to those whose timers pop. */
export class Peers {
  readonly #options: PeersOptions
  readonly #clients = new LRUCache<string, HttpClient>({
    max: MOST_CLIENTS,
    dispose: client => void client.close().catch(() => undefined),
  })

  constructor(options: PeersOptions) {
    this.#options = options
  }

  /** Tells another node of a timer. @returns whether it has it */
  async tell(node: string, timer: ChronosTimer, now: number): Promise<boolean> {
    const result = await this.#node(node).request({
      method: 'PUT',
      path: `/timers/${formatTimerId(timer.id, timer.replicas.length)}`,
      body: formatReplication(timer, now),
    })
    return result.kind === 'answer' && result.status === 200
  }

  /** Asks another node for timers that a node should have. @returns undefined if it does not answer */
  async ask(
    node: string,
    path: string,
  ): Promise<{ readonly status: number; readonly body: string } | undefined> {
    const result = await this.#node(node).request({ method: 'GET', path, headers: { range: '100' } })
    return result.kind === 'answer' ? result : undefined
  }

  /** Pops a timer. @returns undefined if it was taken, else why not */
  async pop({ uri, opaque, sequence }: ChronosTimer): Promise<string | undefined> {
    const { origin, pathname, search } = new URL(uri)
    const client = this.#client(
      origin,
      () =>
        new HttpClient({
          origin,
          timeout: CALLBACK_DEADLINE,
          connectTimeout: CONNECT_DEADLINE,
          servers: this.#options.servers,
        }),
    )
    const result = await client.request({
      method: 'POST',
      path: `${pathname}${search}`,
      body: opaque,
      headers: { 'content-type': 'application/octet-stream', 'x-sequence-number': `${sequence + 1}` },
    })
    if (result.kind !== 'answer') return result.kind
    return result.status >= 200 && result.status < 300 ? undefined : `it was answered ${result.status}`
  }

  async close(): Promise<void> {
    await Promise.all([...this.#clients.values()].map(client => client.close()))
    this.#clients.clear()
  }

  #node(node: string): HttpClient {
    const origin = `http://${uriHost(node)}:${this.#options.port}`
    return this.#client(
      origin,
      () => new HttpClient({ origin, timeout: NODE_DEADLINE, connectTimeout: CONNECT_DEADLINE }),
    )
  }

  #client(origin: string, make: () => HttpClient): HttpClient {
    const known = this.#clients.get(origin) ?? make()
    this.#clients.set(origin, known)
    return known
  }
}
