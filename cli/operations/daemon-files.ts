import { parseClusters, type Cluster } from '../../lib/clustering/clusters.ts'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { parseChronosCluster, type ChronosView } from '../../daemons/chronos/cluster.ts'
import { parseConfigFile } from '../../lib/config/config-file.ts'
import { formatFault } from '../../lib/config/fault.ts'
import type { Scope } from '../../lib/config/option.ts'
import { findOption } from '../../lib/config/options.ts'
import { FILE_OF, validateConfigFile, validateOption } from '../../lib/config/validate.ts'
import { parseDnsJson, type KnownName } from '../../lib/dns/known-names.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { parseCassandraCluster } from '../../lib/store/cassandra/cluster-file.ts'
import type { CassandraView } from '../../lib/store/cassandra/database.ts'
import { parseClusterSettings, type ClusterView } from '../../lib/store/memcached/cluster-settings.ts'
import { NO_SHARED_FILES, readSharedFiles, type SharedFiles } from './daemon-shared.ts'

/** In the order in which a node's files are read: what a later one says wins. */
const SCOPES = ['shared', 'local', 'user'] as const satisfies readonly Scope[]

/** What a node's configuration folder says. */
export interface NodeFiles extends SharedFiles {
  /** Option to value, from all three files; what validation refuses is left out and so at its default. */
  readonly values: ReadonlyMap<string, string>
  /** The memcached servers that sprouts share, of `cluster_settings`; absent: none are shared. */
  readonly cluster?: ClusterView
  /** Those of the other site, of `remote_cluster_settings`; absent: there is none. */
  readonly otherSite?: ClusterView
  /** The clusters that this node is to be in, of `clusters`; absent: none. */
  readonly clusters?: readonly Cluster[]
  /** Where the deployment's own Cassandra is, of `cassandra_cluster`; absent: there is none. */
  readonly cassandra?: CassandraView
  /** The nodes of the timer service, of `chronos_cluster.conf`; absent: each daemon keeps its own timers. */
  readonly chronos?: ChronosView
  /** Names that need no DNS, of `dns.json`. */
  readonly names: ReadonlyMap<string, KnownName>
  /** What is wrong with the files, one sentence each; none of it keeps a daemon from its work. */
  readonly complaints: readonly string[]
}

/**
 * Reads `shared_config`, `local_config`, `user_settings`, the other shared files, `cluster_settings`,
 * `remote_cluster_settings`, `clusters`, `cassandra_cluster` and `dns.json`, and, in the folder `chronos` beside this one,
 * `chronos_cluster.conf`. A file that is not there says nothing; one of the first three with faults says what can be read
 * of it.
 *
 * @param before what one of the others with faults, or one that cannot be read, said the last time: that goes on to count
 * @throws CwError FILE_UNREADABLE if one of the first three cannot be read, FILE_INVALID if one of the four that
 * name a cluster names nobody, and nobody is known from before: a sprout that took itself for the only one would not know the others' users
 */
export async function readNodeFiles(folder: string, before?: NodeFiles): Promise<NodeFiles> {
  const complaints: string[] = []
  const values = new Map<string, string>()
  for (const scope of SCOPES) {
    const text = await textOf(join(folder, FILE_OF[scope]))
    const faults = validateConfigFile(scope, text, values)
    complaints.push(...faults.map(fault => `${FILE_OF[scope]}: ${formatFault(fault)}`))
    for (const [name, value] of parseConfigFile(text, values).values) {
      const option = findOption(name)
      if (option === undefined || value === '') values.delete(name)
      else if (validateOption(option, value) === undefined) values.set(name, value)
    }
  }

  // Numbers are looked up in a file only where one is named (manual 8.29.6).
  const enumFile = values.get('enum_file')
  const shared = await readSharedFiles(
    async name => {
      if (name !== 'enum.json') return optionalTextOf(join(folder, name), complaints)
      return enumFile === undefined ? '' : optionalTextOf(enumFile, complaints)
    },
    before ?? NO_SHARED_FILES,
    complaints,
  )

  const dns = await optionalTextOf(join(folder, 'dns.json'), complaints)
  let names = before?.names ?? new Map<string, KnownName>()
  const parsed = dns === undefined ? names : dns === '' ? new Map<string, KnownName>() : parseDnsJson(dns)
  if (typeof parsed === 'string') complaints.push(`dns.json: ${parsed}`)
  else names = parsed
  const cluster = await viewOf(
    join(folder, 'cluster_settings'),
    parseClusterSettings,
    before?.cluster,
    complaints,
  )
  const otherSite = await viewOf(
    join(folder, 'remote_cluster_settings'),
    parseClusterSettings,
    before?.otherSite,
    complaints,
  )
  const clusters = await viewOf(join(folder, 'clusters'), parseClusters, before?.clusters, complaints)
  const cassandra = await viewOf(
    join(folder, 'cassandra_cluster'),
    parseCassandraCluster,
    before?.cassandra,
    complaints,
  )
  const chronos = await viewOf(chronosFileOf(folder), parseChronosCluster, before?.chronos, complaints)
  return {
    ...shared,
    ...{ values, names, complaints },
    ...(cluster === undefined ? {} : { cluster }),
    ...(otherSite === undefined ? {} : { otherSite }),
    ...(clusters === undefined ? {} : { clusters }),
    ...(cassandra === undefined ? {} : { cassandra }),
    ...(chronos === undefined ? {} : { chronos }),
  }
}

/** `chronos_cluster.conf`, in the folder of chronos beside that of all others. */
export function chronosFileOf(folder: string): string {
  return join(folder, '..', 'chronos', 'chronos_cluster.conf')
}

/** Who is in a cluster, as its file says; undefined without one. */
async function viewOf<View>(
  file: string,
  parse: (text: string, file: string) => View,
  before: View | undefined,
  complaints: string[],
): Promise<View | undefined> {
  try {
    const text = await textOf(file)
    return text === '' ? undefined : parse(text, file)
  } catch (error) {
    if (before === undefined || !(error instanceof CwError)) throw error
    complaints.push(`${basename(file)}: ${error.detail.why ?? error.message}`)
    return before
  }
}

/** The text of a file that a daemon can do without; undefined, and a complaint, if it cannot be read. */
async function optionalTextOf(file: string, complaints: string[]): Promise<string | undefined> {
  try {
    return await textOf(file)
  } catch (error) {
    const { message, cause } = error as CwError
    complaints.push(`${basename(file)}: ${message}${cause instanceof Error ? ` (${cause.message})` : ''}`)
    return undefined
  }
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return ''
    throw new CwError('FILE_UNREADABLE', 'a configuration file cannot be read', {
      where: { file },
      changed: 'nothing',
      remedies: ['see whose it is: ls -l'],
      cause,
    })
  }
}
