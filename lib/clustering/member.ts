import type { EtcdClient } from '../etcd/client.ts'
import type { WatchOptions } from '../etcd/watch.ts'
import { pause, seconds, type Clock, type Duration } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import {
  clusterStateOf,
  formatClusterView,
  isNormal,
  parseClusterView,
  type ClusterState,
  type ClusterView,
  type NodeState,
} from './states.ts'
import { nextTransition, type Hook, type Transition } from './transition.ts'

/** A store that several nodes have together, as the cluster's changes are told to it. */
export interface ClusteredStore {
  /**
   * Does at this node what a change of the cluster asks for, and returns once it is done. May be called again for what
   * it has done already.
   *
   * @throws what keeps it from it: it is tried again later
   */
  run(hook: Hook, view: ClusterView, signal: AbortSignal): Promise<void>
}

export interface ClusterMemberOptions {
  readonly etcd: Pick<EtcdClient, 'get' | 'put' | 'watchPrefix'>
  /** Where the cluster's view stands. */
  readonly key: string
  /** The node's address. */
  readonly own: string
  readonly store: ClusteredStore
  readonly isWanted: boolean
  /** Leaves also where nodes are in error. */
  readonly isForced?: boolean
  readonly clock: Clock
  readonly log: Log
  /** How long who waits to join or to leave waits for others who want the same. Default 30 s. */
  readonly quiet?: Duration
  readonly onConnection?: OnConnection
}

type OnConnection = NonNullable<WatchOptions['onConnection']>

interface Watching {
  readonly signal: AbortSignal
  readonly onConnection?: OnConnection | undefined
}

/** What a cluster is, and then what becomes of it, until the signal. */
export async function* viewsOf(
  etcd: Pick<EtcdClient, 'watchPrefix'>,
  key: string,
  watching: Watching,
): AsyncGenerator<ClusterView, void> {
  for await (const [view] of viewsWithRevision(etcd, key, watching)) yield view
}

async function* viewsWithRevision(
  etcd: Pick<EtcdClient, 'watchPrefix'>,
  key: string,
  { signal, onConnection }: Watching,
): AsyncGenerator<readonly [ClusterView, number], void> {
  const options = { signal, ...(onConnection === undefined ? {} : { onConnection }) }
  for await (const event of etcd.watchPrefix(key, options)) {
    const items = event.kind === 'snapshot' ? event.items : event.kind === 'put' ? [event.item] : []
    const found = items.find(item => item.key === key)
    // What stands beside it under the same beginning is not it.
    if (found === undefined && event.kind === 'put') continue
    if (event.kind === 'delete' && event.key !== key) continue
    yield [found === undefined ? new Map() : parseClusterView(found.value.toString()), event.revision]
  }
}

const QUIET = seconds(30)
const RETRY_AFTER = seconds(5)
const MOST_TRIES = 50

/**
 * A node's part in the cluster of one store: it joins, goes along with what others do, and leaves when it is not wanted
 * any more (operations.md §4). All nodes go through a change together, each step once all are through the last one; a
 * node that does not get on keeps the others waiting, with the store as it was.
 */
export class ClusterMember {
  readonly #options: ClusterMemberOptions
  #isWanted: boolean
  #isKnown = false
  #view: ClusterView = new Map()
  #revision = 0
  #settled = ''
  #fault: string | undefined
  #changed = Promise.withResolvers<undefined>()

  constructor(options: ClusterMemberOptions) {
    this.#options = options
    this.#isWanted = options.isWanted
  }

  get view(): ClusterView {
    return this.#view
  }

