import { printable } from './printable.ts'
import { formatTable } from './table.ts'

interface ClusterView {
  readonly site: string
  readonly type: string
  readonly store: string
  readonly state: string
  readonly waitsFor: readonly string[]
  readonly nodes: readonly {
    readonly name: string
    readonly address: string
    readonly isKnown: boolean
    readonly state: string
  }[]
}

/** What a state means to who runs the deployment. */
const WORDS: Readonly<Record<string, string>> = {
  stable: 'at rest',
  'stable with errors': 'at rest, but for nodes in error: cw node forget',
  'join pending': 'somebody waits to join, for others who may want to as well',
  'started joining': 'somebody joins; all are told',
  'joining, config changing': 'somebody joins; all go over to it',
  'joining, resyncing': 'somebody joins; what is to be there is copied',
  'leave pending': 'somebody waits to leave, for others who may want to as well',
  'started leaving': 'somebody leaves; all are told',
  'leaving, config changing': 'somebody leaves; all go over to being without',
  'leaving, resyncing': 'somebody leaves; what was there is copied',
  'finished leaving': 'somebody has given everything away, and is about to be out',
  'invalid cluster state':
    'not in order: see which nodes are alive (cw status), forget the others (cw node forget)',
}

/** A paragraph a cluster: what it is in, and each of its nodes. */
export function formatClusters(clusters: readonly ClusterView[]): string {
  if (clusters.length === 0) return 'no store is shared: there is one sprout at most'
  return clusters
    .map(({ site, type, store, state, waitsFor, nodes }) => {
      const rows = nodes.map(({ name, address, isKnown, state: own }) => [
        ...['', isKnown ? name : `${name}, not in the deployment file`, isKnown ? address : ''],
        own,
      ])
      return [
        printable(`${type} ${store} at ${site}: ${WORDS[state] ?? state}`),
        ...(waitsFor.length === 0 ? [] : [printable(`  waits for ${waitsFor.join(', ')}`)]),
        ...formatTable(['', 'NODE', 'ADDRESS', 'STATE'], rows),
      ].join('\n')
    })
    .join('\n\n')
}
