import { uriHost } from '../../kit/address.ts'
import { CwError } from '../../kit/errors.ts'
import type { CassandraView } from './database.ts'

const KEYS = new Set(['cluster', 'site', 'nodes'])
/** Where clients find a node of Cassandra. */
export const CQL_PORT = 9042

/**
 * Reads `cassandra_cluster`: the name of the cluster that a deployment has of its own, the data centre that this node
 * asks, and the addresses of its nodes.
 *
 * @param file named in errors
 * @throws CwError FILE_INVALID
 */
export function parseCassandraCluster(text: string, file: string): CassandraView {
  const values = new Map<string, string>()
  const fail = (why: string, line?: number): CwError =>
    new CwError('FILE_INVALID', `${file} does not say where Cassandra is`, {
      where: { file, ...(line === undefined ? {} : { line }) },
      why,
      changed: 'nothing',
      remedies: ['write the files of this node again: cw deploy'],
    })
  text.split(/\r?\n/).forEach((line, index) => {
    const content = line.trim()
    if (content === '' || content.startsWith('#')) return
    const [key = '', value = ''] = content.split('=', 2).map(part => part.trim())
    if (!KEYS.has(key)) throw fail(`${key} is none of ${[...KEYS].join(', ')}`, index + 1)
    values.set(key, value)
  })
  const [clusterName, site] = [values.get('cluster'), values.get('site')]
  const nodes = (values.get('nodes') ?? '').split(',').filter(node => node !== '')
  if (!clusterName || !site || nodes.length === 0) throw fail('it lacks the cluster, the site or the nodes')
  return { clusterName, site, contactPoints: nodes.map(cqlAddress) }
}

/** A node by its address, or its name, where Cassandra's clients find it. */
export function cqlAddress(address: string): string {
  return `${uriHost(address)}:${CQL_PORT}`
}
