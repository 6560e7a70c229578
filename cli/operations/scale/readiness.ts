import type { Deployment, DeploymentNode, Role } from '../../../lib/config/deployment/deployment.ts'
import type { EtcdClient } from '../../../lib/etcd/client.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { connectEtcd } from '../../fleet/etcd.ts'
import { Fleet, forEach, type FleetOptions } from '../../fleet/fleet.ts'
import { mustScript, type NodeShell } from '../../fleet/ssh/shell.ts'
import { compareConfiguration } from '../config/diff.ts'
import { waitUntilSettled } from '../config/settle.ts'
import type { Guard, RoleChange, Targets } from './plan.ts'

/** A restart that is just on its way is waited for. */
const SETTLE_MS = 15_000
/** As the manual advises: what is above may not stand the loss of one more (§8.41). */
const MOST_USED = 0.6

/**
 * Who comes gets what etcd has: the others have to have it too.
 *
 * @throws CwError NOT_IN_SYNC, and ETCD_UNAVAILABLE where nobody can say
 */
export async function requireInSync(
  deployment: Deployment,
  fleet: FleetOptions,
  signal: AbortSignal,
): Promise<void> {
  await using etcd = await connectEtcd(deployment, { fleet })
  await requireNodesInSync(etcd, deployment, signal, SETTLE_MS)
}

/** The same, with an etcd at hand. */
export async function requireNodesInSync(
  etcd: Pick<EtcdClient, 'get' | 'getPrefix'>,
  deployment: Deployment,
  signal: AbortSignal,
  deadlineMs: number,
): Promise<void> {
  // Nodes of which nothing is heard are told of as such by who looks at them.
  await waitUntilSettled(etcd, { deployment, meant: [], deadlineMs, signal, onOpen: () => undefined })
  const { nodes } = await compareConfiguration(etcd, deployment, deployment.sites)
  const open = nodes.filter(({ kind }) => kind !== 'silent')
  if (open.length === 0) return
  throw new CwError('NOT_IN_SYNC', 'a deployment is not scaled while its configuration is out of sync', {
    where: { host: [...new Set(open.map(({ node }) => node))].join(', ') },
    why: open
      .map(({ node, file, kind, detail }) =>
        [
          `${node}: ${file ?? 'its configuration'} is ${kind}`,
          ...(detail === undefined ? [] : [detail]),
        ].join(': '),
      )
      .join('\n'),
    changed: 'nothing',
    remedies: ['see what differs: cw config diff', 'see how the nodes are: cw status'],
  })
}

/** How much of its processors each node uses, 0 to 1, by its load of the last five minutes; those that do not say are left out. */
export async function usedBy(
  deployment: Deployment,
  roles: readonly Role[],
  options: FleetOptions,
): Promise<ReadonlyMap<string, number>> {
  const concerned = deployment.nodes.filter(node => node.roles.some(role => roles.includes(role)))
  await using fleet = new Fleet(concerned, options)
  const outcomes = await forEach(
    concerned.map(({ name }) => fleet.shell(name)),
    used,
  )
  return new Map(outcomes.flatMap(outcome => (outcome.ok ? [[outcome.node, outcome.value] as const] : [])))
}

async function used(shell: NodeShell): Promise<number> {
  const { stdout } = await mustScript(
    shell,
    'looking at the load',
    'cut -d" " -f2 /proc/loadavg; nproc',
    [],
    {
      idempotent: true,
    },
  )
  const [load = 0, processors = 1] = stdout.trim().split('\n').map(Number)
  return load / processors
}

/** The guard for those that would have too much to do, since fewer do the same. */
export function capacityGuards(
  { nodes }: Pick<Deployment, 'nodes'>,
  changes: readonly RoleChange[],
  targets: Targets,
  usage: ReadonlyMap<string, number>,
): readonly Guard[] {
  const goes = (node: DeploymentNode, role: Role): boolean =>
    changes.some(({ node: name, after }) => name === node.name && !after.includes(role))
  return [...targets].flatMap(([role, count]): Guard[] => {
    const holders = nodes.filter(({ roles }) => roles.includes(role))
    if (count === 0 || !holders.some(node => goes(node, role))) return []
    const known = holders.flatMap(({ name }) => usage.get(name) ?? [])
    if (known.length === 0) return []
    const now = known.reduce((sum, each) => sum + each, 0) / known.length
    const then = (now * holders.length) / count
    if (then <= MOST_USED) return []
    const percent = (share: number): string => `${Math.round(share * 100)} %`
    const says = `${role} nodes use ${percent(now)} of their processors; ${count} of them would use ${percent(then)}, and more than ${percent(MOST_USED)} is too much`
    return [{ name: 'CAPACITY', says }]
  })
}

/** A role whose number of nodes changes. */
export interface ScaleCourse {
  readonly role: Role
  readonly from: number
  readonly to: number
}

/** How the numbers change. On the way there are never fewer than the smaller one of both. */
export function courseOf({ nodes }: Pick<Deployment, 'nodes'>, targets: Targets): readonly ScaleCourse[] {
  return [...targets]
    .map(([role, to]) => ({ role, to, from: nodes.filter(({ roles }) => roles.includes(role)).length }))
    .filter(({ from, to }) => from !== to)
}
