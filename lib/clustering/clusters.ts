import { CwError } from '../kit/errors.ts'

/** Stores whose nodes follow the state of their cluster in etcd. */
export const CLUSTERED_STORES = ['memcached', 'chronos'] as const

export type StoreName = (typeof CLUSTERED_STORES)[number]

/** One store that nodes of a type share. */
export interface Cluster {
  /** The type of the nodes, as in `etcd_cluster_key`: `sprout`. */
  readonly type: string
  readonly store: StoreName
}

/** Those of the registrations and timers that sprouts share. */
export const SPROUT_CLUSTERS: readonly Cluster[] = CLUSTERED_STORES.map(store => ({ type: 'sprout', store }))

/** Where the state of a site's cluster stands (operations.md §3.4). */
export function clusteringKey(site: string, { type, store }: Cluster): string {
  return `/clearwater/${site}/${type}/clustering/${store}`
}

/** The cluster that a key in etcd is about; undefined for any other key. */
export function parseClusteringKey(key: string): (Cluster & { readonly site: string }) | undefined {
  const [, site = '', type = '', name] =
    /^\/clearwater\/([^/]+)\/([^/]+)\/clustering\/([^/]+)$/.exec(key) ?? []
  const store = CLUSTERED_STORES.find(each => each === name)
  return store === undefined ? undefined : { site, type, store }
}

/**
 * Reads a node's file `clusters`: a line `<type> <store>` for each cluster that it is to be in.
 *
 * @param file named in errors
 * @throws CwError FILE_INVALID with the line
 */
export function parseClusters(text: string, file: string): readonly Cluster[] {
  return text.split(/\r?\n/).flatMap((each, index) => {
    const line = each.trim()
    if (line === '' || line.startsWith('#')) return []
    const [, type = '', name] = /^([a-z][a-z0-9-]*)\s+([a-z]+)$/.exec(line) ?? []
    const store = CLUSTERED_STORES.find(known => known === name)
    if (store !== undefined) return [{ type, store }]
    throw new CwError('FILE_INVALID', `${file} is no list of clusters`, {
      where: { file, line: index + 1 },
      why: `${line} is not a type of nodes and one of ${CLUSTERED_STORES.join(', ')}`,
      changed: 'nothing',
      remedies: ['write the files of this node again: cw deploy'],
    })
  })
}
