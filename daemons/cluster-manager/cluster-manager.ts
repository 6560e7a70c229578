import { existsSync } from 'node:fs'
import { clusteringKey, SPROUT_CLUSTERS, type Cluster } from '../../lib/clustering/clusters.ts'
import { ClusterMember, viewsOf, type ClusteredStore } from '../../lib/clustering/member.ts'
import { Watchdog } from '../../lib/clustering/watchdog.ts'
import type { ClusterView } from '../../lib/clustering/states.ts'
import type { EtcdClient } from '../../lib/etcd/client.ts'
import { startFollower, type Follower, type RunningFollower } from '../../lib/http/follower.ts'
import { text } from '../../lib/http/message.ts'
import { pause, seconds, type Duration } from '../../lib/kit/clock.ts'
import type { Metric } from '../../lib/kit/metric.ts'
import { ChronosFiles } from './chronos-files.ts'
import { MemcachedFiles } from './memcached-files.ts'
import type { StoreNode } from './store-node.ts'

export interface ClusterManagerOptions {
  readonly site: string
  /** The other site, if there is one. */
  readonly remoteSite: string | undefined
  /** Where this node's configuration is. */
  readonly folder: string
  /** `chronos_cluster.conf`. */
  readonly chronosFile: string
  /** Where memcached is on all nodes. */
  readonly memcachedPort: number
  readonly bind: string
  /** 9073; 0 takes a free one. */
  readonly port: number
  /** How long who wants to join or to leave waits for others. Default 30 s. */
  readonly quiet?: Duration
}

export interface ClusterManagerParts extends StoreNode {
  /** Closed by the caller. */
  readonly etcd: EtcdClient
}

export interface RunningClusterManager extends RunningFollower {
  /** These are the clusters that the node is to be in from now on: it joins what is new, and leaves the others. */
  readonly use: (clusters: readonly Cluster[]) => void
}

/**
 * Starts this node's part in the clusters of stores: it joins and leaves them together with the other nodes, writes the
 * files that say who is in them, and has who reads these take them up.
 *
 * Beside the pages of every daemon there are `/placed`, which is 200 while the files on this node say of all clusters
 * who is in them, this node where it is to be, and `/settled`, which is 200 while all clusters rest with this node in those that it is to be in, and in no other.
 *
 * @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED or ADDRESS_NOT_LOCAL
 */
export async function startClusterManager(
  options: ClusterManagerOptions,
  parts: ClusterManagerParts,
  clusters: readonly Cluster[],
): Promise<RunningClusterManager> {
  const manager = new ClusterManager(options, parts, clusters)
  const { bind, port } = options
  const running = await startFollower(manager, {
    ...{ name: 'cluster-manager', log: parts.log, bind, port },
    addRoutes: server => {
      const page = (is: () => boolean) => ({
        GET: () => (is() ? text('yes\n') : { ...text('not yet\n'), status: 503 }),
      })
      server.route(
        '/placed',
        page(() => manager.isPlaced),
      )
      server.route(
        '/settled',
        page(() => manager.isSettled),
      )
    },
  })
  return { ...running, use: next => manager.use(next) }
}

interface StoreFiles extends ClusteredStore {
  readonly file: string
  /** Whether it has been told once of the other site. */
  readonly knowsOther: boolean
  followOther(view: ClusterView): Promise<void>
}

interface Membership {
  readonly cluster: Cluster
  readonly member: ClusterMember
  readonly files: StoreFiles
  readonly watchdog: Watchdog
}

const LOOK_EVERY = seconds(10)

class ClusterManager implements Follower {
  readonly #options: ClusterManagerOptions
  readonly #parts: ClusterManagerParts
  readonly #stop = new AbortController()
  readonly #memberships: readonly Membership[]
  #connected = true

