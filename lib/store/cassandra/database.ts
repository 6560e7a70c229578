import { Client, errors, policies, types } from 'cassandra-driver'
import { counter, type Metric } from '../../kit/metric.ts'
import { pause, seconds, type Clock, type Duration } from '../../kit/clock.ts'
import { CwError } from '../../kit/errors.ts'
import { Limiter } from '../../kit/limiter.ts'
import type { Log } from '../../kit/log.ts'
import { Quorum } from './quorum.ts'
import { reasonOf } from './reason.ts'
import { ensureSchema, type KeyspaceSchema } from './schema.ts'

/** Where a Cassandra cluster is, seen from one site. */
export interface CassandraView {
  /** Some nodes of this site, `address:port`; the others are learned from them. */
  readonly contactPoints: readonly string[]
  /** The data centre that is asked: `local_site_name`. */
  readonly site: string
  /** Refuses clusters of another name. */
  readonly clusterName?: string
}

export interface DatabaseOptions {
  readonly view: CassandraView
  /** What has to be there; what is missing is made. */
  readonly schemas: readonly KeyspaceSchema[]
  readonly clock: Clock
  readonly log: Log
  /** How long a start waits for a cluster that does not answer, before it goes on without: ten seconds if not given. */
  readonly patience?: Duration
}

export type Row = types.Row

/** The text in a column; undefined where there is none, or something else. */
export function textIn(row: Row | undefined, column: string): string | undefined {
  const value: unknown = row?.[column]
  return typeof value === 'string' ? value : undefined
}

/** A statement with its values in the order of its question marks. */
export interface Statement {
  readonly query: string
  readonly values: readonly unknown[]
  /** Names the partition that it changes: changes of one are made together without Cassandra writing them down before. */
  readonly partition?: string
}

interface Counts {
  reads: number
  writes: number
  decisions: number
  /** Done by one node because too few for a quorum answered. */
  downgraded: number
  failures: number
  /** Rows that nothing could be made of. */
  foreign: number
}

interface UnfitDetail {
  readonly cause?: unknown
  readonly remedy?: string
}

/** What each attempt to do something is asked for, as the driver takes it. */
interface Manner {
  readonly consistency: types.consistencies
  readonly readTimeout: number
}

const READ_DEADLINE_MS = 1000
const WRITE_DEADLINE_MS = 2000
/** A decision takes several rounds between nodes, and waits for others about the same row. */
const DECISION_DEADLINE_MS = 3000
/** A read that has no answer by then is also asked of another node. */
const SECOND_READ_AFTER_MS = 150
const HEARTBEAT_MS = 2000
/** More than a node works on at a time; the driver refuses what is beyond its own limit. */
const MOST_AT_ONCE = 512
/** A decision keeps nodes busy in several rounds: with more of them at a time on a few processors all are late. */
const MOST_DECISIONS = 32
const RETRY_AFTER = seconds(1)
const PATIENCE = seconds(10)

const { localQuorum, localOne, localSerial } = types.consistencies
const { unavailableException, readTimeout, writeTimeout, readFailure, writeFailure } =
  types.responseErrorCodes
/** What a node answers when others, whom the quorum needs, do not. */
const TOO_FEW: ReadonlySet<number> = new Set<number>([
  unavailableException,
  readTimeout,
  writeTimeout,
  readFailure,
  writeFailure,
])

const UNKNOWN_OUTCOME: ReadonlySet<number> = new Set([writeTimeout, writeFailure])

/**
 * A Cassandra cluster: reads, writes and decisions, each with the consistency that it is made with.
 *
 * - `read`, `write`: by a quorum of the site's copies, else by any one of them (`Quorum`), so that subscribers are
 *   served as long as one copy of what they need is there. Cassandra brings the others up to date.
 * - `decide`: a compare-and-set among the site's copies; without a quorum it fails.
 *
 * A cluster that cannot be reached at the start is tried until it can; meanwhile each call fails with STORE_FAILED.
 */
