import { clusterStateOf, type ClusterView, type NodeState } from './states.ts'

/** What a store does for its cluster at the node's turn. */
export type Hook = 'joining' | 'changing' | 'resynchronise' | 'stable' | 'leaving'

/** What a node has to do next (operations.md §4.3). */
export type Transition =
  | { readonly kind: 'wait' }
  /** Enters another state, once the hook is done. */
  | { readonly kind: 'become'; readonly state: NodeState; readonly hook?: Hook }
  /** After the quiet time one of the waiting nodes moves them all on, itself among them. */
  | { readonly kind: 'promote'; readonly from: NodeState; readonly to: NodeState }
  /** Stays what it is. */
  | { readonly kind: 'settle' }
  /** Is out of the cluster, once the hook is done. */
  | { readonly kind: 'vanish'; readonly hook?: Hook }

const WAIT: Transition = { kind: 'wait' }

/**
 * The next thing that a node does for a cluster.
 *
 * @param isWanted whether it is to be in the cluster
 * @param isForced it leaves also where other nodes are in error
 */
export function nextTransition(
  view: ClusterView,
  own: string,
  { isWanted, isForced = false }: { readonly isWanted: boolean; readonly isForced?: boolean },
): Transition {
  const state = view.get(own)
  const cluster = clusterStateOf(view)
  switch (cluster) {
    case 'empty':
      return isWanted ? { kind: 'become', state: 'waiting to join' } : WAIT
    case 'stable':
    case 'stable with errors':
      if (state === 'normal' && !isWanted && (cluster === 'stable' || isForced))
        return { kind: 'become', state: 'waiting to leave' }
      if (state === 'normal') return { kind: 'settle' }
      if (state === 'error' && !isWanted) return { kind: 'vanish' }
      return state === undefined && isWanted && cluster === 'stable'
        ? { kind: 'become', state: 'waiting to join' }
        : WAIT
    case 'join pending':
      if (state === undefined) return isWanted ? { kind: 'become', state: 'waiting to join' } : WAIT
      if (state !== 'waiting to join') return WAIT
      return isWanted ? { kind: 'promote', from: 'waiting to join', to: 'joining' } : { kind: 'vanish' }
    case 'leave pending':
      if (state === 'normal' && !isWanted) return { kind: 'become', state: 'waiting to leave' }
      return state === 'waiting to leave'
        ? { kind: 'promote', from: 'waiting to leave', to: 'leaving' }
        : WAIT
    case 'finished leaving':
      return state === 'finished' ? { kind: 'vanish', hook: 'leaving' } : WAIT
    case 'invalid cluster state':
      return WAIT
    default:
      return state === undefined ? WAIT : (STEPS[cluster]?.[state] ?? WAIT)
  }
}

/** The ways through a change, which all nodes of the cluster go together. */
const STEPS: Readonly<Record<string, Readonly<Partial<Record<NodeState, Transition>>>>> = {
  'started joining': {
    normal: { kind: 'become', state: 'normal, acknowledged change' },
    joining: { kind: 'become', state: 'joining, acknowledged change' },
  },
  'joining, config changing': {
    'normal, acknowledged change': { kind: 'become', state: 'normal, config changed', hook: 'changing' },
    'joining, acknowledged change': { kind: 'become', state: 'joining, config changed', hook: 'joining' },
  },
  'joining, resyncing': {
    'normal, config changed': { kind: 'become', state: 'normal', hook: 'resynchronise' },
    'joining, config changed': { kind: 'become', state: 'normal', hook: 'resynchronise' },
  },
  'started leaving': {
    normal: { kind: 'become', state: 'normal, acknowledged change' },
    leaving: { kind: 'become', state: 'leaving, acknowledged change' },
  },
  'leaving, config changing': {
    'normal, acknowledged change': { kind: 'become', state: 'normal, config changed', hook: 'changing' },
    'leaving, acknowledged change': { kind: 'become', state: 'leaving, config changed', hook: 'changing' },
  },
  'leaving, resyncing': {
    'normal, config changed': { kind: 'become', state: 'normal', hook: 'resynchronise' },
    'leaving, config changed': { kind: 'become', state: 'finished', hook: 'resynchronise' },
  },
}
