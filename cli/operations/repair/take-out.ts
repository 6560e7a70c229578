import type { Deployment, DeploymentNode } from '../../../lib/config/deployment/deployment.ts'
import type { EtcdClient } from '../../../lib/etcd/client.ts'
import { TimerWheel } from '../../../lib/kit/clock.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { peerUrlOf } from '../../fleet/actions/etcd-member.ts'
import { connectEtcd } from '../../fleet/etcd.ts'
import { Fleet, type FleetOptions } from '../../fleet/fleet.ts'
import { mustScript, type NodeShell } from '../../fleet/ssh/shell.ts'
import { forgetInClusters, requireDead } from '../cluster/forget.ts'
import { readClusters, type ClusterReport } from '../cluster/read.ts'

/** Everything that still counts on a node. */
export interface Dependents {
  readonly clusters: readonly ClusterReport[]
  /** Its id as a member of etcd. */
  readonly etcdMember?: string
  /** Its id in Cassandra, and a node that knows. */
  readonly cassandra?: { readonly hostId: string; readonly at: string }
}

const HOST_ID = String.raw`
nodetool status | awk -v address="$1" '$1 ~ /^[UD][NLJM]$/ && $2 == address {
  for (i = 3; i <= NF; i++) if ($i ~ /^[0-9a-f]+(-[0-9a-f]+){4}$/) print $i
}'
`
const REMOVE_DEADLINE_MS = 30 * 60_000

/** A node that is dead for good, on its way out of all that counts on it. */
export class DeadNode implements AsyncDisposable {
  readonly #node: DeploymentNode
  readonly #deployment: Deployment
  readonly #fleet: Fleet
  readonly #etcd: EtcdClient

  private constructor(node: DeploymentNode, deployment: Deployment, fleet: Fleet, etcd: EtcdClient) {
    this.#node = node
    this.#deployment = deployment
    this.#fleet = fleet
    this.#etcd = etcd
  }

  /**
   * @throws CwError NODE_ALIVE if it is at work, ETCD_UNAVAILABLE if etcd does not serve
   */
  static async open(node: DeploymentNode, deployment: Deployment, options: FleetOptions): Promise<DeadNode> {
    const fleet = new Fleet(deployment.nodes, options)
    try {
      await requireDead(fleet.shell(node.name), node.name)
      return new DeadNode(node, deployment, fleet, await connectEtcd(deployment, { fleet: options }))
    } catch (error) {
      await fleet.close()
      throw error
    }
  }

  /** Who counts on it. */
  async dependents(): Promise<Dependents> {
    const { address } = this.#node
    const all = await readClusters(this.#etcd, this.#deployment)
    const members = await this.#etcd.members()
    const member = members.find(({ peerUrls }) => peerUrls.includes(peerUrlOf(address)))
    const cassandra = await this.#cassandra()
    return {
      clusters: all.filter(({ nodes }) => nodes.some(node => node.address === address)),
      ...(member === undefined ? {} : { etcdMember: member.id }),
      ...(cassandra === undefined ? {} : { cassandra }),
    }
  }

  /**
   * Takes it out of all of them. Broken off, it is done by doing it again.
   *
   * @param withMemberships also out of etcd and Cassandra, where nobody comes back to its address
   * @throws CwError INTERRUPTED, ETCD_UNAVAILABLE, COMMAND_FAILED
   */
  async takeOut(
    { clusters, etcdMember, cassandra }: Dependents,
    withMemberships: boolean,
    { signal, onStep }: { readonly signal: AbortSignal; readonly onStep: (what: string) => void },
  ): Promise<void> {
    const { name, address } = this.#node
    const clock = new TimerWheel(() => undefined)
    try {
      await forgetInClusters({
        ...{ etcd: this.#etcd, clock, address, clusters, signal },
        onCluster: ({ type, store }, state) => {
          onStep(`${type} ${store} ${state}`)
        },
      })
    } finally {
      clock.close()
    }
    if (!withMemberships) return
    if (etcdMember !== undefined) {
      await this.#etcd.memberRemove(etcdMember)
      onStep(`${name} is no member of etcd any more`)
    }
    if (cassandra === undefined) return
    await mustScript(
      this.#fleet.shell(cassandra.at),
      'nodetool removenode',
      'nodetool removenode "$1"',
      [cassandra.hostId],
      { sudo: true, deadlineMs: REMOVE_DEADLINE_MS },
    )
    onStep(`what ${name} had in Cassandra is with the others`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#etcd.close()
    await this.#fleet.close()
  }

  /** By the first of the others that answers. */
  async #cassandra(): Promise<Dependents['cassandra']> {
    const { name, address, sharesSubscribers } = this.#node
    if (!sharesSubscribers) return undefined
    const others = this.#deployment.nodes.filter(node => node.sharesSubscribers && node.name !== name)
    for (const other of others) {
      const hostId = await hostIdOf(address, this.#fleet.shell(other.name))
      if (hostId !== undefined) return { hostId, at: other.name }
    }
    return undefined
  }
}

async function hostIdOf(address: string, shell: NodeShell): Promise<string | undefined> {
  try {
    const { stdout } = await mustScript(shell, 'nodetool status', HOST_ID, [address], {
      sudo: true,
      idempotent: true,
    })
    return stdout.trim() === '' ? undefined : stdout.trim()
  } catch (error) {
    if (error instanceof CwError) return undefined
    throw error
  }
}
