import { unitOf } from '../../../lib/config/deployment/daemons.ts'
import type { EtcdClient } from '../../../lib/etcd/client.ts'
import { SPROUT_CLUSTERS, clusteringKey } from '../../../lib/clustering/clusters.ts'
import { configurationKey } from '../../../lib/etcd/layout.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import type { EtcdView } from '../../fleet/actions/action.ts'
import { ETCD_DATA_MEMBER, MEMBERSHIP } from '../../fleet/actions/etcd-member.ts'
import type { Observed, PlanNode } from '../../fleet/plan.ts'

export const ETCD_PROBES = [
  { ask: 'path', subject: ETCD_DATA_MEMBER },
  { ask: 'content', subject: MEMBERSHIP },
] as const

/** Started, and recorded, only after all voters together have served. */
const SIGNS_OF_SERVICE = [unitOf('etcd'), unitOf('config-manager')]

/**
 * What is known of the deployment's etcd, by what voters have of it and what it says itself.
 *
 * @param seen every node that was looked at
 * @param voters all there are, seen or not
 * @param connect to those that run
 */
export async function etcdViewOf(
  seen: readonly Observed[],
  voters: readonly PlanNode[],
  sites: readonly string[],
  connect: () => Promise<Pick<EtcdClient, 'members' | 'get'>>,
): Promise<EtcdView> {
  const reached = seen.filter(({ node }) => voters.some(voter => voter.name === node.name))
  const withData = reached.filter(({ facts }) => facts.path(ETCD_DATA_MEMBER).is === 'directory')
  const begun = reached.filter(({ facts }) => facts.content(MEMBERSHIP) !== undefined)
  requireEncrypted(begun)
  const hasServed = seen.some(({ manifest }) => SIGNS_OF_SERVICE.some(unit => unit in manifest.units))
  if (withData.length === 0) {
    if (hasServed && reached.length < voters.length) {
      return { state: 'down', why: 'those that were reached have no data of it; the others may have' }
    }
    return { state: begun.length === 0 ? 'none' : 'founding' }
  }
  try {
    return await serving(await connect(), sites)
  } catch (error) {
    if (!(error instanceof CwError)) throw error
    const emptied = reached.filter(voter => !withData.includes(voter))
    if (hasServed && emptied.length * 2 >= voters.length) {
      return { state: 'lost', emptied: emptied.map(nameOf), left: withData.map(nameOf) }
    }
    // Where most founders have never run, it cannot have had a quorum yet; and where each knows its place, starting them
    // is what helps.
    const isNew = !hasServed && withData.length * 2 <= voters.length
    if (isNew || begun.length === voters.length) return { state: 'founding' }
    return { state: 'down', why: error.detail.why ?? error.message }
  }
}

async function serving(
  client: Pick<EtcdClient, 'members' | 'get'>,
  sites: readonly string[],
): Promise<EtcdView> {
  const keys = sites.flatMap(site => [
    configurationKey(site, 'shared_config'),
    ...SPROUT_CLUSTERS.map(cluster => clusteringKey(site, cluster)),
  ])
  const [members, ...found] = await Promise.all([client.members(), ...keys.map(key => client.get(key))])
  const values = found.flatMap(each =>
    each === undefined ? [] : [[each.key, each.value.toString('utf8')] as const],
  )
  return { state: 'healthy', members, values: new Map(values) }
}

/** Members cannot go over to TLS one after another: the ones would not understand the others. */
function requireEncrypted(begun: readonly Observed[]): void {
  const plain = begun.find(({ facts }) => /=http:/.test(facts.content(MEMBERSHIP) ?? ''))
  if (plain === undefined) return
  throw new CwError('ETCD_UNAVAILABLE', 'etcd was founded by an earlier version, without TLS', {
    where: { host: plain.node.name },
    changed: 'nothing',
    remedies: [
      'keep the shared configuration, with the version that deployed it: cw config export',
      'then cw destroy, cw deploy, cw config import',
    ],
  })
}

function nameOf({ node }: Observed): string {
  return node.name
}
