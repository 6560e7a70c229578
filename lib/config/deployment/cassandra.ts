import type { Deployment, DeploymentNode } from './deployment.ts'

/** What the nodes of a site have to know of the deployment's own Cassandra. */
export interface CassandraPlace {
  readonly cluster: string
  /** The data centre that they ask: their own, or the first one there is. */
  readonly site: string
  /** Addresses of its nodes. */
  readonly nodes: readonly string[]
}

/** The operator's own cluster, instead of one that is deployed. */
export const EXTERNAL_CASSANDRA = 'cassandra_hostname'

/**
 * Says of each node whether its homestead has others, at any site, to share subscribers with: then there is a Cassandra
 * on each of them, unless the operator names one.
 */
export function withSharedSubscribers<N extends Pick<DeploymentNode, 'roles'>>(
  nodes: readonly N[],
  settings: ReadonlyMap<string, string>,
): readonly (N & Pick<DeploymentNode, 'sharesSubscribers'>)[] {
  const homesteads = nodes.filter(({ roles }) => roles.includes('homestead')).length
  const shared = homesteads > 1 && !settings.has(EXTERNAL_CASSANDRA)
  return nodes.map(node => ({ ...node, sharesSubscribers: shared && node.roles.includes('homestead') }))
}

/** Undefined where there is one homestead, which keeps its subscribers itself, or another Cassandra. */
export function cassandraPlace(
  { name, nodes, sites }: Pick<Deployment, 'name' | 'nodes' | 'sites'>,
  own: string,
): CassandraPlace | undefined {
  const at = (site: string): readonly string[] =>
    nodes.filter(node => node.site === site && node.sharesSubscribers).map(({ address }) => address)
  const site = [own, ...sites].find(each => at(each).length > 0)
  return site === undefined ? undefined : { cluster: `clearwater-${name}`, site, nodes: at(site) }
}

/** Addresses of all nodes with a Cassandra, at every site, in the order of the file. */
export function cassandraNodes({ nodes }: Pick<Deployment, 'nodes'>): readonly string[] {
  return nodes.filter(({ sharesSubscribers }) => sharesSubscribers).map(({ address }) => address)
}
