import { isIP } from 'node:net'

/**
 * What a node is in the cluster of a store, in the words that stand in etcd (operations.md §4.1). A node without a state
 * is not in the cluster.
 */
export const NODE_STATES = [
  'waiting to join',
  'joining',
  'joining, acknowledged change',
  'joining, config changed',
  'normal',
  'normal, acknowledged change',
  'normal, config changed',
  'waiting to leave',
  'leaving',
  'leaving, acknowledged change',
  'leaving, config changed',
  'finished',
  'error',
] as const

export type NodeState = (typeof NODE_STATES)[number]

/** The nodes of a cluster by their addresses. */
export type ClusterView = ReadonlyMap<string, NodeState>

export type ClusterState =
  | 'empty'
  | 'stable'
  | 'stable with errors'
  | 'join pending'
  | 'started joining'
  | 'joining, config changing'
  | 'joining, resyncing'
  | 'leave pending'
  | 'started leaving'
  | 'leaving, config changing'
  | 'leaving, resyncing'
  | 'finished leaving'
  | 'invalid cluster state'

interface Rule {
  readonly state: ClusterState
  /** At least one node is in one of these. */
  readonly some: readonly NodeState[]
  /** All others are in one of these. */
  readonly rest: readonly NodeState[]
}

/** The first one that holds counts (operations.md §4.2). */
const RULES: readonly Rule[] = [
  { state: 'stable', some: ['normal'], rest: [] },
  { state: 'join pending', some: ['waiting to join'], rest: ['normal'] },
  {
    state: 'started joining',
    some: ['normal', 'joining'],
    rest: ['normal, acknowledged change', 'joining, acknowledged change'],
  },
  {
    state: 'joining, config changing',
    some: ['normal, acknowledged change', 'joining, acknowledged change'],
    rest: ['normal, config changed', 'joining, config changed'],
  },
  {
    state: 'joining, resyncing',
    some: ['normal, config changed', 'joining, config changed'],
    rest: ['normal'],
  },
  { state: 'leave pending', some: ['waiting to leave'], rest: ['normal'] },
  {
    state: 'started leaving',
    some: ['normal', 'leaving'],
    rest: ['normal, acknowledged change', 'leaving, acknowledged change'],
  },
  {
    state: 'leaving, config changing',
    some: ['normal, acknowledged change', 'leaving, acknowledged change'],
    rest: ['normal, config changed', 'leaving, config changed'],
  },
  {
    state: 'leaving, resyncing',
    some: ['normal, config changed', 'leaving, config changed'],
    rest: ['normal', 'finished'],
  },
  { state: 'finished leaving', some: ['finished'], rest: ['normal'] },
]

/** What a cluster is in as a whole. Nodes in error do not count, but are told of. */
export function clusterStateOf(view: ClusterView): ClusterState {
  if (view.size === 0) return 'empty'
  const states = [...view.values()].filter(state => state !== 'error')
  const rule = RULES.find(
    ({ some, rest }) =>
      states.some(state => some.includes(state)) &&
      states.every(state => some.includes(state) || rest.includes(state)),
  )
  if (rule === undefined) return 'invalid cluster state'
  return rule.state === 'stable' && states.length < view.size ? 'stable with errors' : rule.state
}

/** Whether a node counts as one that has been in the cluster all along: also while others come or go. */
export function isNormal(state: NodeState): boolean {
  return state.startsWith('normal')
}

/** Reads the value of a clustering key. What is no address with a state in it is passed over. */
export function parseClusterView(text: string): ClusterView {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return new Map()
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return new Map()
  return new Map(
    Object.entries(value).flatMap(([address, state]: [string, unknown]) => {
      const known = NODE_STATES.find(each => each === state)
      return known === undefined || isIP(address) === 0 ? [] : [[address, known] as const]
    }),
  )
}

/** With addresses in one order, so that the same view is the same text. */
export function formatClusterView(view: ClusterView): string {
  return JSON.stringify(Object.fromEntries([...view].sort(([a], [b]) => (a < b ? -1 : 1))))
}

/** Who keeps a change from going on: all others have taken the step that these have yet to take. */
export function laggardsIn(view: ClusterView): readonly string[] {
  const state = clusterStateOf(view)
  const rule = RULES.find(each => each.state === state)
  if (rule === undefined || rule.state === 'stable') return []
  return [...view].flatMap(([address, own]) => (rule.some.includes(own) ? [address] : []))
}