  get state(): ClusterState {
    return clusterStateOf(this.#view)
  }

  get isWanted(): boolean {
    return this.#isWanted
  }

  /** Whether it is not in the cluster, and not meant to be. */
  get isOut(): boolean {
    return this.#isKnown && !this.#isWanted && !this.#view.has(this.#options.own)
  }

  /** Whether it counts as one of the nodes that the store is on. */
  get isPlaced(): boolean {
    const state = this.#view.get(this.#options.own)
    return state !== undefined && (isNormal(state) || state === 'joining, config changed')
  }

  /** Whether the cluster rests, with this node in it, and the store has been told so. */
  get isSettled(): boolean {
    return this.#settled !== '' && this.#settled === formatClusterView(this.#view)
  }

  /** What keeps it from going on. */
  get fault(): string | undefined {
    return this.#fault
  }

  want(isWanted: boolean): void {
    this.#isWanted = isWanted
    this.#wake()
  }

  /** Until the signal. */
  async follow(signal: AbortSignal): Promise<void> {
    await this.#follow(signal, () => false)
  }

  /** Leaves, and returns once it is out, or at the signal. */
  async leave(signal: AbortSignal): Promise<void> {
    this.want(false)
    await this.#follow(signal, () => this.isOut)
  }

  async #follow(signal: AbortSignal, isOver: () => boolean): Promise<void> {
    const stop = new AbortController()
    const both = AbortSignal.any([signal, stop.signal])
    const watching = this.#watch(both)
    both.addEventListener('abort', () => {
      this.#wake()
    })
    while (!signal.aborted && !isOver()) {
      const changed = this.#changed.promise
      if (!this.#isKnown || !(await this.#step(both))) await changed
    }
    stop.abort()
    await watching
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { etcd, key, onConnection } = this.#options
    for await (const [view, revision] of viewsWithRevision(etcd, key, { signal, onConnection }))
      this.#see(view, revision)
  }

  #see(view: ClusterView, revision: number): void {
    // What this node has written itself it knows before it is told.
    if (this.#isKnown && revision < this.#revision) return
    this.#isKnown = true
    this.#view = view
    this.#revision = revision
    this.#wake()
  }

  #wake(): void {
    const { resolve } = this.#changed
    this.#changed = Promise.withResolvers()
    resolve(undefined)
  }

  /** @returns whether there may be more to do; else it is time to wait for a change */
  async #step(signal: AbortSignal): Promise<boolean> {
    const { own, log, clock, isForced } = this.#options
    const view = this.#view
    const wish = { isWanted: this.#isWanted, ...(isForced === undefined ? {} : { isForced }) }
    const transition = nextTransition(view, own, wish)
    try {
      const goesOn = await this.#carryOut(transition, view, signal)
      this.#fault = undefined
      return goesOn
    } catch (error) {
      if (signal.aborted) return true
      const why = error instanceof Error ? error.message : String(error)
      if (why !== this.#fault) log.error('a change of the cluster does not get on here; it is tried again', { cluster: this.state, why }) // prettier-ignore
      this.#fault = why
      await Promise.race([pause(clock, RETRY_AFTER, signal), this.#changed.promise])
      return true
    }
  }

  async #carryOut(transition: Transition, view: ClusterView, signal: AbortSignal): Promise<boolean> {
    const { own, log } = this.#options
    switch (transition.kind) {
      case 'wait':
        return false
      case 'settle': {
        const text = formatClusterView(view)
        if (this.#settled === text) return false
        await this.#run('stable', view, signal)
        this.#settled = text
        return false
      }
      case 'promote':
        return this.#promote(transition, signal)
      case 'vanish':
        await this.#run(transition.hook, view, signal)
        await this.#write(view, others => others.delete(own))
        log.info('this node is not in the cluster any more')
        return true
      case 'become':
        await this.#run(transition.hook, view, signal)
        await this.#write(view, next => next.set(own, transition.state))
        log.info('the cluster changes', { own: transition.state, cluster: this.state })
        return true
    }
  }

  async #run(hook: Hook | undefined, view: ClusterView, signal: AbortSignal): Promise<void> {
    if (hook !== undefined) await this.#options.store.run(hook, view, signal)
    signal.throwIfAborted()
  }

  /** Others may come to the same wish meanwhile: they all go on together. */
  async #promote(
    { from, to }: Extract<Transition, { readonly kind: 'promote' }>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { clock, quiet } = this.#options
    await pause(clock, quiet ?? QUIET, signal)
    signal.throwIfAborted()
    await this.#write(this.#view, next => {
      for (const [address, state] of next) if (state === from) next.set(address, to)
    })
    return true
  }

  /** Changes the view in etcd, unless the cluster has got on without this node: what is to be done then is another thing. */
  async #write(seen: ClusterView, change: (next: Map<string, NodeState>) => void): Promise<void> {
    const { etcd, key, own } = this.#options
    for (let attempt = 0; attempt < MOST_TRIES; attempt++) {
      const found = await etcd.get(key)
      const before =
        found === undefined ? new Map<string, NodeState>() : parseClusterView(found.value.toString())
      const isSame = before.get(own) === seen.get(own) && clusterStateOf(before) === clusterStateOf(seen)
      if (!isSame) {
        this.#see(before, Math.max(this.#revision, found?.revision ?? 0))
        return
      }
      const next = new Map(before)
      change(next)
      const { done, revision } = await etcd.put(key, formatClusterView(next), { ifRevision: found?.revision ?? 0 }) // prettier-ignore
      if (!done) continue
      this.#see(next, revision)
      return
    }
    throw new Error('the state of the cluster changes faster than it can be changed')
  }
}
