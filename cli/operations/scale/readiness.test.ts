import { describe, expect, test } from 'vitest'
import type { Role } from '../../../lib/config/deployment/deployment.ts'
import { configurationKey, nodeReportKey } from '../../../lib/etcd/layout.ts'
import { deploymentOf } from '../testing/deployment.ts'
import { capacityGuards, courseOf, requireNodesInSync } from './readiness.ts'

const DEPLOYMENT = deploymentOf({
  'bono-1': ['bono'],
  'core-1': ['sprout', 'homestead'],
  'sprout-2': ['sprout'],
  'sprout-3': ['sprout'],
  'spare-1': [],
})
const targets = (given: Partial<Record<Role, number>>) => new Map(Object.entries(given)) as Map<Role, number>
const goes = { node: 'sprout-3', site: 'site1', before: ['sprout'] as const, after: [] }

describe('who stays with the work of who goes', () => {
  const usage = (share: number) => new Map(['core-1', 'sprout-2', 'sprout-3'].map(name => [name, share]))

  test('is not to have too much of it', () => {
    expect(capacityGuards(DEPLOYMENT, [goes], targets({ sprout: 2 }), usage(0.5))).toEqual([
      {
        name: 'CAPACITY',
        says: 'sprout nodes use 50 % of their processors; 2 of them would use 75 %, and more than 60 % is too much',
      },
    ])
    expect(capacityGuards(DEPLOYMENT, [goes], targets({ sprout: 2 }), usage(0.3))).toEqual([])
  })

  test('has nothing more where nobody goes, or nobody says what is used', () => {
    const comes = { node: 'spare-1', site: 'site1', before: [], after: ['sprout'] as const }
    expect(capacityGuards(DEPLOYMENT, [comes], targets({ sprout: 4 }), usage(0.9))).toEqual([])
    expect(capacityGuards(DEPLOYMENT, [goes], targets({ sprout: 2 }), new Map())).toEqual([])
  })
})

test('roles whose number changes are told', () => {
  expect(courseOf(DEPLOYMENT, targets({ sprout: 4, bono: 1 }))).toEqual([{ role: 'sprout', from: 3, to: 4 }])
})

describe('nodes that are in sync', () => {
  /** What etcd has of the two nodes' reports: the revision of the file that each has. */
  function etcdWith(revisions: Readonly<Record<string, number>>, refused?: string) {
    const values = new Map([[configurationKey('site1', 'shared_config'), 'max_session_expires=1500\n']])
    for (const [name, revision] of Object.entries(revisions)) {
      const address = DEPLOYMENT.nodes.find(node => node.name === name)?.address ?? ''
      const no = name === refused ? { refused: { revision, faults: ['line 3 is wrong'] } } : {}
      const files = { shared_config: { revision, sha256: '', ...no } }
      const report = { node: name, queueId: name, daemons: [], files, faults: [], at: '' }
      values.set(nodeReportKey('site1', address), JSON.stringify(report))
    }
    const getPrefix = async (prefix: string) => ({
      ...{ revision: 7, cluster: 'lab' },
      items: [...values]
        .filter(([key]) => key.startsWith(prefix))
        .map(([key, value]) => ({ key, value: Buffer.from(value), revision: 7, lease: '0' })),
    })
    return {
      getPrefix,
      get: async (key: string) => (await getPrefix(key)).items.find(item => item.key === key),
    }
  }
  const ALL = { 'bono-1': 7, 'core-1': 7, 'sprout-2': 7, 'sprout-3': 7 }
  const require = (etcd: ReturnType<typeof etcdWith>) =>
    requireNodesInSync(etcd, DEPLOYMENT, new AbortController().signal, 10)

  test('may be scaled, also where one is silent', async () => {
    await expect(require(etcdWith(ALL))).resolves.toBeUndefined()
    const { 'bono-1': _, ...others } = ALL
    await expect(require(etcdWith(others))).resolves.toBeUndefined()
  })

  test('are told from those that are behind, or cannot use what there is', async () => {
    await expect(require(etcdWith({ ...ALL, 'sprout-2': 6 }))).rejects.toMatchObject({
      code: 'NOT_IN_SYNC',
      detail: { why: 'sprout-2: shared_config is behind' },
    })
    await expect(require(etcdWith(ALL, 'core-1'))).rejects.toMatchObject({
      detail: { why: 'core-1: shared_config is refused: line 3 is wrong' },
    })
  })
})
