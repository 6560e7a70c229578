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

interface CourseView {
  readonly role: string
  readonly from: number
  readonly to: number
}

/** Half a minute others may come along; the rest is copying, and starting. */
const JOIN_MINUTES = 2
/** Who is drained has five minutes for it. */
const LEAVE_MINUTES = 7

/** How many there are of each role, on the way too, and how long it takes. */
export function formatCourse(course: readonly CourseView[]): string {
  const lines = course.map(
    ({ role, from, to }) => `${role}: ${from} to ${to}, never fewer than ${Math.min(from, to)} on the way`,
  )
  const leaves = course.some(({ from, to }) => to < from)
  const joins = course.some(({ from, to }) => to > from)
  const most = (joins ? JOIN_MINUTES : 0) + (leaves ? LEAVE_MINUTES : 0)
  return [...lines, leaves ? `at most some ${most} min` : `about ${most} min`].join('\n')
}
