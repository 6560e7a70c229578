import { expect, test } from 'vitest'
import { addressIndex, gauge, inOrder, scalar, table } from './mib.ts'
import { compareOids } from './oid.ts'
import { Rate } from './rate.ts'

test('object identifiers are in the order of a walk', () => {
  const oids = [
    [1, 3, 10],
    [1, 3],
    [1, 3, 9, 1],
    [1, 3, 9],
  ]

  expect(oids.toSorted(compareOids)).toEqual([
    [1, 3],
    [1, 3, 9],
    [1, 3, 9, 1],
    [1, 3, 10],
  ])
})

test.each([
  ['192.0.2.1', [1, 4, 192, 0, 2, 1]],
  ['2001:db8::1', [2, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]],
  ['::', [2, 16, ...new Array<number>(16).fill(0)]],
])('the address %s is an index', (address, index) => {
  expect(addressIndex(address)).toEqual(index)
})

test('a gauge keeps within its 32 bits', () => {
  expect([-1, 1.6, 2 ** 33].map(each => gauge(each).value)).toEqual([0, 2, 2 ** 32 - 1])
})

test('scalars and tables have their instances where the original has them', () => {
  const rows = [
    { index: [2], columns: { 3: gauge(5), 2: gauge(4) } },
    { index: [1], columns: { 2: gauge(3) } },
  ]
  const variables = inOrder([
    ...table([1, 7], () => rows).variables(),
    ...scalar([1, 6], () => 9).variables(),
  ])

  expect(variables.map(({ oid, value }) => [oid.join('.'), value.value])).toEqual([
    ['1.6.0', 9],
    ['1.7.1.2.1', 3],
    ['1.7.1.2.2', 4],
    ['1.7.1.3.2', 5],
  ])
})

test('a rate is that of the last complete five seconds', () => {
  let now = 1_800_000_000_000
  const rate = new Rate({ now: () => now })
  rate.add(100)
  expect(rate.perSecond).toBe(0)
  now += 4999
  rate.add(400)
  expect(rate.perSecond).toBe(0)
  now += 1
  rate.add(5)
  expect(rate.perSecond).toBe(100)
  now += 5000
  expect(rate.perSecond).toBe(1)
  now += 10_000
  expect(rate.perSecond).toBe(0)
})
