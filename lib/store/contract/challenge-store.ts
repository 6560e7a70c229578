import { describe, expect, test, vi } from 'vitest'
import { seconds, TestClock } from '../../kit/clock.ts'
import type { Challenge, ChallengeStore } from '../challenge-store.ts'
import { withStore, type Open } from './opened.ts'

const IMPI = 'alice@example.com'

/** A digest challenge of a nonce that expires then (Unix time in milliseconds). */
export function challengeOf(nonce: string, expiresAt: number, nonceCount = 1): Challenge {
  return {
    nonce,
    nonceCount,
    expiresAt,
    realm: 'example.com',
    qop: 'auth',
    impu: 'sip:alice@example.com',
    scscfUri: 'sip:scscf.example.com:5054;transport=TCP',
    secret: { kind: 'digest', ha1: '939e7578ed9e3c518a452acee763bce9' },
  }
}

/** What every challenge store promises. */
export function challengeStoreContract(name: string, open: Open<ChallengeStore>): void {
  describe(`challenge store: ${name}`, () => {
    test('several challenges may be open for one identity', async () => {
      const clock = new TestClock()
      await withStore(open, clock, async ({ store }) => {
        await store.put(IMPI, challengeOf('n1', clock.now() + 40_000))
        await store.put(IMPI, challengeOf('n2', clock.now() + 40_000))

        expect((await store.get(IMPI, 'n1'))?.nonce).toBe('n1')
        expect((await store.get(IMPI, 'n2'))?.nonce).toBe('n2')
        expect(await store.get('bob@example.com', 'n1')).toBeUndefined()
      })
    })

    test('a challenge vanishes at its expiry', async () => {
      const clock = new TestClock()
      await withStore(open, clock, async ({ store }) => {
        await store.put(IMPI, challengeOf('n1', clock.now() + 40_000))

        clock.advance(seconds(39))
        expect(await store.get(IMPI, 'n1')).toBeDefined()
        clock.advance(seconds(1))
        expect(await store.get(IMPI, 'n1')).toBeUndefined()
      })
    })

    test('two answers to one nonce that race cannot both win', async () => {
      const clock = new TestClock()
      await withStore(open, clock, async ({ store }) => {
        await store.put(IMPI, challengeOf('n1', clock.now() + 40_000))

        const next = challengeOf('n1', clock.now() + 300_000, 2)
        const results = await Promise.all([1, 2, 3].map(async () => store.advance(IMPI, next, 1)))

        expect(results.filter(result => result === 'stored')).toHaveLength(1)
        expect((await store.get(IMPI, 'n1'))?.nonceCount).toBe(2)
      })
    })

    test('a nonce that is not open cannot be taken', async () => {
      const clock = new TestClock()
      await withStore(open, clock, async ({ store }) => {
        expect(await store.advance(IMPI, challengeOf('n1', clock.now() + 40_000, 2), 1)).toBe('conflict')
        expect(await store.get(IMPI, 'n1')).toBeUndefined()
      })
    })

    test('all of an identity are removed, and none of them told of', async () => {
      const clock = new TestClock()
      await withStore(open, clock, async ({ store }) => {
        const told: string[] = []
        store.onUnanswered((impi, { nonce }) => told.push(`${impi} ${nonce}`))
        for (const [impi, nonce] of [
          [IMPI, 'n1'],
          [IMPI, 'n2'],
          ['bob@example.com', 'n1'],
        ] as const) {
          await store.put(impi, challengeOf(nonce, clock.now() + 40_000))
        }

        await store.removeAll(IMPI)

        expect(await store.get(IMPI, 'n1')).toBeUndefined()
        expect(await store.get(IMPI, 'n2')).toBeUndefined()
        expect(await store.get('bob@example.com', 'n1')).toBeDefined()
        clock.advance(seconds(60))
        await vi.waitFor(() => expect(told).toEqual(['bob@example.com n1']))
      })
    })

    test('one that nobody has answered is told of once, when its time is over', async () => {
      const clock = new TestClock()
      await withStore(open, clock, async ({ store }) => {
        const told: string[] = []
        store.onUnanswered((impi, { nonce }) => told.push(`${impi} ${nonce}`))
        for (const nonce of ['n1', 'n2', 'n3'])
          await store.put(IMPI, challengeOf(nonce, clock.now() + 40_000))
        await store.advance(IMPI, challengeOf('n1', clock.now() + 300_000, 2), 1)
        await store.advance(IMPI, challengeOf('n2', clock.now(), 2), 1)

        clock.advance(seconds(39))
        expect(told).toEqual([])
        clock.advance(seconds(400))
        await vi.waitFor(() => expect(told).toEqual([`${IMPI} n3`]))
      })
    })
  })
}
