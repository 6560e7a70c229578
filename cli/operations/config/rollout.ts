import type { SharedFileName } from '../../../lib/config/shared-file.ts'
import type { EtcdClient } from '../../../lib/etcd/client.ts'
import { nodeReportPrefix, restartQueueKey } from '../../../lib/etcd/layout.ts'
import { parseNodeReport, type NodeReport } from '../../../lib/etcd/node-report.ts'
import { EMPTY_QUEUE, parseRestartQueue, type RestartQueue } from '../../../lib/etcd/restart-queue.ts'
import type { DeploymentNode } from '../../../lib/config/deployment/deployment.ts'

export interface RolloutOptions {
  /** Who is to have the change. */
  readonly nodes: readonly Pick<DeploymentNode, 'name' | 'address' | 'site'>[]
  readonly files: readonly { readonly site: string; readonly file: SharedFileName }[]
  /** Names of the nodes whose daemons restart for it. */
  readonly restarting: ReadonlySet<string>
  /** Of the change. */
  readonly revision: number
  readonly deadlineMs: number
  readonly signal: AbortSignal
  /** Told whenever a node's state changes. */
  readonly onNode?: (node: string, state: NodeState) => void
}

/** How far a node is with a change. */
export type NodeState =
  | { readonly kind: 'done' }
  /** Nothing is known of it: it is down, or its config-manager is. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'behind' }
  /** `behind`: whom it waits for, by name where that is known. */
  | { readonly kind: 'waiting'; readonly behind: string }
  | { readonly kind: 'restarting' }
  | { readonly kind: 'failed'; readonly why: string }

export interface Rollout {
  readonly ended: 'done' | 'failed' | 'deadline' | 'interrupted'
  readonly nodes: ReadonlyMap<string, NodeState>
}

const ASK_EVERY_MS = 500
const MOST_FAILURES = 20

/** Waits until every node has a change and is healthy with it, one of them failed, or time is up. */
export async function waitForRollout(etcd: EtcdClient, options: RolloutOptions): Promise<Rollout> {
  const { signal } = options
  const sites = [...new Set(options.files.map(file => file.site))]
  const concerned = options.nodes.filter(node => sites.includes(node.site))
  const end = performance.now() + options.deadlineMs
  const told = new Map<string, string>()
  let nodes: ReadonlyMap<string, NodeState> = new Map(concerned.map(node => [node.name, { kind: 'silent' }]))
  let failures = 0
  for (;;) {
    try {
      nodes = await statesOf(etcd, sites, concerned, options)
      failures = 0
    } catch (error) {
      // An election, or a member that went away: the change is made, and goes on all the same.
      if (++failures > MOST_FAILURES) throw error
    }
    for (const [node, state] of nodes) {
      const text = JSON.stringify(state)
      if (told.get(node) !== text) options.onNode?.(node, state)
      told.set(node, text)
    }
    const states = [...nodes.values()]
    if (states.some(state => state.kind === 'failed')) return { ended: 'failed', nodes }
    if (states.every(state => state.kind === 'done')) return { ended: 'done', nodes }
    if (signal.aborted) return { ended: 'interrupted', nodes }
    if (performance.now() > end) return { ended: 'deadline', nodes }
    await pause(ASK_EVERY_MS, signal)
  }
}

async function statesOf(
  etcd: EtcdClient,
  sites: readonly string[],
  nodes: RolloutOptions['nodes'],
  options: RolloutOptions,
): Promise<ReadonlyMap<string, NodeState>> {
  const states = new Map<string, NodeState>()
  for (const site of sites) {
    const reports = await readReports(etcd, site)
    // After the reports: a node puts itself into the queue before it says that it has a file.
    const queue = await readQueue(etcd, site)
    const nameOf = (id: string): string =>
      nodes.find(node => reports.get(node.address)?.queueId === id)?.name ?? id
    for (const node of nodes.filter(each => each.site === site)) {
      const state = stateOf(reports.get(node.address), queue, { ...options, ...node })
      states.set(node.name, state.kind === 'waiting' ? { ...state, behind: nameOf(state.behind) } : state)
    }
  }
  return states
}

/** How far one node is, from what it says and from the queue of restarts. */
export function stateOf(
  report: NodeReport | undefined,
  queue: RestartQueue,
  change: Pick<RolloutOptions, 'files' | 'revision' | 'restarting'> & {
    readonly name: string
    readonly site: string
  },
): NodeState {
  const { files, revision, name, site } = change
  if (report === undefined) return { kind: 'silent' }
  for (const { file } of files.filter(each => each.site === site)) {
    const found = report.files[file]
    const refused = found?.refused
    if (refused !== undefined && refused.revision >= revision) {
      return { kind: 'failed', why: `${file} is refused: ${refused.faults.join('; ')}` }
    }
    if ((found?.revision ?? 0) < revision) return { kind: 'behind' }
  }
  const [fault] = report.faults
  if (fault !== undefined) return { kind: 'failed', why: fault }
  const [front] = queue.queued
  const place = queue.queued.find(entry => entry.id === report.queueId)
  if (place !== undefined) {
    return place === front || front === undefined
      ? { kind: 'restarting' }
      : { kind: 'waiting', behind: front.id }
  }
  const errored = queue.errored.find(entry => entry.id === report.queueId)
  // What failed at an earlier change is no failure of this one.
  if (errored === undefined || !change.restarting.has(name)) return { kind: 'done' }
  const why = errored.status === 'FAILURE' ? 'not healthy after its restart' : 'did not restart in time'
  return { kind: 'failed', why }
}

export async function readReports(
  etcd: Pick<EtcdClient, 'getPrefix'>,
  site: string,
): Promise<ReadonlyMap<string, NodeReport>> {
  const prefix = nodeReportPrefix(site)
  const { items } = await etcd.getPrefix(prefix)
  return new Map(
    items.flatMap(({ key, value }) => {
      const report = parseNodeReport(value.toString())
      return report === undefined ? [] : [[key.slice(prefix.length), report]]
    }),
  )
}

export async function readQueue(etcd: Pick<EtcdClient, 'get'>, site: string): Promise<RestartQueue> {
  const found = await etcd.get(restartQueueKey(site))
  return found === undefined ? EMPTY_QUEUE : parseRestartQueue(found.value.toString())
}

/** Ends early, and quietly, where the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}
