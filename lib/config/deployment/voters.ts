import type { Deployment, DeploymentNode } from './deployment.ts'

/** More members would make every write slower and survive no more than is likely to fail. */
const MOST_VOTERS = 5

/**
 * The nodes that are members of the etcd cluster, in the order of the file: an odd number up to five, taken from the
 * sites in turn. Spares are not among them, since they come and go. Nodes added at the end of the file do not move
 * membership of those before, except to make it larger.
 */
export function etcdVoters({ nodes, sites }: Pick<Deployment, 'nodes' | 'sites'>): readonly DeploymentNode[] {
  const working = nodes.filter(node => node.roles.length > 0)
  const queues = sites.map(site => working.filter(node => node.site === site))
  const turns = Math.max(0, ...queues.map(queue => queue.length))
  const inTurn = Array.from({ length: turns }, (_, turn) =>
    queues.flatMap(queue => queue.slice(turn, turn + 1)),
  ).flat()
  const most = Math.min(MOST_VOTERS, inTurn.length)
  const chosen = new Set(inTurn.slice(0, most % 2 === 1 ? most : Math.max(0, most - 1)))
  return working.filter(node => chosen.has(node))
}
