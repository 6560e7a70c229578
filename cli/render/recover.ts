import { formatTable } from './table.ts'

interface VoterView {
  readonly node: string
  readonly state: string
  readonly revision?: number
  readonly why?: string
}

/** What each voter has of etcd. */
export function formatVoters(voters: readonly VoterView[]): string {
  const rows = voters.map(({ node, state, revision, why }) => [
    node,
    revision === undefined ? state : `has everything up to change ${revision}`,
    why ?? '',
  ])
  return formatTable(['voter', 'copy', ''], rows).join('\n')
}
