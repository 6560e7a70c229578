import { writeFileSync } from 'node:fs'
import { Agent, request } from 'undici'
import { Authority } from '../../cli/fleet/certificates/authority.ts'
import { EtcdClient, type EtcdOptions } from '../../lib/etcd/client.ts'
import { MEMBER_NAME, tlsConnector, type EtcdCredentials } from '../../lib/etcd/credentials.ts'
import { Child } from './child.ts'
import { freePort } from './ports.ts'
import { TempDir } from './temp-dir.ts'
import { waitUntil } from './wait.ts'

interface Member {
  readonly name: string
  readonly origin: string
  /** Where it tells how it is, to anybody. */
  readonly health: string
  readonly args: readonly string[]
  child: Child | undefined
}

export interface EtcdClusterOptions {
  readonly members: number
}

/**
 * Real etcd members on loopback, each a process that can be killed, frozen and started again. As in a deployment, they
 * speak TLS with those only who have a certificate of their authority.
 */
export class EtcdCluster implements AsyncDisposable {
  readonly authority = Authority.found('test')
  readonly credentials: EtcdCredentials = {
    authority: this.authority.certificate,
    client: this.authority.issue({ commonName: 'test', hosts: [] }),
  }
  readonly #dir = new TempDir('etcd')
  readonly #members: Member[] = []

  /** Returns once the cluster takes writes. */
  static async start(options: EtcdClusterOptions): Promise<EtcdCluster> {
    const cluster = new EtcdCluster()
    cluster.#writeCertificates()
    const places: Place[] = []
    for (let index = 0; index < options.members; index++) {
      places.push(await placeOf(`m${index}`, await unusedPort()))
    }
    const initial = places.map(({ name, peer }) => `${name}=${peer}`).join(',')
    for (const place of places) {
      const { name, client: origin, health } = place
      cluster.#members.push({ name, origin, health, child: undefined, args: cluster.#args(place, initial) })
    }
    cluster.#members.forEach((_, index) => cluster.run(index))
    await cluster.serves()
    return cluster
  }

  get origins(): readonly string[] {
    return this.#members.map(member => member.origin)
  }

  /** A client that shows a certificate of the members' authority. */
  client(options: Omit<Partial<EtcdOptions>, 'credentials'> = {}): EtcdClient {
    const { credentials, origins } = this
    return new EtcdClient({ origins, ...options, credentials: () => Promise.resolve(credentials) })
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
    const place = await placeOf(`m${this.#members.length}`, peerPort)
    const { name, client: origin, peer, health } = place
    const others = this.#members.map(each => `${each.name}=${peerUrlOf(each)}`)
    const args = this.#args(place, [...others, `${name}=${peer}`].join(','), 'existing')
    this.#members.push({ name, origin, health, args, child: new Child('etcd', args) })
    return origin
  }

  /** Waits until the members given, else all, say that they can serve. */
  async serves(indexes: readonly number[] = this.#members.map((_, index) => index)): Promise<void> {
    for (const index of indexes) {
      const { health, child } = this.#member(index)
      await waitUntil(
        `etcd at ${health}: ${child?.stderr.slice(-500) ?? 'not started'}`,
        async () => {
          const response = await fetch(`${health}/health`, { signal: AbortSignal.timeout(2000) })
          return ((await response.json()) as { health: string }).health === 'true'
        },
        30_000,
      )
    }
  }

  /** Forgets all revisions before the present one. */
  async compact(index = 0): Promise<void> {
    const { origin } = this.#member(index)
    const status = await this.post(`${origin}/v3/maintenance/status`, {})
    const { revision } = status.header as { revision: string }
    await this.post(`${origin}/v3/kv/compaction`, { revision, physical: true })
  }

  /** What a client would not ask for. */
  async post(url: string, body: unknown): Promise<Record<string, unknown>> {
    const connect = tlsConnector(() => Promise.resolve(this.credentials), 2000)
    const dispatcher = new Agent({ connect })
    const response = await request(url, { method: 'POST', body: JSON.stringify(body), dispatcher })
    const answer = (await response.body.json()) as Record<string, unknown>
    await dispatcher.close()
    return answer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#members) await child?.[Symbol.asyncDispose]()
    this.#dir[Symbol.dispose]()
  }

  #writeCertificates(): void {
    const hosts = [MEMBER_NAME, '127.0.0.1']
    const files = {
      'authority.crt': this.authority.certificate,
      'etcd.pem': this.authority.issue({ commonName: MEMBER_NAME, hosts }),
    }
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(this.#dir.file(name), text, { mode: 0o600 })
    }
  }

  #args({ name, client, peer, health }: Place, initial: string, state = 'new'): readonly string[] {
    const [own, authority] = [this.#dir.file('etcd.pem'), this.#dir.file('authority.crt')]
    return [
      ...['--name', name, '--data-dir', this.#dir.file(name)],
      ...['--cert-file', own, '--key-file', own, '--client-cert-auth', '--trusted-ca-file', authority],
      ...['--peer-cert-file', own, '--peer-key-file', own, '--peer-client-cert-auth'],
      ...['--peer-trusted-ca-file', authority, '--peer-cert-allowed-cn', MEMBER_NAME],
      ...['--listen-metrics-urls', health],
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

interface Place {
  readonly name: string
  readonly client: string
  readonly peer: string
  readonly health: string
}

async function placeOf(name: string, peerPort: number): Promise<Place> {
  const [client, health] = [await unusedPort(), await unusedPort()]
  return {
    name,
    client: `https://127.0.0.1:${client}`,
    peer: `https://127.0.0.1:${peerPort}`,
    health: `http://127.0.0.1:${health}`,
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
