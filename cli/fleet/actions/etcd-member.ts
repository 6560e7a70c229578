import { z } from 'zod'
import { CwError } from '../../../lib/kit/errors.ts'
import { uriHost } from '../../../lib/kit/address.ts'
import { action, type ChangeBase, type EtcdView, type Tools } from './action.ts'
import { mustScript } from '../ssh/shell.ts'

/** How this node came into the cluster; etcd reads it only while it has no data. */
export const MEMBERSHIP = '/etc/clearwater/etcd-membership.env'
const ETCD_DATA = '/var/lib/clearwater-etcd'
export const ETCD_DATA_MEMBER = `${ETCD_DATA}/member`
const PEER_PORT = 2380

export interface EtcdMemberChange extends ChangeBase {
  readonly action: 'etcd-member'
  readonly how: 'found' | 'join'
  /** `name=url` of every founder, in the order of the deployment file. */
  readonly founders: readonly string[]
  readonly name: string
  readonly peerUrl: string
  /** A member of this address that is no more, and is removed first. */
  readonly replaces?: string
  readonly token: string
}

/**
 * Makes a voter a member of the deployment's etcd cluster, by the rules of operations.md §3.2: all voters of a new
 * deployment found it together; a later one is announced to the cluster and joins; one with data rejoins by itself.
 */
export const etcdMember = action<Record<string, never>, EtcdMemberChange>({
  schema: z.strictObject({}),
  probes: () => [
    { ask: 'path', subject: ETCD_DATA_MEMBER },
    { ask: 'content', subject: MEMBERSHIP },
  ],
  changes(_params, look) {
    const { facts, etcd } = look
    const membership = facts.content(MEMBERSHIP)
    const self = { name: etcdName(look.address), peerUrl: peerUrlOf(look.address) }
    const hasData = membership !== undefined && facts.path(ETCD_DATA_MEMBER).is === 'directory'
    const base = { action: 'etcd-member' as const, ...self, token: look.deployment }
    requireServing(etcd)
    if (etcd.state !== 'healthy') {
      if (hasData) return []
      if (membership !== undefined) return []
      const founders = look.voters.map(({ address }) => `${etcdName(address)}=${peerUrlOf(address)}`)
      const summary = `found the etcd cluster with ${founders.length - 1} other voters`
      return [{ ...base, summary, how: 'found', founders }]
    }
    const listed = etcd.members.find(member => member.peerUrls.includes(self.peerUrl))
    // The others may have gone on without it since, and then its data is of no use.
    if (hasData && listed !== undefined) return []
    // Announced, and killed before it was started: it goes on from there.
    if (membership !== undefined && listed?.name === '') return []
    return [
      {
        ...base,
        summary:
          listed === undefined ? 'join the etcd cluster' : 'join the etcd cluster in place of its lost self',
        how: 'join',
        founders: [],
        alone: true,
        ...(listed === undefined ? {} : { replaces: listed.id }),
      },
    ]
  },
  carryOut: becomeMember,
})

/** One that goes on by data which is of no use has to end first; its unit is started in the next step. */
const CLEAR = 'systemctl stop clearwater-etcd.service 2>/dev/null; rm -rf -- "$1/member"'

async function becomeMember(change: EtcdMemberChange, tools: Tools): Promise<void> {
  const cluster = change.how === 'found' ? change.founders : await announce(change, tools)
  const text = [
    '# Written by cw deploy: how this node came into the etcd cluster. etcd reads it only while it has no data.',
    `ETCD_INITIAL_CLUSTER_STATE=${change.how === 'found' ? 'new' : 'existing'}`,
    `ETCD_INITIAL_CLUSTER_TOKEN=${change.token}`,
    `ETCD_INITIAL_CLUSTER=${cluster.join(',')}`,
    '',
  ].join('\n')
  const { shell, signal } = tools
  await mustScript(shell, 'clearing what is left of another etcd', CLEAR, [ETCD_DATA], { sudo: true, signal })
  await shell.write(MEMBERSHIP, text, { mode: 0o644, owner: 'root:root', sudo: true, signal })
}

async function announce({ name, peerUrl, replaces }: EtcdMemberChange, tools: Tools): Promise<string[]> {
  const client = await tools.etcd()
  if (replaces !== undefined) await client.memberRemove(replaces)
  await client.memberAdd(peerUrl)
  const members = await client.members()
  return members.flatMap(member =>
    member.peerUrls.map(url => `${url === peerUrl ? name : member.name}=${url}`),
  )
}

/** As in the manual: the address with its dots as dashes. */
export function etcdName(address: string): string {
  return address.replaceAll(/[.:]/g, '-')
}

/** As a member of this address announces itself to the others. */
export function peerUrlOf(address: string): string {
  return `https://${uriHost(address)}:${PEER_PORT}`
}

/** @throws ETCD_UNAVAILABLE or ETCD_LOST where it served once and does not now. */
export function requireServing(etcd: EtcdView): void {
  if (etcd.state === 'down') {
    throw new CwError('ETCD_UNAVAILABLE', 'the etcd cluster of the deployment does not serve', {
      why: etcd.why,
      changed: 'nothing',
      remedies: ['bring its voters back first: cw status'],
    })
  }
  if (etcd.state !== 'lost') return
  const { emptied, left } = etcd
  throw new CwError('ETCD_LOST', 'most voters of etcd have lost their data', {
    why: `${emptied.join(', ')} ${emptied.length === 1 ? 'has' : 'have'} none; the others are no majority`,
    changed: 'nothing',
    remedies: [
      'bring back the hosts, or the disks, that had it',
      ...left.slice(0, 1).map(node => `or let etcd go on from ${node}: cw recover etcd`),
    ],
  })
}
