import { expect, test } from 'vitest'
import { ConnectionBudget } from './connection-budget.ts'

test('one source cannot take the places of others', () => {
  const budget = new ConnectionBudget({ total: 10, perSource: 2 })

  expect(['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2'].map(address => budget.admit(address))).toEqual([
    true,
    true,
    false,
    true,
  ])

  budget.release('192.0.2.1')
  expect(budget.admit('192.0.2.1')).toBe(true)
})

test('all sources together stay below the total', () => {
  const budget = new ConnectionBudget({ total: 2, perSource: 2 })

  expect(['192.0.2.1', '192.0.2.2', '192.0.2.3'].map(address => budget.admit(address))).toEqual([
    true,
    true,
    false,
  ])
  expect(budget.full).toBe(true)
})

test('the addresses of one IPv6 network are one source', () => {
  const budget = new ConnectionBudget({ total: 10, perSource: 1 })

  expect(budget.admit('2001:db8:0:1::5')).toBe(true)
  expect(budget.admit('2001:db8::1:a:b:c:d')).toBe(false)
  expect(budget.admit('2001:db8:0:2::5')).toBe(true)
  expect(budget.admit('2001:db8::5')).toBe(true)
  expect(budget.admit('::1')).toBe(true)
})
