import { expect, test } from 'vitest'
import { formatClusters } from './cluster.ts'

const CLUSTER = { site: 'site1', type: 'sprout', store: 'memcached' }

test('a cluster is told in words, with who is waited for and who is unknown', () => {
  const text = formatClusters([
    {
      ...CLUSTER,
      state: 'joining, resyncing',
      waitsFor: ['sprout-3'],
      nodes: [
        { name: 'sprout-1', address: '192.0.2.1', isKnown: true, state: 'normal' },
        { name: 'sprout-3', address: '192.0.2.3', isKnown: true, state: 'joining, config changed' },
        { name: '192.0.2.9', address: '192.0.2.9', isKnown: false, state: 'normal' },
      ],
    },
  ])

  expect(text).toMatchInlineSnapshot(`
    "sprout memcached at site1: somebody joins; what is to be there is copied
      waits for sprout-3
      NODE                                   ADDRESS    STATE
      sprout-1                               192.0.2.1  normal
      sprout-3                               192.0.2.3  joining, config changed
      192.0.2.9, not in the deployment file             normal"
  `)
})

test('where nobody shares anything it says so', () => {
  expect(formatClusters([])).toBe('no store is shared: there is one sprout at most')
})
