import type { Deployment, DeploymentNode } from '../../../lib/config/deployment/deployment.ts'
import type { Member } from '../../../lib/etcd/members.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { peerUrlOf } from '../../fleet/actions/etcd-member.ts'
import { connectEtcd } from '../../fleet/etcd.ts'
import { Fleet, forEach, type FleetOptions } from '../../fleet/fleet.ts'
import { requireDead } from '../cluster/forget.ts'
import { readClusters, type ClusterReport } from '../cluster/read.ts'

/** What still counts on a site that is lost. */
export interface LostSite {
  readonly site: string
  readonly nodes: readonly string[]
  /** Clusters of stores that only it has nodes in. */
  readonly clusters: readonly ClusterReport[]
  /** Its members of etcd. */
  readonly members: readonly Member[]
}

/** @throws CwError USAGE if the deployment has no such site, or no other one */
export function nodesOfSite({ nodes, sites, file }: Deployment, site: string): readonly DeploymentNode[] {
  if (sites.includes(site) && sites.length > 1) return nodes.filter(node => node.site === site)
  throw new CwError(
    'USAGE',
    sites.includes(site) ? `${site} is the only site: nobody could take over` : `there is no site ${site}`,
    { where: { file }, why: `the sites are ${sites.join(', ')}`, changed: 'nothing' },
  )
}

/** @throws CwError NODE_ALIVE if any node of the site is at work */
export async function requireSiteDead(
  nodes: readonly DeploymentNode[],
  options: FleetOptions,
): Promise<void> {
  await using fleet = new Fleet(nodes, options)
  const outcomes = await forEach(
    nodes.map(({ name }) => fleet.shell(name)),
    async shell => {
      await requireDead(shell, shell.node)
    },
  )
  const alive = outcomes.flatMap(outcome => (outcome.ok ? [] : [outcome.error]))
  const [first] = alive
  if (first === undefined) return
  throw new CwError(first.code, alive.map(({ message }) => message).join('; '), {
    ...first.detail,
    remedies: [
      'if only the line to it is cut, both sites go on by themselves: wait',
      'or switch its nodes off first',
    ],
  })
}

/**
 * What the others have of a site.
 *
 * @throws CwError ETCD_UNAVAILABLE where etcd has no majority without it: `cw recover etcd` comes first
 */
export async function lostSite(deployment: Deployment, site: string, fleet: FleetOptions): Promise<LostSite> {
  const nodes = nodesOfSite(deployment, site)
  await using etcd = await connectEtcd(deployment, { fleet })
  const [clusters, members] = await Promise.all([readClusters(etcd, deployment), etcd.members()])
  const theirs = nodes.map(({ address }) => peerUrlOf(address))
  return {
    site,
    nodes: nodes.map(({ name }) => name),
    clusters: clusters.filter(cluster => cluster.site === site),
    members: members.filter(({ peerUrls }) => peerUrls.some(url => theirs.includes(url))),
  }
}

/**
 * Has the others count on the site no more. Done again, it does what is left; a site that comes back joins anew.
 *
 * @throws CwError ETCD_UNAVAILABLE
 */
export async function failOver(
  deployment: Deployment,
  { site, clusters, members }: LostSite,
  { fleet, onStep }: { readonly fleet: FleetOptions; readonly onStep: (what: string) => void },
): Promise<void> {
  await using etcd = await connectEtcd(deployment, { fleet })
  for (const { type, store, key } of clusters) {
    await etcd.delete(key)
    onStep(`nobody counts on ${type} ${store} at ${site} any more`)
  }
  for (const { id, name } of members) {
    await etcd.memberRemove(id)
    onStep(`${name} is no member of etcd any more`)
  }
}
