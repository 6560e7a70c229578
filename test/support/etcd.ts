import { Child } from './child.ts'
import { freePort } from './ports.ts'
import { TempDir } from './temp-dir.ts'
import { waitUntil } from './wait.ts'

interface Member {
  readonly name: string
  readonly origin: string
  readonly args: readonly string[]
  child: Child | undefined
}

export interface EtcdClusterOptions {
  readonly members: number
}

/** Real etcd members on loopback, each a process that can be killed, frozen and started again. */
export class EtcdCluster implements AsyncDisposable {
  readonly #dir = new TempDir('etcd')
  readonly #members: Member[] = []

  /** Returns once the cluster takes writes. */
  static async start(options: EtcdClusterOptions): Promise<EtcdCluster> {
    const cluster = new EtcdCluster()
    const addresses: { name: string; client: string; peer: string }[] = []
    for (let index = 0; index < options.members; index++) {
      const ports = await Promise.all([unusedPort(), unusedPort()])
      const [client, peer] = ports.map(port => `http://127.0.0.1:${port}`)
      addresses.push({ name: `m${index}`, client: client ?? '', peer: peer ?? '' })
    }
    const initial = addresses.map(({ name, peer }) => `${name}=${peer}`).join(',')
    for (const { name, client, peer } of addresses) {
      cluster.#members.push({
        name,
        origin: client,
        child: undefined,
        args: cluster.#args(name, client, peer, initial),
      })
    }
    cluster.#members.forEach((_, index) => cluster.run(index))
    await cluster.serves()
    return cluster
  }

  get origins(): readonly string[] {
    return this.#members.map(member => member.origin)
  }

  /** Starts a member that does not run, on the data it has. */
  run(index: number): void {
    const member = this.#member(index)
    member.child = new Child('etcd', member.args)
  }

  async kill(index: number): Promise<void> {
    await this.#member(index).child?.stop('SIGKILL')
    this.#member(index).child = undefined
  }

  freeze(index: number): void {
    this.#member(index).child?.signal('SIGSTOP')
  }

  thaw(index: number): void {
    this.#member(index).child?.signal('SIGCONT')
  }

  /** Adds one more process with the given list of members; the caller has announced it to the cluster. */
  async join(peerPort: number): Promise<string> {
    const [client, peer] = [`http://127.0.0.1:${await unusedPort()}`, `http://127.0.0.1:${peerPort}`]
    const name = `m${this.#members.length}`
    const others = this.#members.map(each => `${each.name}=${peerUrlOf(each)}`)
    const args = this.#args(name, client, peer, [...others, `${name}=${peer}`].join(','), 'existing')
    this.#members.push({ name, origin: client, args, child: new Child('etcd', args) })
    return client
  }

  /** Waits until the members given, else all, say that they can serve. */
  async serves(indexes: readonly number[] = this.#members.map((_, index) => index)): Promise<void> {
    for (const index of indexes) {
      const { origin, child } = this.#member(index)
      await waitUntil(
        `etcd at ${origin}: ${child?.stderr.slice(-500) ?? 'not started'}`,
        async () => {
          const response = await fetch(`${origin}/health`, { signal: AbortSignal.timeout(2000) })
          return ((await response.json()) as { health: string }).health === 'true'
        },
        30_000,
      )
    }
  }

  /** Forgets all revisions before the present one. */
  async compact(index = 0): Promise<void> {
    const { origin } = this.#member(index)
    const status = await this.#post(`${origin}/v3/maintenance/status`, {})
    const { revision } = status.header as { revision: string }
    await this.#post(`${origin}/v3/kv/compaction`, { revision, physical: true })
  }

  async #post(url: string, body: unknown): Promise<Record<string, unknown>> {
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
    return (await response.json()) as Record<string, unknown>
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#members) await child?.[Symbol.asyncDispose]()
    this.#dir[Symbol.dispose]()
  }

  #args(name: string, client: string, peer: string, initial: string, state = 'new'): readonly string[] {
    return [
      ...['--name', name, '--data-dir', this.#dir.file(name)],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', initial, '--initial-cluster-state', state],
      // Several members and the tests share two processors.
      ...['--heartbeat-interval', '100', '--election-timeout', '1000'],
    ]
  }

  #member(index: number): Member {
    const member = this.#members[index]
    if (member === undefined) throw new Error(`there is no etcd member ${index}`)
    return member
  }
}

function peerUrlOf(member: Member): string {
  return member.args[member.args.indexOf('--listen-peer-urls') + 1] ?? ''
}

const taken = new Set<number>()

/** A free port that was not handed out before: between the question and the use another question may come. */
async function unusedPort(): Promise<number> {
  for (;;) {
    const port = await freePort()
    if (taken.has(port)) continue
    taken.add(port)
    return port
  }
}