export class CassandraDatabase {
  readonly #view: CassandraView
  readonly #schemas: readonly KeyspaceSchema[]
  readonly #clock: Clock
  readonly #log: Log
  readonly #closing = new AbortController()
  readonly #limiter = new Limiter(MOST_AT_ONCE)
  readonly #decisions = new Limiter(MOST_DECISIONS)
  readonly counts: Counts = { reads: 0, writes: 0, decisions: 0, downgraded: 0, failures: 0, foreign: 0 }
  readonly #quorum: Quorum
  #client: Client | undefined
  #trouble: unknown
  #lastMicros = 0n

  private constructor({ view, schemas, clock, log }: DatabaseOptions) {
    this.#view = view
    this.#schemas = schemas
    this.#clock = clock
    this.#log = log
    this.#quorum = new Quorum(clock, hasTooFew)
  }

  /**
   * Connects, and brings the schema to this release.
   *
   * @throws CwError STORE_UNFIT if the cluster is another one, has no such site, or was used by a newer release
   */
  static async open(options: DatabaseOptions): Promise<CassandraDatabase> {
    const database = new CassandraDatabase(options)
    const until = options.clock.now() + (options.patience ?? PATIENCE)
    for (;;) {
      if (await database.#connect()) return database
      if (options.clock.now() >= until) break
      await pause(options.clock, RETRY_AFTER)
    }
    options.log.error('Cassandra cannot be reached; until it can, requests that need it fail', {
      contactPoints: options.view.contactPoints,
      why: reasonOf(database.#trouble),
    })
    void database.#connectLater()
    return database
  }

  /** Whether queries can be made now. */
  get connected(): boolean {
    return this.#hostsUp() > 0
  }

  /** @throws CwError STORE_FAILED if no copy can be read */
  async read(query: string, values: readonly unknown[]): Promise<readonly Row[]> {
    this.counts.reads++
    return this.#withFallback(READ_DEADLINE_MS, async (client, manner) => {
      const options = { ...manner, isIdempotent: true, fetchSize: 5000 }
      const result = await client.execute(query, [...values], options)
      if (typeof result.pageState !== 'string') return result.rows
      const rows: Row[] = []
      for await (const row of result) rows.push(row)
      return rows
    })
  }

