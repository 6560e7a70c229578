import { spawnSync } from 'node:child_process'
import { createHash, randomInt } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, type types } from 'cassandra-driver'
import { CQL_PORT } from '../../lib/store/cassandra/cluster-file.ts'
import { Child } from './child.ts'
import { waitUntil } from './wait.ts'

const ROOT = join(import.meta.dirname, '..', '..')
export const POM = join(ROOT, 'test', 'cassandra', 'pom.xml')
const RING = 1n << 64n
const START_MS = 120_000

export interface CassandraServersOptions {
  /** Names the nodes of each data centre: `{ site1: 2, site2: 1 }`. */
  readonly sites?: Readonly<Record<string, number>>
  readonly clusterName?: string
  /** Memory of each: small, if not given. */
  readonly heapMb?: number
}

interface Node {
  readonly address: string
  readonly site: string
  readonly dir: string
  child: Child | undefined
}

/**
 * Real Cassandra nodes on loopback addresses of their own, each a process that can be killed, frozen and started again
 * with what it had on its disk. Needs a JDK 17 and Maven, which fetches the jars once.
 */
export class CassandraServers implements AsyncDisposable {
  readonly #nodes: readonly Node[]
  readonly #dir: string
  readonly #clusterName: string
  readonly #heapMb: number

  private constructor(options: CassandraServersOptions) {
    const { sites = { site1: 1 }, clusterName = 'clearwater-test', heapMb = 400 } = options
    this.#dir = mkdtempSync(join(tmpdir(), 'cw-cassandra-'))
    this.#clusterName = clusterName
    this.#heapMb = heapMb
    // All of a run are neighbours, and no two runs have the same addresses.
    const net = `127.${randomInt(64, 255)}.${randomInt(1, 255)}`
    const names = Object.entries(sites).flatMap(([site, count]) => Array.from({ length: count }, () => site))
    this.#nodes = names.map((site, index) => ({
      address: `${net}.${index + 1}`,
      site,
      dir: join(this.#dir, `node${index + 1}`),
      child: undefined,
    }))
  }

  /** Returns once each node knows all others to be up. */
  static async start(options: CassandraServersOptions = {}): Promise<CassandraServers> {
    const servers = new CassandraServers(options)
    try {
      servers.#nodes.forEach((_, index) => servers.#configure(index))
      await Promise.all(servers.#nodes.map((_, index) => servers.run(index)))
      await waitUntil('all nodes of Cassandra are up', () => servers.#allKnown(), START_MS)
      return servers
    } catch (error) {
      await servers[Symbol.asyncDispose]()
      throw error
    }
  }

  /** `address:port` of each node. */
  get addresses(): readonly string[] {
    return this.#nodes.map(({ address }) => `${address}:${CQL_PORT}`)
  }

  /** Starts a node that does not run, with what it has on its disk; returns once it answers. */
  async run(index: number): Promise<void> {
    const node = this.#node(index)
    node.child = new Child('java', [
      ...javaArgs(node.dir, this.#heapMb),
      '-cp',
      `${node.dir}:${jars()}/*`,
      MAIN_CLASS,
    ])
    const { child } = node
    await waitUntil(
      `Cassandra at ${node.address} answers`,
      () => {
        if (child.exit !== undefined) throw new Error(`Cassandra has ended:\n${child.stdout.slice(-3000)}`)
        return this.#answers(node)
      },
      START_MS,
    )
  }

  async kill(index: number): Promise<void> {
    await this.#node(index).child?.stop('SIGKILL')
    this.#node(index).child = undefined
  }

  freeze(index: number): void {
    this.#node(index).child?.signal('SIGSTOP')
  }

  thaw(index: number): void {
    this.#node(index).child?.signal('SIGCONT')
  }

  /** Runs statements as they are, at the first node, and returns the rows of the last one. */
  cql(...statements: readonly string[]): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return this.cqlAt(0, ...statements)
  }

  /** The same at another node, which asks its own copy where it has one. */
  cqlAt(
    index: number,
    ...statements: readonly string[]
  ): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return this.#ask(this.#node(index), async client => {
      let rows: readonly Readonly<Record<string, unknown>>[] = []
      for (const statement of statements) {
        const result = await client.execute(statement, [], { prepare: false, readTimeout: 30_000 })
        // Statements that are no SELECT have no rows, whatever the types say.
        rows = [...((result.rows as Iterable<types.Row> | undefined) ?? [])]
      }
      return rows
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.#nodes) await node.child?.[Symbol.asyncDispose]()
    rmSync(this.#dir, { recursive: true, force: true })
  }

  #answers(node: Node): Promise<boolean> {
    return this.#ask(node, async client => (await client.connect(), true)).catch(() => false)
  }

  async #allKnown(): Promise<boolean> {
    const known = this.#nodes.map((_, index) => this.cqlAt(index, 'SELECT peer FROM system.peers'))
    return (await Promise.all(known)).every(peers => peers.length === this.#nodes.length - 1)
  }

  /** Whatever comes of it, the connections are closed. */
  async #ask<T>({ address, site }: Node, act: (client: Client) => Promise<T>): Promise<T> {
    const client = new Client({
      contactPoints: [`${address}:${CQL_PORT}`],
      localDataCenter: site,
      protocolOptions: { maxVersion: 4 },
    })
    try {
      return await act(client)
    } finally {
      await client.shutdown()
    }
  }

  #configure(index: number): void {
    const { address, site, dir } = this.#node(index)
    // A token each, so that all may start at the same time.
    const place = -(RING / 2n) + (RING * BigInt(index)) / BigInt(this.#nodes.length)
    mkdirSync(dir, { recursive: true })
    writeFileSync(
      join(dir, 'cassandra.yaml'),
      [
        `cluster_name: '${this.#clusterName}'`,
        'num_tokens: 1',
        `initial_token: '${place}'`,
        'partitioner: org.apache.cassandra.dht.Murmur3Partitioner',
        `data_file_directories: [${dir}/data]`,
        `commitlog_directory: ${dir}/commitlog`,
        `saved_caches_directory: ${dir}/caches`,
        `hints_directory: ${dir}/hints`,
        `cdc_raw_directory: ${dir}/cdc`,
        'commitlog_sync: periodic',
        'commitlog_sync_period: 1000ms',
        'commitlog_segment_size: 8MiB',
        `memtable_heap_space: ${Math.floor(this.#heapMb / 6)}MiB`,
        'memtable_offheap_space: 64MiB',
        'auto_snapshot: false',
        // As on nodes of a deployment.
        'read_request_timeout: 500ms',
        'write_request_timeout: 500ms',
        'cas_contention_timeout: 1000ms',
        'endpoint_snitch: GossipingPropertyFileSnitch',
        `listen_address: ${address}`,
        `rpc_address: ${address}`,
        `native_transport_port: ${CQL_PORT}`,
        'seed_provider:',
        '  - class_name: org.apache.cassandra.locator.SimpleSeedProvider',
        `    parameters: [{seeds: '${this.#nodes.map(node => node.address).join(',')}'}]`,
        '',
      ].join('\n'),
    )
    writeFileSync(join(dir, 'cassandra-rackdc.properties'), `dc=${site}\nrack=RAC1\n`)
    writeFileSync(join(dir, 'logback.xml'), LOGBACK)
  }

  #node(index: number): Node {
    const node = this.#nodes[index]
    if (node === undefined) throw new Error(`there is no node ${index}`)
    return node
  }
}

