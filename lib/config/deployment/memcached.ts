import { DAEMON_PORTS } from '../ports.ts'
import { uriHost } from '../../kit/address.ts'
import type { Deployment, DeploymentNode } from './deployment.ts'

/** Says of each node whether its sprout has others at its site to share registrations with. */
export function withSharedRegistrations<N extends Pick<DeploymentNode, 'roles' | 'site'>>(
  nodes: readonly N[],
): readonly (N & Pick<DeploymentNode, 'sharesRegistrations'>)[] {
  return nodes.map(node => {
    const others = nodes.filter(each => each.site === node.site && each.roles.includes('sprout'))
    return { ...node, sharesRegistrations: node.roles.includes('sprout') && others.length > 1 }
  })
}

/** Addresses of the nodes of a site whose sprouts share registrations and timers, in an order that the file does not change. */
export function sharingNodes({ nodes }: Pick<Deployment, 'nodes'>, site: string): readonly string[] {
  return nodes
    .filter(node => node.site === site && node.sharesRegistrations)
    .map(({ address }) => address)
    .toSorted()
}

/**
 * The memcached servers that sprouts of a site share, `address:port` each, in the order that places values: the same for
 * all, wherever they stand in the file. None where there is one sprout, which keeps its registrations itself.
 */
export function memcachedServers(deployment: Pick<Deployment, 'nodes'>, site: string): readonly string[] {
  return sharingNodes(deployment, site).map(address => `${uriHost(address)}:${DAEMON_PORTS.memcached}`)
}