  /**
   * Reads many rows, page by page.
   *
   * @throws CwError STORE_FAILED if no copy can be read
   */
  async *pages(query: string, values: readonly unknown[], pageSize: number): AsyncGenerator<readonly Row[]> {
    let pageState: string | undefined
    do {
      this.counts.reads++
      const at = pageState
      const result = await this.#withFallback(READ_DEADLINE_MS * 5, (client, manner) =>
        client.execute(query, [...values], {
          ...manner,
          ...{ isIdempotent: true, autoPage: false, fetchSize: pageSize },
          ...(at === undefined ? {} : { pageState: at }),
        }),
      )
      yield result.rows
      pageState = result.pageState
    } while (typeof pageState === 'string')
  }

  /**
   * Makes changes that may be made again without harm: all of them, or, if this fails, some or none.
   *
   * @throws CwError STORE_FAILED if no copy could be written
   */
  async write(...statements: readonly Statement[]): Promise<void> {
    const [first, ...more] = statements
    if (first === undefined) return
    this.counts.writes++
    const timestamp = Number(this.micros())
    await this.#withFallback(WRITE_DEADLINE_MS, (client, manner) => {
      const options = { ...manner, isIdempotent: true, timestamp }
      return more.length === 0
        ? client.execute(first.query, [...first.values], options)
        : client.batch(
            statements.map(({ query, values }) => ({ query, params: [...values] })),
            // The log stands on other nodes, for which nobody waits where one copy has to do.
            { ...options, logged: manner.consistency === localQuorum && !areOfOnePartition(statements) },
          )
    })
  }

  /**
   * Makes a conditional change.
   *
   * @returns whether the condition held; undefined if no answer came, so that it may have been made or not
   * @throws CwError STORE_FAILED if there is no quorum for it
   */
  async decide(query: string, values: readonly unknown[]): Promise<boolean | undefined> {
    this.counts.decisions++
    const manner: Manner = { consistency: localQuorum, readTimeout: DECISION_DEADLINE_MS }
    const options = { ...manner, serialConsistency: localSerial, isIdempotent: false }
    return this.#decisions.run(() =>
      this.#attempt(async client => {
        try {
          const result = await client.execute(query, [...values], options)
          return result.wasApplied()
        } catch (error) {
          if (isWithoutAnswer(error)) return undefined
          throw error
        }
      }),
    )
  }

  /** Microseconds since the epoch, each time more than the last: what orders writes of this process. */
  micros(): bigint {
    const now = BigInt(Date.now()) * 1000n
    this.#lastMicros = now > this.#lastMicros ? now : this.#lastMicros + 1n
    return this.#lastMicros
  }

  /** Tells of a row that nothing can be made of, and is passed over. */
  passOver(table: string, key: string): void {
    this.counts.foreign++
    this.#log.warn('a row in Cassandra cannot be read and is passed over', { table, key })
  }

  metrics(): readonly Metric[] {
    const { reads, writes, decisions, downgraded, failures, foreign } = this.counts
    return [
      counter('cassandra_operations', 'What Cassandra was asked for, by kind.', [
        { labels: { kind: 'read' }, value: reads },
        { labels: { kind: 'write' }, value: writes },
        { labels: { kind: 'decision' }, value: decisions },
      ]),
      counter('cassandra_downgraded', 'Operations made with one copy, as there was no quorum.', [
        { value: downgraded },
      ]),
      counter('cassandra_failures', 'Operations that failed.', [{ value: failures }]),
      counter('cassandra_foreign_rows', 'Rows that could not be read and were passed over.', [
        { value: foreign },
      ]),
      {
        name: 'clearwater_cassandra_nodes_up',
        help: 'Nodes of Cassandra in this site that answer.',
        type: 'gauge',
        samples: [{ value: this.#hostsUp() }],
      },
    ]
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#client?.shutdown()
  }

  async #connectLater(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      await pause(this.#clock, RETRY_AFTER, this.#closing.signal)
      try {
        if (await this.#connect()) return
      } catch (error) {
        // The cluster is there, and not one for us. It may become one: an operator is at work.
        if (String(error) !== String(this.#trouble)) this.#log.error('Cassandra cannot be used', { error })
        this.#trouble = error
      }
    }
  }

  /** @returns false if nobody answers */
  async #connect(): Promise<boolean> {
    const client = this.#newClient()
    try {
      await client.connect()
      await this.#examine(client)
      await ensureSchema(client, {
        ...{ schemas: this.#schemas, clock: this.#clock },
        site: this.#view.site,
      })
    } catch (error) {
      await client.shutdown().catch(() => undefined)
      if (error instanceof CwError && error.code === 'STORE_UNFIT') throw error
      if (isSiteUnknown(error)) {
        const remedy = 'name the site as the data centre is named: local_site_name'
        throw this.#unfit(`it has no data centre ${this.#view.site}`, { cause: error, remedy })
      }
      this.#trouble = error
      return false
    }
    if (this.#closing.signal.aborted) await client.shutdown()
    client.on('hostDown', (host: { address: string }) =>
      this.#log.warn('a node of Cassandra does not answer', { address: host.address }),
    )
    client.on('hostUp', (host: { address: string }) =>
      this.#log.info('a node of Cassandra answers again', { address: host.address }),
    )
    this.#client = client
    this.#trouble = undefined
    return true
  }

  #newClient(): Client {
    const { contactPoints, site } = this.#view
    return new Client({
      contactPoints: [...contactPoints],
      localDataCenter: site,
      // Asked for first otherwise: a protocol of another product.
      protocolOptions: { maxVersion: 4 },
      encoding: { useBigIntAsLong: true },
      queryOptions: { prepare: true },
      pooling: { heartBeatInterval: HEARTBEAT_MS },
      socketOptions: { connectTimeout: 2000, defunctReadTimeoutThreshold: 8 },
      policies: {
        loadBalancing: new policies.loadBalancing.TokenAwarePolicy(
          new policies.loadBalancing.DCAwareRoundRobinPolicy(site),
        ),
        retry: new NextHostPolicy(),
        reconnection: new policies.reconnection.ExponentialReconnectionPolicy(250, 5000),
        speculativeExecution: new policies.speculativeExecution.ConstantSpeculativeExecutionPolicy(
          SECOND_READ_AFTER_MS,
          1,
        ),
      },
    })
  }

  async #examine(client: Client): Promise<void> {
    const { clusterName } = this.#view
    if (clusterName === undefined) return
    const { rows } = await client.execute('SELECT cluster_name FROM system.local')
    const name = textIn(rows[0], 'cluster_name')
    if (name !== clusterName) throw this.#unfit(`it is the cluster ${name ?? '?'}, not ${clusterName}`)
  }

  #unfit(why: string, { cause, remedy = 'name nodes of the right cluster' }: UnfitDetail = {}): CwError {
    return new CwError('STORE_UNFIT', `Cassandra at ${this.#view.contactPoints.join(', ')} is not ours`, {
      why,
      changed: 'nothing',
      remedies: [remedy, 'see what there is: nodetool describecluster'],
      cause,
    })
  }

  /** By a quorum, else by one. */
  #withFallback<T>(deadlineMs: number, act: (client: Client, manner: Manner) => Promise<T>): Promise<T> {
    return this.#attempt(client =>
      this.#quorum.run(
        () => act(client, { consistency: localQuorum, readTimeout: deadlineMs }),
        () => {
          this.counts.downgraded++
          return act(client, { consistency: localOne, readTimeout: deadlineMs })
        },
      ),
    )
  }

  async #attempt<T>(act: (client: Client) => Promise<T>): Promise<T> {
    try {
      const client = this.#client
      if (client === undefined) throw new Error('it has not been reached', { cause: this.#trouble })
      return await this.#limiter.run(() => act(client))
    } catch (error) {
      this.counts.failures++
      throw new CwError('STORE_FAILED', 'Cassandra cannot be read or changed', {
        why: reasonOf(error),
        remedies: ['see which nodes run: cw status'],
        cause: error,
      })
    }
  }

  #hostsUp(): number {
    const hosts = this.#client?.hosts.values() ?? []
    return hosts.filter(host => host.datacenter === this.#view.site && host.isUp()).length
  }
}

