import { ROLES_FOR_CALLS } from '../../../lib/config/deployment/daemons.ts'
import type { Deployment, DeploymentNode, Role } from '../../../lib/config/deployment/deployment.ts'

/** Who is asked before who asks: a newer server knows its older clients (the manual, "Upgrading"). */
const ORDER: readonly Role[] = ['ralf', 'homestead', 'homer', 'sprout', 'memento', 'bono', 'ellis']

/** A node's place in an upgrade. */
export interface Turn {
  readonly node: DeploymentNode
  /** The first node with a role: what it shows concerns all that follow with the same one. */
  readonly isCanary: boolean
}

/**
 * One node after the other, in the order of its first role, a site at a time within a role; nodes without a role last.
 * Each is a failure domain of its own.
 */
export function upgradeOrder({ nodes, sites }: Pick<Deployment, 'nodes' | 'sites'>): readonly Turn[] {
  const rank = ({ roles }: DeploymentNode): number => {
    const first = ORDER.findIndex(role => roles.includes(role))
    return first < 0 ? ORDER.length : first
  }
  const sorted = nodes.toSorted((a, b) => rank(a) - rank(b) || sites.indexOf(a.site) - sites.indexOf(b.site))
  const seen = new Set<Role>()
  return sorted.map(node => {
    const isCanary = node.roles.some(role => !seen.has(role))
    for (const role of node.roles) seen.add(role)
    return { node, isCanary }
  })
}

/** Going back: who asks before who is asked. */
export function rollbackOrder(deployment: Pick<Deployment, 'nodes' | 'sites'>): readonly DeploymentNode[] {
  return upgradeOrder(deployment)
    .map(({ node }) => node)
    .toReversed()
}

/** Roles without which nobody calls, and which only one node has: while that one restarts nobody does. */
export function withoutSubstitute({ nodes }: Pick<Deployment, 'nodes'>): ReadonlyMap<Role, string> {
  return new Map(
    ROLES_FOR_CALLS.flatMap((role): [Role, string][] => {
      const [first, ...others] = nodes.filter(({ roles }) => roles.includes(role))
      return first === undefined || others.length > 0 ? [] : [[role, first.name]]
    }),
  )
}
