import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  clusterStateOf,
  formatClusterView,
  NODE_STATES,
  parseClusterView,
  type ClusterState,
  type NodeState,
} from './states.ts'
import { nextTransition, type Hook } from './transition.ts'

const viewOf = (...states: readonly NodeState[]): ReadonlyMap<string, NodeState> =>
  new Map(states.map((state, index) => [`10.0.0.${index + 1}`, state]))

describe('the state of a cluster', () => {
  test.each<[ClusterState, readonly NodeState[]]>([
    ['empty', []],
    ['stable', ['normal', 'normal']],
    ['stable with errors', ['normal', 'error']],
    ['invalid cluster state', ['error']],
    ['join pending', ['normal', 'waiting to join']],
    ['join pending', ['waiting to join']],
    ['started joining', ['normal', 'joining']],
    ['started joining', ['normal, acknowledged change', 'joining']],
    ['joining, config changing', ['normal, acknowledged change', 'joining, acknowledged change']],
    ['joining, config changing', ['normal, config changed', 'joining, acknowledged change']],
    ['joining, resyncing', ['normal, config changed', 'joining, config changed']],
    ['joining, resyncing', ['normal', 'joining, config changed']],
    ['leave pending', ['normal', 'waiting to leave']],
    ['started leaving', ['normal', 'leaving']],
    ['leaving, config changing', ['normal, acknowledged change', 'leaving, config changed']],
    ['leaving, resyncing', ['normal', 'leaving, config changed']],
    ['leaving, resyncing', ['normal, config changed', 'finished']],
    ['finished leaving', ['normal', 'finished']],
    ['finished leaving', ['finished']],
    ['invalid cluster state', ['waiting to join', 'waiting to leave']],
  ])('is %s for %j', (expected, states) => {
    expect(clusterStateOf(viewOf(...states))).toBe(expected)
  })
})

describe('a value in etcd', () => {
  test('is read as it was written, whatever the order', () => {
    const view = viewOf(...NODE_STATES)
    expect(parseClusterView(formatClusterView(view))).toEqual(view)
    expect(formatClusterView(new Map([...view].reverse()))).toBe(formatClusterView(view))
  })

  test.each([
    '',
    '[]',
    'null',
    '{"10.0.0.1": 7}',
    '{"10.0.0.1": "dancing"}',
    '{"10.0.0.1:1\\nservers=x": "normal"}',
    '{',
  ])('that makes no sense names nobody: %s', text => {
    expect(parseClusterView(text)).toEqual(new Map())
  })
})

const settled = (count: number): Map<string, NodeState> => new Map(viewOf(...Array.from({ length: count }, () => 'normal' as const))) // prettier-ignore

const IDLE: ReadonlySet<string> = new Set(['wait', 'settle'])

/** Lets nodes take their turns, in an order that `choose` makes, until nobody has anything to do. */
function played(
  view: Map<string, NodeState>,
  wanted: ReadonlyMap<string, boolean>,
  choose: (count: number) => number,
  onHook: (node: string, hook: Hook, view: ReadonlyMap<string, NodeState>) => void = () => undefined,
): void {
  for (let turns = 0; turns < 10_000; turns++) {
    const able = [...wanted]
      .map(([node, isWanted]) => ({ node, transition: nextTransition(view, node, { isWanted }) }))
      .filter(({ transition }) => !IDLE.has(transition.kind))
    const turn = able[choose(able.length)]
    if (turn === undefined) return
    const { node, transition } = turn
    const hook = 'hook' in transition ? transition.hook : undefined
    if (hook !== undefined) onHook(node, hook, new Map(view))
    if (transition.kind === 'become') view.set(node, transition.state)
    if (transition.kind === 'vanish') view.delete(node)
    if (transition.kind === 'promote') {
      for (const [address, state] of view) if (state === transition.from) view.set(address, transition.to)
    }
  }
  throw new Error(`no end: ${formatClusterView(view)}`)
}

describe('nodes that come and go', () => {
  const nodes = fc.integer({ min: 1, max: 6 })
  const wishes = fc.array(fc.boolean(), { minLength: 6, maxLength: 6 })

  test('end up as they were meant to be, in whatever order they take their turns', () => {
    fc.assert(
      fc.property(nodes, wishes, fc.infiniteStream(fc.nat()), (count, wanted, stream) => {
        const view = settled(count)
        const addresses = Array.from({ length: 6 }, (_, index) => `10.0.0.${index + 1}`)
        const wishOf = new Map(addresses.map((address, index) => [address, wanted[index] === true]))
        played(view, wishOf, able => (able === 0 ? 0 : Number(stream.next().value) % able))

        const meant = addresses.filter(address => wishOf.get(address)).map(address => [address, 'normal'])
        expect([...view].sort()).toEqual(meant)
      }),
    )
  })

  test('nobody goes on before all have come so far', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat()), stream => {
        const told: { readonly node: string; readonly hook: Hook }[] = []
        const wanted = new Map([...settled(2).keys(), '10.0.0.3', '10.0.0.4'].map(node => [node, true]))
        played(
          settled(2),
          wanted,
          able => (able === 0 ? 0 : Number(stream.next().value) % able),
          (node, hook) => told.push({ node, hook }),
        )
        const lastChange = told.findLastIndex(({ hook }) => hook === 'changing')
        const firstCopy = told.findIndex(({ hook }) => hook === 'resynchronise')
        // A second joiner may come in a change of its own: each change is whole before the next begins.
        if (told.filter(({ hook }) => hook === 'changing').length === 2)
          expect(firstCopy).toBeGreaterThan(lastChange)
        expect(told.filter(({ hook }) => hook === 'joining').map(({ node }) => node).sort()).toEqual(['10.0.0.3', '10.0.0.4']) // prettier-ignore
      }),
    )
  })

  test('who is in error is in nobody’s way, and lets nobody in', () => {
    const view = viewOf('normal', 'error')
    expect(nextTransition(view, '10.0.0.3', { isWanted: true })).toEqual({ kind: 'wait' })
    expect(nextTransition(view, '10.0.0.1', { isWanted: true })).toEqual({ kind: 'settle' })
    expect(nextTransition(view, '10.0.0.1', { isWanted: false })).toEqual({ kind: 'settle' })
    expect(nextTransition(view, '10.0.0.1', { isWanted: false, isForced: true })).toEqual({
      kind: 'become',
      state: 'waiting to leave',
    })
    expect(nextTransition(view, '10.0.0.2', { isWanted: false })).toEqual({ kind: 'vanish' })
  })
})
