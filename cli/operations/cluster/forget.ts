import { unitOf } from '../../../lib/config/deployment/daemons.ts'
import type { Deployment } from '../../../lib/config/deployment/deployment.ts'
import { forgetNode } from '../../../lib/clustering/forget.ts'
import type { EtcdClient } from '../../../lib/etcd/client.ts'
import type { Clock, Duration } from '../../../lib/kit/clock.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { noLog } from '../../../lib/kit/log.ts'
import { operator } from '../../fleet/lock.ts'
import type { NodeShell } from '../../fleet/ssh/shell.ts'
import { readClusters, type ClusterReport } from './read.ts'

/**
 * The clusters that a node is in.
 *
 * @param nodeOrAddress a name of the deployment file, or the address of a node that is not in it any more
 * @throws CwError USAGE if no cluster knows such a node
 */
export async function membershipsOf(
  etcd: Pick<EtcdClient, 'getPrefix'>,
  deployment: Deployment,
  nodeOrAddress: string,
): Promise<{ readonly address: string; readonly clusters: readonly ClusterReport[] }> {
  const all = await readClusters(etcd, deployment)
  const named = deployment.nodes.find(node => node.name === nodeOrAddress)?.address ?? nodeOrAddress
  const clusters = all.filter(({ nodes }) => nodes.some(({ address }) => address === named))
  if (clusters.length > 0) return { address: named, clusters }
  const known = [...new Set(all.flatMap(({ nodes }) => nodes.map(({ name }) => name)))]
  throw new CwError('USAGE', `no cluster of a store has a node ${nodeOrAddress}`, {
    why: known.length === 0 ? 'there is no cluster' : `their nodes are ${known.join(', ')}`,
    changed: 'nothing',
    remedies: ['see who is in them: cw cluster show'],
  })
}

/** Nobody is there. Whoever does not let us in may well be at work. */
const SILENT: ReadonlySet<string> = new Set(['NODE_UNREACHABLE', 'COMMAND_DEADLINE'])

/** @throws CwError NODE_ALIVE if its cluster-manager is at work: it would join again at once */
export async function requireDead(shell: NodeShell, node: string): Promise<void> {
  const unit = unitOf('cluster-manager')
  const active = await shell
    .run(['systemctl', 'is-active', '--quiet', unit], { idempotent: true, deadlineMs: 15_000 })
    .catch((error: unknown) => {
      if (error instanceof CwError && SILENT.has(error.code)) return undefined
      throw error
    })
  if (active?.code !== 0) return
  throw new CwError('NODE_ALIVE', `${node} is at work, and would join again`, {
    where: { host: node },
    changed: 'nothing',
    remedies: ['take its role away in the deployment file, then: cw deploy', 'or switch it off first'],
  })
}

export interface ForgetRequest {
  readonly etcd: EtcdClient
  readonly address: string
  readonly clusters: readonly ClusterReport[]
  readonly clock: Clock
  /** How long it waits for others who may want to leave too. Default 1 s. */
  readonly quiet?: Duration
  readonly signal: AbortSignal
  readonly onCluster: (cluster: ClusterReport, state: 'is left' | 'is without it') => void
}

/**
 * Takes a dead node out of all its clusters at once: who joins one of them may wait for another. The nodes that live copy
 * meanwhile what there is only one copy of. Broken off, it is done by doing it again.
 *
 * @throws CwError INTERRUPTED
 */
export async function forgetInClusters(request: ForgetRequest): Promise<void> {
  const { etcd, address, clusters, clock, quiet, signal, onCluster } = request
  const waiting = quiet === undefined ? {} : { quiet }
  await Promise.all(
    clusters.map(async cluster => {
      onCluster(cluster, 'is left')
      await forgetNode({ etcd, clock, log: noLog, key: cluster.key, own: address, ...waiting }, signal)
      if (!signal.aborted) onCluster(cluster, 'is without it')
    }),
  )
  if (!signal.aborted) return
  throw new CwError('INTERRUPTED', `${address} is not out of all its clusters yet`, {
    why: `${operator()} broke it off`,
    changed: 'some',
    remedies: ['see how far it is: cw cluster show', `go on: cw node forget ${address}`],
  })
}
