import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Binding, RegistrationRecord, Subscription } from '../registration-store.ts'
import { recordUntil } from '../contract/registration-store.ts'
import { comparable, emptied, isEmptied, merged, remembersUntil, withHistory } from './history.ts'

const NOW = 1_800_000_000_000
const MINUTE = 60_000

function binding(key: string, expiresAt: number, change: Partial<Binding> = {}): Binding {
  const [first] = recordUntil(expiresAt).bindings
  if (first === undefined) throw new Error('a record without a binding')
  return { ...first, key, uri: `sip:${key}@192.0.2.1`, ...change }
}

function recordOf(
  bindings: readonly Binding[],
  now: number,
  before?: RegistrationRecord,
): RegistrationRecord {
  return withHistory({ ...(before ?? recordUntil(0)), bindings }, now)
}

const keysOf = ({ bindings }: RegistrationRecord): readonly string[] => bindings.map(({ key }) => key)

test('what either site has added is in both', () => {
  const before = recordOf([binding('a', NOW + 10 * MINUTE)], NOW)
  const east = recordOf([...before.bindings, binding('b', NOW + 11 * MINUTE)], NOW + 1, before)
  const west = recordOf([...before.bindings, binding('c', NOW + 12 * MINUTE)], NOW + 2, before)

  const both = merged(east, west, NOW + MINUTE)

  expect(keysOf(both)).toEqual(['a', 'b', 'c'])
  expect(merged(west, east, NOW + MINUTE)).toEqual(both)
})

test('what one site has removed does not come back from the other', () => {
  const before = recordOf([binding('a', NOW + 10 * MINUTE), binding('b', NOW + 10 * MINUTE)], NOW)
  const east = recordOf(before.bindings.slice(1), NOW + 1, before)

  for (const both of [merged(east, before, NOW + 2), merged(before, east, NOW + 2)])
    expect(keysOf(both)).toEqual(['b'])
})

test('nor does all of it, and who registers anew is registered', () => {
  const before = recordOf([binding('a', NOW + 10 * MINUTE)], NOW)
  const east = emptied(before, NOW + 1)
  expect(isEmptied(merged(before, east, NOW + 2))).toBe(true)
  expect(remembersUntil(east)).toBe(NOW + 10 * MINUTE)

  const again = recordOf([binding('a', NOW + 20 * MINUTE)], NOW + 3, east)

  expect(keysOf(merged(before, again, NOW + 4))).toEqual(['a'])
  expect(merged(before, again, NOW + 4).bindings[0]?.expiresAt).toBe(NOW + 20 * MINUTE)
})

test('a change is newer than the one before it, whatever the clock says', () => {
  const ahead = recordOf([binding('a', NOW + 10 * MINUTE)], NOW + MINUTE)

  const removed = emptied(ahead, NOW)

  expect(isEmptied(merged(ahead, removed, NOW))).toBe(true)
})

test('what has expired stays where it is to be told of, and does not come from elsewhere', () => {
  const record = recordOf([binding('a', NOW + MINUTE)], NOW)
  const other = recordOf([binding('b', NOW + 10 * MINUTE)], NOW)
  const later = NOW + 2 * MINUTE

  expect(keysOf(merged(record, other, later))).toEqual(['a', 'b'])
  expect(keysOf(merged(other, record, later))).toEqual(['b'])
  expect(comparable(merged(record, other, later), later)).toBe(
    comparable(merged(other, record, later), later),
  )
})

test('a removal is forgotten when what was removed would have expired', () => {
  const before = recordOf([binding('a', NOW + MINUTE), binding('b', NOW + 10 * MINUTE)], NOW)
  const without = recordOf(before.bindings.slice(1), NOW + 1, before)
  expect(Object.keys(without.history?.entries ?? {})).toEqual(['binding:b', 'binding:a'])

  const later = withHistory(without, NOW + 2 * MINUTE)

  expect(Object.keys(later.history?.entries ?? {})).toEqual(['binding:b'])
})

test('a record without a history gives way to one that has it, and adds what that one lacks', () => {
  const old = recordUntil(0, { bindings: [binding('a', NOW + MINUTE), binding('b', NOW + MINUTE)] })
  const renewed = recordOf([binding('a', NOW + 10 * MINUTE)], NOW)

  const both = merged(old, renewed, NOW)

  expect(both.bindings.map(({ key, expiresAt }) => [key, expiresAt])).toEqual([
    ['a', NOW + 10 * MINUTE],
    ['b', NOW + MINUTE],
  ])
})

test('watchers are merged too, and the number of their next document never falls', () => {
  const watcher: Subscription = {
    ...{ requestUri: 'sip:a', fromUri: 'sip:w', fromTag: '1', toUri: 'sip:a', toTag: 't', callId: 'c' },
    ...{ routes: [], expiresAt: NOW + MINUTE, cseq: 1, version: 5 },
  }
  const east = withHistory({ ...recordUntil(0), subscriptions: { t: watcher }, notifyCseq: 5 }, NOW)
  const renewed = { ...watcher, expiresAt: NOW + 2 * MINUTE, cseq: 2, version: 3 }
  const west = withHistory({ ...east, subscriptions: { t: renewed, u: watcher }, notifyCseq: 3 }, NOW + 1)

  const both = merged(east, west, NOW + 2)

  expect(both.subscriptions).toEqual({ t: { ...renewed, version: 5 }, u: watcher })
  expect(both.notifyCseq).toBe(5)
})

/** What phones do at either site, and when the sites hear of each other. */
type Step =
  | { readonly do: 'register' | 'remove'; readonly at: 0 | 1; readonly key: string; readonly minutes: number }
  | { readonly do: 'empty' | 'hear'; readonly at: 0 | 1; readonly key?: undefined }

const site = fc.constantFrom<0 | 1>(0, 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constantFrom('register' as const, 'remove' as const),
    at: site,
    key: fc.constantFrom('a', 'b', 'c'),
    minutes: fc.integer({ min: 5, max: 60 }),
  }),
  fc.record({ do: fc.constantFrom('empty' as const, 'hear' as const), at: site }),
)

test('two sites that have heard of each other have the same, and each phone what it did last', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      let now = NOW
      const sites = [recordOf([], now), recordOf([], now)]
      const last = new Map<string, boolean>()
      for (const each of steps) {
        now += 1000
        const own = sites[each.at] as RegistrationRecord
        if (each.do === 'hear') {
          sites[each.at] = merged(own, sites[1 - each.at] as RegistrationRecord, now)
          continue
        }
        if (each.key === undefined) {
          for (const key of keysOf(own)) last.set(key, false)
          sites[each.at] = emptied(own, now)
          continue
        }
        const others = own.bindings.filter(({ key }) => key !== each.key)
        if (each.do === 'register') {
          last.set(each.key, true)
          sites[each.at] = recordOf(
            [...others, binding(each.key, now + each.minutes * MINUTE, { cseq: now })],
            now,
            own,
          )
        } else if (others.length < own.bindings.length) {
          last.set(each.key, false)
          sites[each.at] = recordOf(others, now, own)
        }
      }
      const [east, west] = sites as [RegistrationRecord, RegistrationRecord]
      const one = merged(east, west, now)
      expect(merged(west, east, now)).toEqual({ ...one, scscfUri: one.scscfUri })
      expect(comparable(merged(one, west, now), now)).toEqual(comparable(one, now))
      const registered = [...last].filter(([, isIn]) => isIn).map(([key]) => key)
      expect(keysOf(one).toSorted()).toEqual(registered.toSorted())
    }),
  )
})
