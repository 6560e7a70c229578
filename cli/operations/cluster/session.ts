import type { Deployment } from '../../../lib/config/deployment/deployment.ts'
import type { EtcdClient } from '../../../lib/etcd/client.ts'
import { TimerWheel } from '../../../lib/kit/clock.ts'
import { connectEtcd } from '../../fleet/etcd.ts'
import { Fleet, type FleetOptions } from '../../fleet/fleet.ts'
import { forgetInClusters, membershipsOf, requireDead, type ForgetRequest } from './forget.ts'
import { readClusters, type ClusterReport } from './read.ts'

/** The clusters of a deployment, by way of one of its voters. */
export class ClusterSession implements AsyncDisposable {
  readonly #deployment: Deployment
  readonly #fleet: FleetOptions
  readonly #etcd: EtcdClient

  private constructor(deployment: Deployment, fleet: FleetOptions, etcd: EtcdClient) {
    this.#deployment = deployment
    this.#fleet = fleet
    this.#etcd = etcd
  }

  /** @throws CwError NODE_UNREACHABLE, ETCD_UNAVAILABLE */
  static async open(deployment: Deployment, fleet: FleetOptions): Promise<ClusterSession> {
    return new ClusterSession(deployment, fleet, await connectEtcd(deployment, { fleet }))
  }

  clusters(): Promise<readonly ClusterReport[]> {
    return readClusters(this.#etcd, this.#deployment)
  }

  /** The clusters of a node that is to be forgotten. @throws CwError USAGE, NODE_ALIVE */
  async forgettable(nodeOrAddress: string): Promise<Pick<ForgetRequest, 'address' | 'clusters'>> {
    const memberships = await membershipsOf(this.#etcd, this.#deployment, nodeOrAddress)
    const node = this.#deployment.nodes.find(({ address }) => address === memberships.address)
    if (node === undefined) return memberships
    const fleet = new Fleet([node], this.#fleet)
    try {
      await requireDead(fleet.shell(node.name), node.name)
    } finally {
      await fleet.close()
    }
    return memberships
  }

  /** @throws CwError INTERRUPTED */
  async forget(request: Omit<ForgetRequest, 'etcd' | 'clock'>): Promise<void> {
    const clock = new TimerWheel(() => undefined)
    try {
      await forgetInClusters({ ...request, etcd: this.#etcd, clock })
    } finally {
      clock.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#etcd.close()
  }
}