  constructor(options: ClusterManagerOptions, parts: ClusterManagerParts, clusters: readonly Cluster[]) {
    this.#options = options
    this.#parts = parts
    // Of one that it is not to be in it has to know, too: it may have been when it was ended.
    this.#memberships = SPROUT_CLUSTERS.map(cluster =>
      this.#membershipIn(cluster, includes(clusters, cluster)),
    )
  }

  get isWorking(): boolean {
    return !this.#stop.signal.aborted
  }

  get isPlaced(): boolean {
    return this.#memberships.every(({ member, files }) =>
      member.isWanted ? member.isPlaced && files.knowsOther && existsSync(files.file) : member.isOut,
    )
  }

  get isSettled(): boolean {
    return this.#memberships.every(({ member }) => isThere(member))
  }

  use(clusters: readonly Cluster[]): void {
    for (const { cluster, member } of this.#memberships) member.want(includes(clusters, cluster))
  }

  async follow(): Promise<void> {
    const { signal } = this.#stop
    await Promise.all([
      ...this.#memberships.map(({ member }) => member.follow(signal)),
      ...this.#memberships.map(membership => this.#followOther(membership)),
      this.#watch(signal),
    ])
  }

  async close(): Promise<void> {
    this.#stop.abort()
  }

  status(): Readonly<Record<string, unknown>> {
    return {
      site: this.#options.site,
      etcd: this.#connected ? 'connected' : 'unreachable',
      settled: this.isSettled,
      clusters: this.#memberships
        .filter(({ member }) => member.isWanted || !member.isOut)
        .map(({ cluster, member }) => ({
          ...cluster,
          isWanted: member.isWanted,
          state: member.state,
          nodes: Object.fromEntries(member.view),
          ...(member.fault === undefined ? {} : { fault: member.fault }),
        })),
    }
  }

  metrics(): readonly Metric[] {
    const wanted = this.#memberships.filter(({ member }) => member.isWanted || !member.isOut)
    const gauge = (name: string, help: string, value: (membership: Membership) => number): Metric => ({
      name: `clearwater_cluster_${name}`,
      ...{ help, type: 'gauge' },
      samples: wanted.map(each => ({ labels: { ...each.cluster }, value: value(each) })),
    })
    return [
      gauge(
        'settled',
        'Whether the cluster rests, and this node is in it as it is meant to be.',
        ({ member }) => Number(isThere(member)),
      ),
      gauge('stuck', 'Whether it has not got there for a quarter of an hour.', ({ watchdog }) =>
        Number(watchdog.isStuck),
      ),
      gauge('nodes', 'Nodes in the cluster, whatever their state.', ({ member }) => member.view.size),
    ]
  }

  #membershipIn(cluster: Cluster, isWanted: boolean): Membership {
    const { site, remoteSite, folder, chronosFile, memcachedPort, quiet } = this.#options
    const { etcd, own, clock } = this.#parts
    const files =
      cluster.store === 'memcached'
        ? new MemcachedFiles(this.#parts, folder, memcachedPort)
        : new ChronosFiles(this.#parts, chronosFile, { own: site, other: remoteSite })
    const member = new ClusterMember({
      ...{ etcd, own, clock, isWanted, store: files, key: clusteringKey(site, cluster) },
      log: this.#parts.log.with({ cluster: `${cluster.type} ${cluster.store}` }),
      ...(quiet === undefined ? {} : { quiet }),
      onConnection: (connected, reason) => this.#tell(connected, reason),
    })
    return { cluster, member, files, watchdog: new Watchdog(clock) }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts
    while (!signal.aborted) {
      for (const { cluster, member, watchdog } of this.#memberships) {
        const about = { cluster: `${cluster.type} ${cluster.store}`, state: member.state }
        const found = watchdog.look(isThere(member))
        if (found === 'stuck')
          log.error('this node has not got where it is to be for a quarter of an hour: cw cluster show says whom that waits for', about) // prettier-ignore
        else if (found === 'well') log.info('this node is where it is to be again', about)
      }
      await pause(clock, LOOK_EVERY, signal)
    }
  }

  #tell(connected: boolean, reason: string): void {
    if (this.#connected === connected) return
    this.#connected = connected
    const { log } = this.#parts
    if (connected) log.info('etcd answers again')
    else log.warn('etcd does not answer; nobody joins or leaves meanwhile', { reason })
  }

  /** Whoever shares a store here tells the other site, too, as long as there is somebody there. */
  async #followOther({ cluster, files }: Membership): Promise<void> {
    const { remoteSite } = this.#options
    const { etcd } = this.#parts
    const { signal } = this.#stop
    if (remoteSite === undefined) return this.#persistently(() => files.followOther(new Map()))
    for await (const view of viewsOf(etcd, clusteringKey(remoteSite, cluster), { signal }))
      await this.#persistently(() => files.followOther(view))
  }

  async #persistently(act: () => Promise<void>): Promise<void> {
    const { log, clock } = this.#parts
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        return await act()
      } catch (error) {
        log.error('what the other site has cannot be written down; it is tried again', { error })
        await pause(clock, RETRY_AFTER, signal)
      }
    }
  }
}

/** Whether a node is in a cluster, or out of it, as it is meant to be, with nothing left to be done. */
function isThere(member: ClusterMember): boolean {
  return member.isWanted ? member.isSettled : member.isOut
}

const RETRY_AFTER = seconds(5)

function includes(clusters: readonly Cluster[], { type, store }: Cluster): boolean {
  return clusters.some(each => each.type === type && each.store === store)
}
