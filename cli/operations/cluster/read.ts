import type { Deployment } from '../../../lib/config/deployment/deployment.ts'
import { parseClusteringKey, type StoreName } from '../../../lib/clustering/clusters.ts'
import { clusterStateOf, laggardsIn, parseClusterView, type ClusterState, type NodeState } from '../../../lib/clustering/states.ts' // prettier-ignore
import type { EtcdClient } from '../../../lib/etcd/client.ts'

export interface ClusterReport {
  readonly site: string
  /** Of its nodes, such as `sprout`. */
  readonly type: string
  readonly store: StoreName
  /** Where it stands in etcd. */
  readonly key: string
  readonly state: ClusterState
  readonly nodes: readonly ClusterNode[]
  /** Those who have yet to take the next step, by their names. */
  readonly waitsFor: readonly string[]
}

export interface ClusterNode {
  readonly address: string
  /** Its address again where the deployment has no such node. */
  readonly name: string
  readonly isKnown: boolean
  readonly state: NodeState
}

/** The clusters of stores as etcd has them, in the order of their keys. Those that nobody is in are left out. */
export async function readClusters(
  etcd: Pick<EtcdClient, 'getPrefix'>,
  { nodes }: Pick<Deployment, 'nodes'>,
): Promise<readonly ClusterReport[]> {
  const { items } = await etcd.getPrefix('/clearwater/')
  return items.flatMap(({ key, value }): ClusterReport[] => {
    const cluster = parseClusteringKey(key)
    const view = parseClusterView(value.toString())
    if (cluster === undefined || view.size === 0) return []
    const nameOf = (address: string): string => nodes.find(node => node.address === address)?.name ?? address
    return [
      {
        ...cluster,
        key,
        state: clusterStateOf(view),
        nodes: [...view].map(([address, state]) => ({
          ...{ address, name: nameOf(address), state },
          isKnown: nodes.some(node => node.address === address),
        })),
        waitsFor: laggardsIn(view).map(nameOf),
      },
    ]
  })
}
