import { isNormal, type ClusterView, type NodeState } from '../../lib/clustering/states.ts'

const JOINING: readonly NodeState[] = ['joining, acknowledged change', 'joining, config changed']
const LEAVING: readonly NodeState[] = ['leaving, acknowledged change', 'leaving, config changed']

/** Who has what a store holds, in one order on all nodes (operations.md §4.4). */
export interface Members {
  readonly normal: readonly string[]
  readonly joining: readonly string[]
  readonly leaving: readonly string[]
}

/** Nodes that only wait for their turn are none yet, and those that have finished are none any more. */
export function membersOf(view: ClusterView): Members {
  const those = (counts: (state: NodeState) => boolean): readonly string[] =>
    [...view].flatMap(([address, state]) => (counts(state) ? [address] : [])).toSorted()
  return {
    // Who waits to leave, or has not begun to, still has everything.
    normal: those(state => isNormal(state) || state === 'waiting to leave' || state === 'leaving'),
    joining: those(state => JOINING.includes(state)),
    leaving: those(state => LEAVING.includes(state)),
  }
}

/** Whether a node is to have values once the change that is under way is over. */
export function isStaying(address: string, view: ClusterView): boolean {
  const { normal, joining } = membersOf(view)
  return normal.includes(address) || joining.includes(address)
}
