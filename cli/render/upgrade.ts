import { counted } from './plan.ts'
import { formatTable } from './table.ts'

interface ReleaseView {
  readonly version: string
  readonly sha256: string
}

export interface MoveView {
  readonly node: string
  readonly from?: ReleaseView
  readonly to: ReleaseView
  readonly isCanary: boolean
}

export interface RollOutView {
  readonly moves: readonly MoveView[]
  /** How long each node is watched, in milliseconds. */
  readonly soakMs: number
  readonly roles: ReadonlyMap<string, readonly string[]>
  /** Roles that only one node has, with its name. */
  readonly withoutSubstitute: ReadonlyMap<string, string>
}

/** A node restarts, is verified, and settles. */
const USUAL_S = 30

/** Which node gets which release, in their order, and what that means meanwhile. */
export function formatRollOut({ moves, soakMs, roles, withoutSubstitute }: RollOutView): string {
  const name = (release: ReleaseView | undefined): string =>
    release === undefined ? '-' : `${release.version} ${release.sha256.slice(0, 8)}`
  const rows = moves.map(({ node, from, to, isCanary }) => [
    ...[node, roles.get(node)?.join(', ') ?? '', name(from), name(to)],
    isCanary ? 'first of its kind' : '',
  ])
  const touched = [...withoutSubstitute].filter(([, node]) => moves.some(move => move.node === node))
  const minutes = Math.ceil((moves.length * (USUAL_S + soakMs / 1000)) / 60)
  return [
    ...formatTable(['node', 'roles', 'from', 'to', ''], rows),
    ...touched.map(
      ([role, node]) => `${node} is the only ${role}: while it restarts nobody registers or calls`,
    ),
    `${counted(moves.length, 'node')}, one after the other: about ${minutes} min`,
  ].join('\n')
}
