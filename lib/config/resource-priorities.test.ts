import { expect, test } from 'vitest'
import { isBelow, isResourcePriority, prioritiesIn } from './resource-priorities.ts'

test('all values of all blocks count, whatever their case', () => {
  const blocks = [
    { priority: 1, rph_values: ['ETS.1'] },
    { priority: 15, rph_values: ['ets.0', 'dsn.Flash-Override'] },
    { priority: 2, rph_values: [] },
  ]
  expect([...prioritiesIn(JSON.stringify({ priority_blocks: blocks }))]).toEqual([
    'ets.1',
    'ets.0',
    'dsn.flash-override',
  ])
})

test.each([
  ['ets.0', true],
  ['dsn.flash-override', true],
  ['ets', false],
  ['ets.', false],
  ['.0', false],
  ['a.b.c', false],
  ['ets.0, wps.0', false],
  [7, false],
])('%s is a value: %s', (value, is) => {
  expect(isResourcePriority(value)).toBe(is)
})

test.each([
  ['ets.4', 'ets.0', true],
  ['ETS.0', 'ets.4', false],
  ['dsn.routine', 'dsn.flash', true],
  ['dsn.flash', 'dsn.flash', false],
  ['ets.4', 'wps.0', false],
  ['own.low', 'own.high', false],
  ['constructor.a', 'constructor.b', false],
])('%s is below %s: %s', (one, other, is) => {
  expect(isBelow(one, other)).toBe(is)
})