export const MAIN_CLASS = 'org.apache.cassandra.service.CassandraDaemon'

const LOGBACK = `<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level %date{ISO8601} %logger{20} %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="OUT"/></root>
</configuration>
`

/** What Cassandra reaches into of the JDK (its jvm17-server.options name them). */
const EXPORTS = [
  ...['java.base/jdk.internal.misc', 'java.base/jdk.internal.ref', 'java.base/jdk.internal.util'],
  ...['java.base/java.lang.ref', 'java.management.rmi/com.sun.jmx.remote.internal.rmi'],
  ...['java.rmi/sun.rmi.registry', 'java.rmi/sun.rmi.server', 'java.rmi/sun.rmi.transport.tcp'],
  ...['java.sql/java.sql', 'jdk.unsupported/sun.misc', 'jdk.attach/sun.tools.attach'],
]
const OPENS = [
  ...[
    'java.base/java.io',
    'java.base/java.lang',
    'java.base/java.lang.module',
    'java.base/java.lang.reflect',
  ],
  ...['java.base/java.net', 'java.base/java.nio', 'java.base/java.util', 'java.base/java.util.concurrent'],
  ...[
    'java.base/java.util.concurrent.atomic',
    'java.base/jdk.internal.loader',
    'java.base/jdk.internal.math',
  ],
  ...['java.base/jdk.internal.module', 'java.base/jdk.internal.ref', 'java.base/jdk.internal.reflect'],
  ...[
    'java.base/jdk.internal.util.jar',
    'java.base/sun.nio.ch',
    'jdk.management/com.sun.management.internal',
  ],
]

export const ACCESS: readonly string[] = [
  ...EXPORTS.map(each => `--add-exports=${each}=ALL-UNNAMED`),
  ...OPENS.map(each => `--add-opens=${each}=ALL-UNNAMED`),
]

function javaArgs(dir: string, heapMb: number): string[] {
  return [
    ...[`-Xms${heapMb}m`, `-Xmx${heapMb}m`, '-XX:+UseSerialGC', '-Xss256k'],
    // The small ones of tests start faster than they run.
    ...(heapMb < 1024 ? ['-XX:TieredStopAtLevel=1'] : []),
    `-Dcassandra.config=file://${dir}/cassandra.yaml`,
    `-Dcassandra.storagedir=${dir}`,
    `-Dlogback.configurationFile=${dir}/logback.xml`,
    ...['-Dcassandra-foreground=yes', '-Dcassandra.jmx.local.port=0', '-Djdk.attach.allowAttachSelf=true'],
    // Nobody joins a cluster that has been running: there is nothing to wait for.
    ...['-Dcassandra.ring_delay_ms=100', '-Dcassandra.skip_wait_for_gossip_to_settle=0'],
    ...ACCESS,
  ]
}

/** The folder of the jars that test/cassandra/pom.xml names; Maven fills it when it does not fit. */
export function jars(): string {
  const stamp = createHash('sha256').update(readFileSync(POM)).digest('hex').slice(0, 16)
  const dir = join(ROOT, 'node_modules', '.cache', 'cassandra', stamp)
  if (existsSync(dir)) return dir
  const fresh = `${dir}.${process.pid}`
  const { status, stdout } = spawnSync(
    'mvn',
    ['-q', '-B', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${fresh}`],
    { encoding: 'utf8', env: { ...process.env, MAVEN_OPTS: '-Xmx256m' } },
  )
  if (status !== 0) throw new Error(`Maven cannot fetch Cassandra:\n${stdout.slice(-3000)}`)
  if (existsSync(dir)) rmSync(fresh, { recursive: true })
  else renameSync(fresh, dir)
  return dir
}
