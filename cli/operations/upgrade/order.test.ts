import { expect, test } from 'vitest'
import { deploymentOf } from '../testing/deployment.ts'
import { rollbackOrder, upgradeOrder, withoutSubstitute } from './order.ts'

const deployment = deploymentOf({
  'bono-1': ['bono'],
  'bono-2': ['bono'],
  'sprout-1': ['sprout'],
  'sprout-2': ['sprout'],
  'home-1': ['homestead', 'homer'],
  'ralf-1': ['ralf'],
  'spare-1': [],
  'ellis-1': ['ellis'],
})

test('who is asked is upgraded before who asks, one node after the other', () => {
  expect(
    upgradeOrder(deployment).map(({ node, isCanary }) => `${node.name}${isCanary ? ' first' : ''}`),
  ).toEqual([
    'ralf-1 first',
    'home-1 first',
    'sprout-1 first',
    'sprout-2',
    'bono-1 first',
    'bono-2',
    'ellis-1 first',
    'spare-1',
  ])
  expect(rollbackOrder(deployment)[0]?.name).toBe('spare-1')
})

test('within a role a site comes after the other', () => {
  const nodes = deployment.nodes.map(node => ({ ...node, site: node.name.endsWith('-1') ? 'b' : 'a' }))

  const names = upgradeOrder({ nodes, sites: ['a', 'b'] }).map(({ node }) => node.name)

  expect(names.slice(2, 6)).toEqual(['sprout-2', 'sprout-1', 'bono-2', 'bono-1'])
})

test('a role that only one node has is told', () => {
  expect([...withoutSubstitute(deployment)]).toEqual([['homestead', 'home-1']])
})
