import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startAstaire, type RunningAstaire } from '../../daemons/astaire/astaire.ts'
import { parseChronosCluster } from '../../daemons/chronos/cluster.ts'
import { startChronos, type RunningChronos } from '../../daemons/chronos/chronos.ts'
import {
  startClusterManager,
  type RunningClusterManager,
} from '../../daemons/cluster-manager/cluster-manager.ts'
import { forgetInClusters, membershipsOf } from '../../cli/operations/cluster/forget.ts'
import { readClusters } from '../../cli/operations/cluster/read.ts'
import type { Deployment } from '../../lib/config/deployment/deployment.ts'
import { clusteringKey, SPROUT_CLUSTERS } from '../../lib/clustering/clusters.ts'
import type { EtcdClient } from '../../lib/etcd/client.ts'
import { millis, seconds, TimerWheel } from '../../lib/kit/clock.ts'
import { Graylist } from '../../lib/kit/graylist.ts'
import { noLog } from '../../lib/kit/log.ts'
import { MemcachedCluster } from '../../lib/store/memcached/cluster.ts'
import { parseClusterSettings } from '../../lib/store/memcached/cluster-settings.ts'
import { MemcachedRegistrationStore } from '../../lib/store/memcached/registrations.ts'
import { recordUntil } from '../../lib/store/contract/registration-store.ts'
import { statusByHttp } from '../../lib/http/daemon-status.ts'
import { Child } from '../support/child.ts'
import { EtcdCluster } from '../support/etcd.ts'
import { freePort } from '../support/ports.ts'
import { TempDir } from '../support/temp-dir.ts'
import { waitUntil } from '../support/wait.ts'

const QUIET = millis(200)
const SITE = 'site1'

/** A node of those that share registrations: its memcached, its astaire and chronos, and who keeps them in clusters. */
class SharingNode implements AsyncDisposable {
  readonly address: string
  readonly #etcd: EtcdClient
  readonly #ports: { readonly memcached: number; readonly chronos: number }
  readonly #dir: TempDir
  readonly #clock = new TimerWheel(error => expect.fail(String(error)))
  #memcached: Child | undefined
  #astaire: RunningAstaire | undefined
  #chronos: RunningChronos | undefined
  #manager: RunningClusterManager | undefined
  /** What a sprout of this node works with. */
  #cluster: MemcachedCluster | undefined

