import { etcdVoters } from '../../lib/config/deployment/voters.ts'
import type { Deployment, DeploymentNode } from '../../lib/config/deployment/deployment.ts'
import { EtcdClient, type EtcdOptions } from '../../lib/etcd/client.ts'
import {
  AUTHORITY_FILE,
  CLIENT_FILE,
  CREDENTIALS_FOLDER,
  type EtcdCredentials,
} from '../../lib/etcd/credentials.ts'
import { millis } from '../../lib/kit/clock.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { Fleet, type FleetOptions } from './fleet.ts'
import type { NodeShell } from './ssh/shell.ts'

/** etcd's client port on nodes (the manual's, not etcd's own). */
const CLIENT_PORT = 4000

export interface ConnectOptions {
  /** Members that this machine reaches itself; then no node is logged in to. */
  readonly direct?: Pick<EtcdOptions, 'origins' | 'credentials'>
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
 * @throws CwError NODE_UNREACHABLE if no voter can be logged in to, with the reason of each; ETCD_UNAVAILABLE if those
 *   that can have not been deployed to
 */
export async function connectEtcd(deployment: Deployment, options: ConnectOptions = {}): Promise<EtcdClient> {
  if (options.direct !== undefined) return new EtcdClient(options.direct)
  const voters = etcdVoters(deployment)
  const fleet = new Fleet(voters, options.fleet)
  const shellOf = options.shellOf ?? ((node: DeploymentNode) => fleet.shell(node.name))
  try {
    const { shell, credentials } = await firstToAnswer(voters, shellOf)
    // Its own member first: for an answer of one that is off one would wait in vain.
    const isOwn = (voter: DeploymentNode): number => Number(voter.name === shell.node)
    const members = voters.toSorted((one, other) => isOwn(other) - isOwn(one))
    const forwards = await Promise.all(members.map(member => shell.forward(member.address, CLIENT_PORT)))
    const origins = forwards.map(forward => `https://127.0.0.1:${forward.port}`)
    const { deadlineMs } = options
    return new EtcdClient({
      origins,
      credentials: () => Promise.resolve(credentials),
      names: new Map(origins.map((origin, index) => [origin, members[index]?.name ?? origin])),
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

/** Who may become root on a voter may use its certificate, and needs none of his own. */
async function credentialsOf(shell: NodeShell): Promise<EtcdCredentials> {
  const files = [AUTHORITY_FILE, CLIENT_FILE].map(name => `${CREDENTIALS_FOLDER}/${name}`)
  const [authority, client] = await Promise.all(files.map(file => shell.read(file, { sudo: true })))
  if (authority !== undefined && client !== undefined) {
    return { authority: authority.toString(), client: client.toString() }
  }
  throw new CwError('ETCD_UNAVAILABLE', `${shell.node} has no certificate by which etcd would let us in`, {
    where: { host: shell.node, file: CREDENTIALS_FOLDER },
    why: 'this node has not been deployed to, or not to the end',
    changed: 'nothing',
    remedies: ['cw deploy'],
  })
}

async function firstToAnswer(
  voters: readonly DeploymentNode[],
  shellOf: (node: DeploymentNode) => NodeShell,
): Promise<{ readonly shell: NodeShell; readonly credentials: EtcdCredentials }> {
  const attempts = voters.map(async voter => {
    const shell = shellOf(voter)
    return { shell, credentials: await credentialsOf(shell) }
  })
  try {
    return await Promise.any(attempts)
  } catch (error) {
    const reasons = error instanceof AggregateError ? (error.errors as readonly unknown[]) : [error]
    const [first] = reasons
    // With one reason for all it is that one, with its own remedies.
    if (reasons.length === 1 && first instanceof CwError) throw first
    const isBare = reasons.some(reason => reason instanceof CwError && reason.code === 'ETCD_UNAVAILABLE')
    const message = isBare
      ? 'no node that holds etcd can say how to get into it'
      : 'none of the nodes that hold etcd can be logged in to'
    throw new CwError(isBare ? 'ETCD_UNAVAILABLE' : 'NODE_UNREACHABLE', message, {
      where: { host: voters.map(voter => voter.name).join(', ') },
      why: reasons.map(reason => (reason instanceof Error ? reason.message : String(reason))).join('; '),
      changed: 'nothing',
      remedies: ['see which nodes can be reached: cw check'],
      cause: first,
    })
  }
}
