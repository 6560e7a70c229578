import { etcdVoters } from '../../lib/config/deployment/voters.ts'
import type { Deployment, DeploymentNode } from '../../lib/config/deployment/deployment.ts'
import { EtcdClient } from '../../lib/etcd/client.ts'
import { millis } from '../../lib/kit/clock.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { Fleet, type FleetOptions } from './fleet.ts'
import type { NodeShell } from './ssh/shell.ts'

/** etcd's client port on nodes (the manual's, not etcd's own). */
const CLIENT_PORT = 4000

export interface ConnectOptions {
  /** `http://host:port` of members that this machine reaches itself; then no node is logged in to. */
  readonly origins?: readonly string[]
  readonly fleet?: FleetOptions
  /** In place of logging in, for tests. */
  readonly shellOf?: (node: DeploymentNode) => NodeShell
  /** For each call, in milliseconds; absent: as long as members may take to elect a leader. */
  readonly deadlineMs?: number
}

/**
 * A client of the deployment's etcd, through the first of its voters that lets us in: from there all of them are
 * reached, so that one whose etcd is down does no harm. Closing the client ends the connection too.
 *
 * @throws CwError NODE_UNREACHABLE if no voter can be logged in to, with the reason of each
 */
export async function connectEtcd(deployment: Deployment, options: ConnectOptions = {}): Promise<EtcdClient> {
  if (options.origins !== undefined) return new EtcdClient({ origins: options.origins })
  const voters = etcdVoters(deployment)
  const fleet = new Fleet(voters, options.fleet)
  const shellOf = options.shellOf ?? ((node: DeploymentNode) => fleet.shell(node.name))
  try {
    const shell = await firstToAnswer(voters, shellOf)
    const forwards = await Promise.all(voters.map(voter => shell.forward(voter.address, CLIENT_PORT)))
    const origins = forwards.map(forward => `http://127.0.0.1:${forward.port}`)
    const { deadlineMs } = options
    return new EtcdClient({
      origins,
      names: new Map(origins.map((origin, index) => [origin, voters[index]?.name ?? origin])),
      ...(deadlineMs === undefined ? {} : { deadline: millis(deadlineMs) }),
      onClose: async () => {
        await Promise.all(forwards.map(forward => forward.close()))
        await fleet.close()
      },
    })
  } catch (error) {
    await fleet.close()
    throw error
  }
}

async function firstToAnswer(
  voters: readonly DeploymentNode[],
  shellOf: (node: DeploymentNode) => NodeShell,
): Promise<NodeShell> {
  const attempts = voters.map(async voter => {
    const shell = shellOf(voter)
    await shell.run(['true'], { idempotent: true })
    return shell
  })
  try {
    return await Promise.any(attempts)
  } catch (error) {
    const reasons = error instanceof AggregateError ? (error.errors as readonly unknown[]) : [error]
    const [first] = reasons
    // With one reason for all it is that one, with its own remedies.
    if (reasons.length === 1 && first instanceof CwError) throw first
    throw new CwError('NODE_UNREACHABLE', 'none of the nodes that hold etcd can be logged in to', {
      where: { host: voters.map(voter => voter.name).join(', ') },
      why: reasons.map(reason => (reason instanceof Error ? reason.message : String(reason))).join('; '),
      changed: 'nothing',
      remedies: ['see which nodes can be reached: cw check'],
      cause: first,
    })
  }
}
