import { AUTHORITY_FILE, CREDENTIALS_FOLDER } from '../../../lib/etcd/credentials.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { ETCD_DATA_MEMBER } from '../../fleet/actions/etcd-member.ts'
import { Authority } from '../../fleet/certificates/authority.ts'
import type { Observed } from '../../fleet/plan.ts'

/** Voters alone keep the key. */
const KEY = `${CREDENTIALS_FOLDER}/authority.pem`
const KNOWN = `${CREDENTIALS_FOLDER}/${AUTHORITY_FILE}`

export const AUTHORITY_PROBES = [
  { ask: 'content', subject: KEY },
  { ask: 'path', subject: KNOWN },
] as const

/**
 * Who vouches for the members and clients of a deployment's etcd: what voters keep, or a new one where there has been
 * none. Voters keep it, each of them, so that no operator has to, and whoever deploys next finds it.
 *
 * @param seen every node that was looked at
 * @param unseen some who may keep it were not looked at
 * @throws CwError AUTHORITY_LOST where nodes go by one that nobody has who was reached
 */
export function authorityOf(deployment: string, seen: readonly Observed[], unseen: boolean): Authority {
  const holders = seen.filter(({ facts }) => facts.content(KEY) !== undefined)
  const kept = holders
    .flatMap(({ facts }) => Authority.parse(facts.content(KEY) ?? '') ?? [])
    // Two at once are left by two who both were the first. All nodes take the older one.
    .toSorted((a, b) => a.since.getTime() - b.since.getTime() || (a.pem < b.pem ? -1 : 1))
  const [oldest] = kept
  if (oldest !== undefined) return oldest

  const goingBy = seen.filter(({ facts }) => facts.path(KNOWN).is === 'file')
  const members = seen.filter(({ facts }) => facts.path(ETCD_DATA_MEMBER).is === 'directory')
  if (goingBy.length === 0 || (members.length === 0 && !unseen)) return Authority.found(deployment)
  throw new CwError(
    'AUTHORITY_LOST',
    'no node that was reached keeps the key of the deployment’s certificates',
    {
      where: { file: KEY },
      why: `${goingBy.map(({ node }) => node.name).join(', ')} ${goingBy.length === 1 ? 'goes' : 'go'} by it`,
      changed: 'nothing',
      remedies: [
        'bring back those who hold etcd: cw status',
        `or put ${KEY} back on one of them, owned by root, mode 0600`,
        'or destroy the deployment and deploy anew: cw destroy',
      ],
    },
  )
}
