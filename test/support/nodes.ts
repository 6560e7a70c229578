import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatConfigFile } from '../../lib/config/config-file.ts'
import { CORE_PORTS, DAEMON_PORTS } from '../../lib/config/ports.ts'
import { Child } from './child.ts'
import { DOMAIN, PROJECT } from './core.ts'
import { freePortOffset } from './ports.ts'
import { TempDir } from './temp-dir.ts'
import { waitUntil } from './wait.ts'

/** An address each, as on machines of their own. Clients look for the edge on 127.0.0.1. */
const ADDRESSES = {
  bono: '127.0.0.1',
  sprout: '127.0.0.2',
  homestead: '127.0.0.3',
  homer: '127.0.0.4',
  'config-manager': '127.0.0.5',
  'queue-manager': '127.0.0.6',
  'cluster-manager': '127.0.0.10',
  /** A sprout of nothing but application servers. */
  server: '127.0.0.7',
  /** Beside the first one, where they share registrations. */
  'second-sprout': '127.0.0.8',
  /** Beside the first one, where they share subscribers. */
  'second-homestead': '127.0.0.9',
  /** The chronos beside each of these. */
  timers: '127.0.0.2',
  'second-timers': '127.0.0.8',
} as const

type NodeName = keyof typeof ADDRESSES
type Port = keyof typeof CORE_PORTS | keyof typeof DAEMON_PORTS

const SPROUT_HOSTNAME = `sprout.${DOMAIN}`
const HS_HOSTNAME = `hs.${DOMAIN}`
const SERVER_HOSTNAME = `as.${DOMAIN}`

/** What runs on a node. */
function daemonOf(name: NodeName): string {
  if (name === 'timers' || name === 'second-timers') return 'chronos'
  if (name === 'second-homestead') return 'homestead'
  return name === 'server' || name === 'second-sprout' ? 'sprout' : name
}

export interface NodesOptions {
  /** Options of `shared_config` beside the usual ones, by what they are called there. */
  readonly shared?: Readonly<Record<string, string>>
  /** The memcached servers that two sprouts share; absent: there is one, which keeps everything itself. */
  readonly memcached?: readonly string[]
  /** The Cassandra node that two homesteads and homer share; absent: there is one, which keeps everything itself. */
  readonly cassandra?: string
}

/** A core of four processes, or more, each started from the configuration files of its node. */
export class Nodes implements AsyncDisposable {
  readonly #dir: TempDir
  readonly #offset: number
  readonly #memcached: readonly string[] | undefined
  readonly #cassandra: string | undefined
  readonly #children = new Map<NodeName, Child>()
  /** Length of the log when the daemon was booted last. */
  readonly #logBegins = new Map<NodeName, number>()

  private constructor(dir: TempDir, offset: number, { memcached, cassandra }: NodesOptions) {
    this.#dir = dir
    this.#offset = offset
    this.#memcached = memcached
    this.#cassandra = cassandra
  }

  static async start(options: NodesOptions = {}): Promise<Nodes> {
    const { shared = {}, memcached, cassandra } = options
    const nodes = new Nodes(new TempDir('nodes'), await freePortOffset(), options)
    const homesteads = (['homestead', 'second-homestead'] as const).slice(0, cassandra === undefined ? 1 : 2)
    const sharing = (['timers', 'second-timers', 'second-sprout'] as const).filter(
      () => memcached !== undefined,
    )
    try {
      if (memcached !== undefined) nodes.#writeChronosCluster()
      for (const name of ['homer', ...homesteads, ...sharing, 'sprout', 'bono'] as const) {
        nodes.writeFiles(name, shared)
        await nodes.boot(name)
      }
      return nodes
    } catch (error) {
      await nodes[Symbol.asyncDispose]()
      throw error
    }
  }

  port(name: Port): number {
    return { ...CORE_PORTS, ...DAEMON_PORTS }[name] + this.#offset
  }

  address(name: NodeName): string {
    return ADDRESSES[name]
  }

  child(name: NodeName): Child {
    const child = this.#children.get(name)
    if (child === undefined) throw new Error(`${name} was not started`)
    return child
  }

