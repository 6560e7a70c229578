import type { Deployment } from '../../../lib/config/deployment/deployment.ts'
import type { EtcdClient } from '../../../lib/etcd/client.ts'
import { connectEtcd } from '../../fleet/etcd.ts'
import type { FleetOptions } from '../../fleet/fleet.ts'
import { compareConfiguration, type NodeDifference } from './diff.ts'
import { pause } from './rollout.ts'

export interface SettleOptions {
  readonly deployment: Deployment
  /** Nodes that are waited for even while nothing is heard of them; absent: all. */
  readonly meant?: readonly string[] | undefined
  readonly deadlineMs: number
  readonly signal: AbortSignal
  /** What is still open, whenever it is something else. */
  readonly onOpen: (open: readonly NodeDifference[]) => void
}

const ASK_EVERY_MS = 500
/** What passes by itself; the rest stays until somebody sees to it. */
const PASSING: readonly NodeDifference['kind'][] = ['silent', 'missing', 'behind', 'queued']

/**
 * Waits until the nodes have what etcd has and none of them is to restart for it: what is asked of the service before
 * may meet a daemon that restarts.
 *
 * @returns what is still open when time is up or the signal aborts; nothing where all has settled
 * @throws CwError ETCD_UNAVAILABLE if etcd does not answer all that time
 */
export async function waitUntilSettled(
  etcd: Pick<EtcdClient, 'get' | 'getPrefix'>,
  { deployment, meant, deadlineMs, signal, onOpen }: SettleOptions,
): Promise<readonly NodeDifference[]> {
  const isMeant = (name: string): boolean => meant === undefined || meant.includes(name)
  const end = performance.now() + deadlineMs
  let open: readonly NodeDifference[] | undefined
  for (;;) {
    let failure: Error | undefined
    try {
      const { nodes } = await compareConfiguration(etcd, deployment, deployment.sites)
      const found = nodes.filter(
        ({ kind, node }) => PASSING.includes(kind) && (kind !== 'silent' || isMeant(node)),
      )
      if (found.length === 0) return []
      if (JSON.stringify(found) !== JSON.stringify(open)) onOpen(found)
      open = found
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error))
    }
    if (signal.aborted || performance.now() >= end) {
      if (failure !== undefined && open === undefined) throw failure
      return open ?? []
    }
    await pause(ASK_EVERY_MS, signal)
  }
}

/**
 * The same for the etcd that the deployment has, by way of one of its nodes.
 *
 * @throws CwError NODE_UNREACHABLE, ETCD_UNAVAILABLE
 */
export async function waitUntilDeploymentSettles(
  options: SettleOptions & { readonly fleet: FleetOptions },
): Promise<readonly NodeDifference[]> {
  await using etcd = await connectEtcd(options.deployment, { fleet: options.fleet })
  return await waitUntilSettled(etcd, options)
}
