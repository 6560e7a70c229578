import { expect, test } from 'vitest'
import { seconds, TestClock } from '../kit/clock.ts'
import { challengeOf } from './contract/challenge-store.ts'
import { MemoryChallengeStore } from './memory-challenges.ts'

test('at the bound the oldest challenge makes room, and one used again counts as young', () => {
  const clock = new TestClock()
  const store = new MemoryChallengeStore({ clock, max: 3 })
  for (const nonce of ['n1', 'n2', 'n3']) store.put('a@x', challengeOf(nonce, clock.now() + 40_000))
  store.advance('a@x', challengeOf('n1', clock.now() + 40_000, 2), 1)

  store.put('b@x', challengeOf('n4', clock.now() + 40_000))

  expect(store.size).toBe(3)
  expect(store.get('a@x', 'n2')).toBeUndefined()
  expect(store.get('a@x', 'n1')).toBeDefined()
})

test('expired challenges leave by themselves', () => {
  const clock = new TestClock()
  const store = new MemoryChallengeStore({ clock })
  for (let i = 0; i < 100; i++) store.put(`${i}@x`, challengeOf(`n${i}`, clock.now() + 40_000))

  clock.advance(seconds(20))
  for (let i = 0; i < 50; i++) store.put(`${i}@y`, challengeOf(`m${i}`, clock.now() + 40_000))

  clock.advance(seconds(30))
  expect(store.size).toBe(50)
  clock.advance(seconds(30))
  expect(store.size).toBe(0)
})