  file(name: NodeName, file: string): string {
    return join(this.#dir.path, name, file)
  }

  /** Writes the node's three files, as a deployment does. */
  writeFiles(name: NodeName, shared: Readonly<Record<string, string>> = {}): void {
    const address = ADDRESSES[name]
    mkdirSync(this.file(name, 'log'), { recursive: true })
    this.#write(name, 'shared_config', {
      home_domain: DOMAIN,
      sprout_hostname: name === 'server' ? SERVER_HOSTNAME : SPROUT_HOSTNAME,
      hs_hostname: `${this.#cassandra === undefined ? ADDRESSES.homestead : HS_HOSTNAME}:${this.port('homestead')}`,
      ...(this.#cassandra === undefined ? {} : { cassandra_hostname: this.#cassandra }),
      xdms_hostname: `${ADDRESSES.homer}:${this.port('homer')}`,
      upstream_port: `${this.port('icscf')}`,
      ...shared,
    })
    this.#write(name, 'local_config', {
      local_ip: address,
      public_ip: address,
      public_hostname: address,
      etcd_cluster: address,
    })
    this.#write(name, 'user_settings', { log_level: '2', log_directory: this.file(name, 'log') })
    const sprouts = [ADDRESSES.sprout, ...(this.#memcached === undefined ? [] : [ADDRESSES['second-sprout']])]
    const names = ['icscf.', 'scscf.', 'bgcf.', ''].map(each => ({
      name: `${each}${SPROUT_HOSTNAME}`,
      records: [{ rrtype: 'A', targets: sprouts }],
    }))
    const homesteads = {
      name: HS_HOSTNAME,
      records: [{ rrtype: 'A', targets: [ADDRESSES.homestead, ADDRESSES['second-homestead']] }],
    }
    const server = {
      name: `mangelwurzel.${SERVER_HOSTNAME}`,
      records: [{ rrtype: 'A', targets: [ADDRESSES.server] }],
    }
    if (this.#memcached !== undefined)
      writeFileSync(this.file(name, 'cluster_settings'), `servers=${this.#memcached.join(',')}\n`)
    writeFileSync(this.file(name, 'dns.json'), JSON.stringify({ hostnames: [...names, homesteads, server] }))
  }

  /** How often a daemon has read its files again since it was booted. */
  timesRead(name: NodeName): number {
    const log = readFileSync(this.#logFile(name), 'utf8')
    const own = log.slice(this.#logBegins.get(name) ?? 0)
    return own.split('the configuration was read again').length - 1
  }

  /** Stops a node and starts it with these settings beside the usual ones. */
  async bootAgain(name: NodeName, shared: Readonly<Record<string, string>>): Promise<void> {
    await this.child(name).stop('SIGTERM')
    this.writeFiles(name, shared)
    await this.boot(name)
  }

  async boot(name: NodeName): Promise<void> {
    const logFile = this.#logFile(name)
    this.#logBegins.set(name, existsSync(logFile) ? readFileSync(logFile, 'utf8').length : 0)
    const child = new Child(join(PROJECT, 'bin', 'cw'), [
      'daemon',
      daemonOf(name),
      '--config',
      this.file(name, '.'),
      '--data-dir',
      this.file(name, 'data'),
      '--port-offset',
      `${this.#offset}`,
    ])
    this.#children.set(name, child)
    await waitUntil(`${name} to be ready`, () => {
      if (child.exit !== undefined) throw new Error(`it ended: ${child.stderr}`)
      return child.stdout.includes('is ready')
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children.values()) await child[Symbol.asyncDispose]()
    this.#dir[Symbol.dispose]()
  }

  #logFile(name: NodeName): string {
    return this.file(name, `log/${daemonOf(name)}.log`)
  }

  /** Beside the folders of nodes, as beside `/etc/clearwater`. */
  #writeChronosCluster(): void {
    const [one, other] = [ADDRESSES.timers, ADDRESSES['second-timers']]
    mkdirSync(join(this.#dir.path, 'chronos'))
    const text = `[cluster]\nlocalhost = ${one}\nnode = ${one}\nnode = ${other}\n`
    writeFileSync(join(this.#dir.path, 'chronos', 'chronos_cluster.conf'), text)
  }

  #write(name: NodeName, file: string, values: Readonly<Record<string, string>>): void {
    writeFileSync(this.file(name, file), formatConfigFile(new Map(Object.entries(values))))
  }
}
