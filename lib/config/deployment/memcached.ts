import type { Deployment, DeploymentNode } from './deployment.ts'

/** At so many sites there may be sprouts: each tells one other of what it knows. */
export const MOST_SITES = 2

/** Says of each node whether its sprout has others, at its site or the other one, to share registrations with. */
export function withSharedRegistrations<N extends Pick<DeploymentNode, 'roles'>>(
  nodes: readonly N[],
): readonly (N & Pick<DeploymentNode, 'sharesRegistrations'>)[] {
  const isSprout = ({ roles }: N): boolean => roles.includes('sprout')
  const areSeveral = nodes.filter(isSprout).length > 1
  return nodes.map(node => ({ ...node, sharesRegistrations: areSeveral && isSprout(node) }))
}

/** The other site whose sprouts share registrations with those of this one; undefined if there is none. */
export function otherSiteOf({ nodes }: Pick<Deployment, 'nodes'>, site: string): string | undefined {
  const isSharing = (node: DeploymentNode): boolean => node.sharesRegistrations
  if (!nodes.some(node => node.site === site && isSharing(node))) return undefined
  return nodes.find(node => node.site !== site && isSharing(node))?.site
}

/** Addresses of the nodes of a site whose sprouts share registrations and timers, in an order that the file does not change. */
export function sharingNodes({ nodes }: Pick<Deployment, 'nodes'>, site: string): readonly string[] {
  return nodes
    .filter(node => node.site === site && node.sharesRegistrations)
    .map(({ address }) => address)
    .toSorted()
}