  constructor(
    address: string,
    etcd: EtcdClient,
    ports: { readonly memcached: number; readonly chronos: number },
  ) {
    this.address = address
    this.#etcd = etcd
    this.#ports = ports
    this.#dir = new TempDir('clustering')
    mkdirSync(join(this.#dir.path, 'etc'))
    mkdirSync(join(this.#dir.path, 'chronos'))
  }

  get store(): MemcachedRegistrationStore {
    if (this.#cluster === undefined) throw new Error(`${this.address} has no store yet`)
    return new MemcachedRegistrationStore({
      cluster: this.#cluster,
      clock: this.#clock,
      onForeign: () => undefined,
    })
  }

  get chronosOrigin(): string {
    return `http://${this.address}:${this.#ports.chronos}`
  }

  get timers(): number {
    return Number(this.#chronos?.status().timers ?? 0)
  }

  /** As a deployment does: memcached and the manager first; who reads its files once they are there. */
  async start(isWanted = true): Promise<void> {
    const { memcached } = this.#ports
    const { address } = this
    this.#memcached = new Child('memcached', ['-l', address, '-p', `${memcached}`, '-U', '0', '-u', 'nobody'])
    this.#manager = await startClusterManager(
      {
        ...{
          site: SITE,
          remoteSite: undefined,
          quiet: QUIET,
          memcachedPort: memcached,
          bind: address,
          port: 0,
        },
        folder: join(this.#dir.path, 'etc'),
        chronosFile: this.#chronosFile,
      },
      {
        ...{ own: address, etcd: this.#etcd, clock: this.#clock, log: noLog },
        units: {
          reload: daemon => this.#reload(daemon),
          isActive: async daemon => (daemon === 'chronos' ? this.#chronos : this.#astaire) !== undefined,
        },
        ask: async daemon =>
          daemon === 'chronos'
            ? this.#chronos?.status()
            : await statusByHttp({ astaire: `http://${address}:${this.#astaire?.port ?? 0}` })(daemon),
      },
      isWanted ? SPROUT_CLUSTERS : [],
    )
    await waitUntil(`${address} to be placed`, () => this.is('placed'))
    if (!isWanted) return
    this.#cluster = new MemcachedCluster({ view: this.#memcachedView(), clock: this.#clock })
    this.#astaire = await startAstaire(
      { local: `${address}:${memcached}`, bind: address, port: 0, clock: this.#clock, log: noLog },
      { view: this.#memcachedView(), cpuLimit: 100 },
    )
    const servers = {
      lookup: async () => [address],
      graylist: new Graylist({ clock: this.#clock, blackFor: seconds(1) }),
    }
    this.#chronos = await startChronos({
      ...{ bind: address, port: this.#ports.chronos, clock: this.#clock, log: noLog, servers },
      view: parseChronosCluster(readFileSync(this.#chronosFile, 'utf8'), 'chronos_cluster.conf'),
    })
  }

  leave(): void {
    this.#manager?.use([])
  }

  async is(page: 'placed' | 'settled'): Promise<boolean> {
    return (await fetch(`http://${this.address}:${this.#manager?.port ?? 0}/${page}`)).status === 200
  }

  async status(): Promise<{
    readonly clusters: readonly { readonly state: string; readonly fault?: string }[]
  }> {
    const page = await fetch(`http://${this.address}:${this.#manager?.port ?? 0}/status`)
    return (await page.json()) as never
  }

  /** Whether its memcached has all that it is to have. */
  async isFilled(): Promise<boolean> {
    const ask = statusByHttp({ astaire: `http://${this.address}:${this.#astaire?.port ?? 0}` })
    return (await ask('astaire'))?.state === 'synchronised'
  }

  hasFile(name: string): boolean {
    return readdirSync(join(this.#dir.path, 'etc')).includes(name)
  }

  /** As if its power was lost. */
  async kill(): Promise<void> {
    await this.#memcached?.stop('SIGKILL')
    await this.#manager?.close()
    await this.#astaire?.close()
    await this.#chronos?.close()
    this.#memcached = this.#manager = this.#astaire = this.#chronos = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    this.#cluster?.close()
    this.#clock.close()
    this.#dir[Symbol.dispose]()
  }

  get #chronosFile(): string {
    return join(this.#dir.path, 'chronos', 'chronos_cluster.conf')
  }

  #memcachedView(): ReturnType<typeof parseClusterSettings> {
    return parseClusterSettings(
      readFileSync(join(this.#dir.path, 'etc', 'cluster_settings'), 'utf8'),
      'cluster_settings',
    )
  }

  async #reload(daemon: string): Promise<void> {
    if (daemon === 'astaire') this.#astaire?.use({ view: this.#memcachedView(), cpuLimit: 100 })
    else if (daemon === 'sprout') this.#cluster?.follow(this.#memcachedView())
    else
      this.#chronos?.follow(
        parseChronosCluster(readFileSync(this.#chronosFile, 'utf8'), 'chronos_cluster.conf'),
      )
  }
}

describe('nodes that share registrations and timers', () => {
  let members: EtcdCluster
  let etcd: EtcdClient
  beforeAll(async () => {
    members = await EtcdCluster.start({ members: 1 })
    etcd = members.client()
  })
  afterAll(async () => {
    await etcd.close()
    await members[Symbol.asyncDispose]()
  })

  /** A cluster of its own in etcd: so many nodes, of which the first ones are in it. */
  async function nodesOf(count: number, normal: number): Promise<readonly [SharingNode, ...SharingNode[]]> {
    const ports = { memcached: await freePort(), chronos: await freePort() }
    const nodes = Array.from(
      { length: count },
      (_, index) => new SharingNode(`127.0.2.${index + 1}`, etcd, ports),
    )
    for (const node of nodes) onTestFinished(() => node[Symbol.asyncDispose]())
    const seed = Object.fromEntries(nodes.slice(0, normal).map(({ address }) => [address, 'normal']))
    for (const cluster of SPROUT_CLUSTERS) await etcd.put(clusteringKey(SITE, cluster), JSON.stringify(seed))
    await Promise.all(nodes.slice(0, normal).map(node => node.start()))
    return nodes as never
  }

  async function register(node: SharingNode, count: number): Promise<readonly string[]> {
    const impus = Array.from({ length: count }, (_, index) => `sip:user${index}@example.com`)
    await Promise.all(impus.map(impu => node.store.put(impu, recordUntil(Date.now() + 600_000), undefined)))
    return impus
  }

  /** Whom this node does not find. */
  async function missing(node: SharingNode, impus: readonly string[]): Promise<readonly string[]> {
    const { store } = node
    const found = await Promise.all(
      impus.map(async impu => ((await store.get(impu)) === undefined ? [impu] : [])),
    )
    return found.flat()
  }

  async function setTimers({ chronosOrigin }: SharingNode, count: number): Promise<void> {
    const body = JSON.stringify({
      timing: { interval: 600, 'repeat-for': 600 },
      callback: { http: { uri: 'http://127.0.0.1:9/never', opaque: '' } },
      reliability: { 'replication-factor': 2 },
    })
    for (let index = 0; index < count; index++)
      expect((await fetch(`${chronosOrigin}/timers`, { method: 'POST', body })).status).toBe(200)
  }

  const settled = (...nodes: readonly SharingNode[]): Promise<unknown> =>
    waitUntil(
      'the clusters to rest',
      async () => (await Promise.all(nodes.map(node => node.is('settled')))).every(Boolean),
      30_000,
    )

  /** Does something, and meanwhile looks for all users again and again. @returns whom somebody once did not find */
  async function whileReading(
    node: SharingNode,
    impus: readonly string[],
    act: () => Promise<unknown>,
  ): Promise<readonly string[]> {
    const lost = new Set<string>()
    const over = new AbortController()
    const reading = (async () => {
      while (!over.signal.aborted) for (const impu of await missing(node, impus)) lost.add(impu)
    })()
    await act()
    over.abort()
    await reading
    return [...lost]
  }

  test('one that comes is filled before it counts, and one that goes gives all away: nobody is forgotten', async () => {
    const [first, second, third] = await nodesOf(3, 2)
    if (second === undefined || third === undefined) throw new Error('no nodes')
    await settled(first, second)
    const impus = await register(first, 300)
    await setTimers(first, 50)

    const lostByJoining = await whileReading(second, impus, async () => {
      await third.start()
      await settled(first, second, third)
    })

    expect(lostByJoining).toEqual([])
    expect(await missing(third, impus)).toEqual([])
    expect(first.timers + second.timers + third.timers).toBe(100)

    const lostByLeaving = await whileReading(second, impus, async () => {
      first.leave()
      await settled(first, second, third)
    })
    await first.kill()

    expect(lostByLeaving).toEqual([])
    expect(first.hasFile('cluster_settings')).toBe(false)
    expect(await missing(third, impus)).toEqual([])
    expect(second.timers + third.timers).toBe(100)
  })

  test('several that come together join together', async () => {
    const [first, ...others] = await nodesOf(3, 1)
    await settled(first)
    const impus = await register(first, 100)

    await Promise.all(others.map(node => node.start()))
    await settled(first, ...others)
    await first.kill()

    for (const node of others) expect(await missing(node, impus)).toEqual([])
  })

  test('a node that dies in the middle keeps the others waiting, with all they have, until it is forgotten', async () => {
    const [first, second, third] = await nodesOf(3, 2)
    if (second === undefined || third === undefined) throw new Error('no nodes')
    await settled(first, second)
    const impus = await register(first, 100)
    await waitUntil('the first to be filled', () => first.isFilled())
    await second.kill()
    const joining = third.start()
    await waitUntil('it to join', async () =>
      (await first.status()).clusters.every(({ state }) => state === 'started joining'),
    )
    expect(await missing(first, impus)).toEqual([])

    const deployment = { nodes: [{ name: 'sprout-2', address: second.address }] } as unknown as Deployment
    const { address, clusters } = await waitUntil('all but one to have come so far', async () => {
      const found = await membershipsOf(etcd, deployment, 'sprout-2')
      return found.clusters.every(({ waitsFor }) => waitsFor.join() === 'sprout-2') ? found : undefined
    })
    expect(clusters.map(({ type, store }) => `${type} ${store}`)).toEqual([
      'sprout chronos',
      'sprout memcached',
    ])
    const clock = new TimerWheel(error => expect.fail(String(error)))
    onTestFinished(() => clock.close())
    await forgetInClusters({
      ...{ etcd, address, clusters, clock, quiet: QUIET, signal: AbortSignal.timeout(30_000) },
      onCluster: () => undefined,
    })

    await joining
    await settled(first, third)
    const left = await readClusters(etcd, deployment)
    expect(left.map(({ nodes, state }) => ({ state, nodes: nodes.map(each => each.address) }))).toEqual([
      { state: 'stable', nodes: [first.address, third.address] },
      { state: 'stable', nodes: [first.address, third.address] },
    ])
    await expect(membershipsOf(etcd, deployment, 'sprout-2')).rejects.toMatchObject({ code: 'USAGE' })
    expect(await missing(third, impus)).toEqual([])
  })

  test('a manager that is killed goes on where it was, and leaves what it is not to be in any more', async () => {
    const [first, second] = await nodesOf(2, 2)
    if (second === undefined) throw new Error('no nodes')
    await settled(first, second)
    await second.kill()

    await second.start(false)

    await settled(first, second)
    expect(second.hasFile('cluster_settings')).toBe(false)
  })
})
