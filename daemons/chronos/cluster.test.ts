import { describe, expect, test } from 'vitest'
import type { CwError } from '../../lib/kit/errors.ts'
import { parseChronosCluster, replicasFor, viewId } from './cluster.ts'

const view = (nodes: readonly string[]) => ({ local: nodes[0] ?? '', nodes, leaving: [] })

describe('where timers are', () => {
  test('each has as many nodes as it wants, and all nodes have their share', () => {
    const three = view(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
    const shares = new Map<string, number>()
    for (let i = 0; i < 3000; i++) {
      const replicas = replicasFor(i.toString(16).padStart(16, '0'), 2, three)
      expect(new Set(replicas).size).toBe(2)
      shares.set(replicas[0] ?? '', (shares.get(replicas[0] ?? '') ?? 0) + 1)
    }
    for (const share of shares.values()) expect(share).toBeGreaterThan(850)
    expect(replicasFor('0', 2, view(['10.0.0.1']))).toEqual(['10.0.0.1'])
  })

  test('a node more moves only what it gets, and the order of the list says nothing', () => {
    const [two, three] = [view(['a', 'b']), view(['c', 'b', 'a'])]
    for (let i = 0; i < 500; i++) {
      const id = i.toString(16).padStart(16, '0')
      const [before, after] = [replicasFor(id, 2, two), replicasFor(id, 2, three)]
      expect(after.filter(node => node !== 'c')).toEqual(before.filter(node => after.includes(node)))
    }
    expect(viewId(view(['a', 'b']))).toBe(viewId(view(['b', 'a'])))
    expect(viewId(two)).not.toBe(viewId(three))
  })
})

describe('chronos_cluster.conf', () => {
  test('names the nodes', () => {
    const text =
      '# ours\n[identity]\ninstance_id = 1\n[cluster]\nlocalhost = 10.0.0.1\nnode = 10.0.0.1\njoining = 10.0.0.3\nleaving = 10.0.0.2\n'

    expect(parseChronosCluster(text, 'f')).toEqual({
      local: '10.0.0.1',
      nodes: ['10.0.0.1', '10.0.0.3'],
      leaving: ['10.0.0.2'],
    })
  })

  test('and who has timers at another site, which are none of its own', () => {
    const text =
      '[cluster]\nlocalhost = a\nnode = a\n[sites]\nlocal_site = x\nremote_site = y=b\nremote_site=y=fd00::2\n'

    const view = parseChronosCluster(text, 'f')

    expect(view).toEqual({ local: 'a', nodes: ['a'], leaving: [], otherSite: ['b', 'fd00::2'] })
    expect(viewId(view)).toBe(viewId({ local: 'a', nodes: ['a'], leaving: [] }))
  })

  test.each([
    ['', undefined],
    ['[cluster]\nlocalhost = a\n', undefined],
    ['[cluster]\nnode = a\n', undefined],
    ['[cluster]\nlocalhost = a\nnodes = a\n', 3],
    ['[cluster]\nlocalhost = a b\n', 2],
  ])('%j is refused', (text, line) => {
    try {
      parseChronosCluster(text, 'f')
      expect.fail('it was taken')
    } catch (error) {
      expect((error as CwError).code).toBe('FILE_INVALID')
      expect((error as CwError).detail.where?.line).toBe(line)
    }
  })
})
