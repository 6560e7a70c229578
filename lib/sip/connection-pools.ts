import type { Duration } from '../kit/clock.ts'
import { ConnectionPool, type ConnectionPoolOptions } from './connection-pool.ts'
import { uriParam, type SipUri } from './uri.ts'
import type { Flow } from './transport/flow.ts'
import type { Target } from './resolver.ts'

/** Hosts that are reached over pools of connections. */
export interface PooledHosts {
  /** In lower case, as URIs name them. */
  readonly hosts: ReadonlySet<string>
  /** Connections to each. */
  readonly connections: number
  /** How long one is used, on average. */
  readonly lifetime: Duration
}

export type PoolSurroundings = Pick<ConnectionPoolOptions, 'clock' | 'connect' | 'peers' | 'inUse'> & {
  readonly targetsOf: (uri: SipUri) => Promise<readonly Target[]>
}

/** A host has a few ports at most that are of any use. */
const MOST_POOLS = 16

/** The pools of one node, each opened when it is first needed. */
export class ConnectionPools {
  readonly #pooled: PooledHosts
  readonly #around: PoolSurroundings
  readonly #pools = new Map<string, ConnectionPool>()

  constructor(pooled: PooledHosts, around: PoolSurroundings) {
    this.#pooled = pooled
    this.#around = around
  }

  /** A connection for requests to this URI, if it is that of a pool and one stands. */
  pick(uri: SipUri): Flow | undefined {
    if (!this.#pooled.hosts.has(uri.host)) return undefined
    const key = `${uri.host}:${uri.port ?? ''}`
    const pool = this.#pools.get(key) ?? this.#open(key, uri)
    return pool?.pick()
  }

  close(): void {
    for (const pool of this.#pools.values()) pool.close()
  }

  #open(key: string, uri: SipUri): ConnectionPool | undefined {
    if (this.#pools.size >= MOST_POOLS || uriParam(uri, 'transport')?.toUpperCase() !== 'TCP')
      return undefined
    const { connections: size, lifetime } = this.#pooled
    const targets = (): Promise<readonly Target[]> => this.#around.targetsOf(uri)
    const pool = new ConnectionPool({ ...this.#around, size, lifetime, targets })
    this.#pools.set(key, pool)
    return pool
  }
}