function areOfOnePartition([first, ...more]: readonly Statement[]): boolean {
  return first?.partition !== undefined && more.every(({ partition }) => partition === first.partition)
}

/** What one host cannot do for lack of others is not tried at another host: `#withFallback` knows better. */
class NextHostPolicy extends policies.retry.RetryPolicy {
  override onRequestError(
    ...[info, consistency, error]: Parameters<policies.retry.RetryPolicy['onRequestError']>
  ): policies.retry.DecisionInfo {
    const again = info.executionOptions.isIdempotent() && !(error instanceof errors.OperationTimedOutError)
    return again ? super.onRequestError(info, consistency, error) : this.rethrowResult()
  }

  override onUnavailable(): policies.retry.DecisionInfo {
    return this.rethrowResult()
  }
}

/** Whether one node may do what a quorum could not: it answered that others do not, or waited for them too long. */
function hasTooFew(error: unknown): boolean {
  if (error instanceof errors.ResponseError) return TOO_FEW.has(error.code)
  if (error instanceof errors.NoHostAvailableError) return innerErrors(error).some(hasTooFew)
  return isWithoutAnswer(error)
}

/** Whether what was asked for may have been done. */
function isWithoutAnswer(error: unknown): boolean {
  if (error instanceof errors.OperationTimedOutError) return true
  if (error instanceof errors.ResponseError) return UNKNOWN_OUTCOME.has(error.code)
  if (error instanceof errors.NoHostAvailableError) return innerErrors(error).some(isWithoutAnswer)
  return error instanceof errors.DriverError && 'isSocketError' in error
}

function innerErrors(error: errors.NoHostAvailableError): readonly unknown[] {
  return Object.values(error.innerErrors as Readonly<Record<string, unknown>>)
}

function isSiteUnknown(error: unknown): boolean {
  if (error instanceof errors.NoHostAvailableError) return innerErrors(error).some(isSiteUnknown)
  return error instanceof errors.ArgumentError && error.message.includes('localDataCenter')
}
