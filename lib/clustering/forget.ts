import { seconds } from '../kit/clock.ts'
import { ClusterMember, type ClusterMemberOptions } from './member.ts'

/** Nobody who is dead says that he wants to leave too. */
const QUIET = seconds(1)

/**
 * Has a node that is gone for good go along with what its cluster is in the middle of, and leave it: the others wait for it
 * otherwise, and count on what it had. What it does with its store there is nobody to do (operations.md §6,
 * `mark_node_failed`).
 *
 * Returns once it is out, or at the signal. The nodes that are there have to be at work.
 */
export async function forgetNode(
  options: Omit<ClusterMemberOptions, 'store' | 'isWanted' | 'isForced'>,
  signal: AbortSignal,
): Promise<void> {
  const store = { run: () => Promise.resolve() }
  const quiet = options.quiet ?? QUIET
  await new ClusterMember({ ...options, store, quiet, isWanted: false, isForced: true }).leave(signal)
}
