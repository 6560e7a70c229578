import { printable } from './printable.ts'

interface RoleChangeView {
  readonly node: string
  readonly before: readonly string[]
  readonly after: readonly string[]
}

/** A line a node: what it becomes. */
export function formatRoleChanges(changes: readonly RoleChangeView[]): string {
  const words = (roles: readonly string[]): string => (roles.length === 0 ? 'a spare' : roles.join(', '))
  return changes
    .map(({ node, before, after }) => printable(`${node}: ${words(before)} becomes ${words(after)}`))
    .join('\n')
}
