import { describe, expect, test } from 'vitest'
import { seconds, TestClock } from '../../kit/clock.ts'
import type { Binding, RegistrationRecord, RegistrationStore } from '../registration-store.ts'
import { withStore, type Open } from './opened.ts'

const ALICE = 'sip:alice@example.com'

/** A record with one binding, which expires then (Unix time in milliseconds). */
export function recordUntil(expiresAt: number, change: Partial<RegistrationRecord> = {}): RegistrationRecord {
  const binding: Binding = {
    key: 'urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF:1',
    uri: 'sip:alice@192.0.2.1:5060;transport=tcp',
    callId: 'a84b4c76e66710@192.0.2.1',
    cseq: 1,
    expiresAt,
    q: 1,
    params: ';+sip.instance="<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>";reg-id=1;ob',
    paths: ['<sip:token@192.0.2.9:5058;transport=TCP;lr;ob>'],
    impi: 'alice@example.com',
    emergency: false,
  }
  return {
    bindings: [binding],
    subscriptions: {},
    associatedUris: [ALICE, 'tel:+16505550001'],
    notifyCseq: 1,
    scscfUri: 'sip:scscf.example.com:5054;transport=TCP',
    ...change,
  }
}

/** What every registration store promises. */
export function registrationStoreContract(name: string, open: Open<RegistrationStore>): void {
  describe(`registration store: ${name}`, () => {
    test('a record comes back as it was stored', async () => {
      const clock = new TestClock()
      await withStore(open, clock, async ({ store }) => {
        const record = recordUntil(clock.now() + 60_000)

        expect(await store.put(ALICE, record, undefined)).toBe('stored')

        expect((await store.get(ALICE))?.value).toMatchObject(record)
        expect(await store.get('sip:bob@example.com')).toBeUndefined()
      })
    })

    test('a put that names another version than the present one changes nothing', async () => {
      const clock = new TestClock()
      await withStore(open, clock, async ({ store }) => {
        const first = recordUntil(clock.now() + 60_000)
        await store.put(ALICE, first, undefined)
        const version = (await store.get(ALICE))?.version ?? 0
        expect(await store.put(ALICE, { ...first, notifyCseq: 2 }, version)).toBe('stored')

        expect(await store.put(ALICE, { ...first, notifyCseq: 3 }, version)).toBe('conflict')
        expect(await store.put(ALICE, { ...first, notifyCseq: 4 }, undefined)).toBe('conflict')
        expect(await store.put('sip:bob@example.com', first, version)).toBe('conflict')

        expect((await store.get(ALICE))?.value.notifyCseq).toBe(2)
      })
    })

    test('of many puts that race on one version exactly one is stored', async () => {
      const clock = new TestClock()
      await withStore(open, clock, async ({ store }) => {
        await store.put(ALICE, recordUntil(clock.now() + 60_000), undefined)
        const version = (await store.get(ALICE))?.version

        const results = await Promise.all(
          Array.from({ length: 20 }, (_, i) =>
            store.put(ALICE, recordUntil(clock.now() + 60_000, { notifyCseq: 100 + i }), version),
          ),
        )

        expect(results.filter(result => result === 'stored')).toHaveLength(1)
        expect((await store.get(ALICE))?.value.notifyCseq).toBe(100 + results.indexOf('stored'))
      })
    })

    test('writers that read, change and retry on conflict lose no update', async () => {
      const clock = new TestClock()
      await withStore(open, clock, async ({ store }) => {
        await store.put(ALICE, recordUntil(clock.now() + 60_000, { notifyCseq: 0 }), undefined)

        const count = async (): Promise<void> => {
          for (;;) {
            const read = await store.get(ALICE)
            const next = recordUntil(clock.now() + 60_000, { notifyCseq: (read?.value.notifyCseq ?? 0) + 1 })
            if ((await store.put(ALICE, next, read?.version)) === 'stored') return
          }
        }
        await Promise.all(Array.from({ length: 25 }, count))

        expect((await store.get(ALICE))?.value.notifyCseq).toBe(25)
      })
    })

    test('a removal is compare-and-set too, and a version does not come back', async () => {
      const clock = new TestClock()
      await withStore(open, clock, async ({ store }) => {
        const record = recordUntil(clock.now() + 60_000)
        await store.put(ALICE, record, undefined)
        const version = (await store.get(ALICE))?.version ?? 0

        expect(await store.remove(ALICE, version + 1)).toBe('conflict')
        expect(await store.remove(ALICE, version)).toBe('removed')
        expect(await store.get(ALICE)).toBeUndefined()
        expect(await store.remove(ALICE, version)).toBe('conflict')

        expect(await store.put(ALICE, record, undefined)).toBe('stored')
        expect(await store.put(ALICE, record, version)).toBe('conflict')
      })
    })

    test('a record lives at least 10 s beyond its last expiry', async () => {
      const clock = new TestClock()
      await withStore(open, clock, async ({ store }) => {
        await store.put(ALICE, recordUntil(clock.now() + 60_000), undefined)

        clock.advance(seconds(69))

        expect(await store.get(ALICE)).toBeDefined()
      })
    })

    test('what was acknowledged is there after a restart', async () => {
      const clock = new TestClock()
      await withStore(open, clock, async opened => {
        if (opened.reopen === undefined) return
        const record = recordUntil(clock.now() + 60_000)
        await opened.store.put(ALICE, record, undefined)
        await opened.store.put('sip:bob@example.com', record, undefined)
        const bob = await opened.store.get('sip:bob@example.com')
        await opened.store.remove('sip:bob@example.com', bob?.version ?? 0)

        const again = await opened.reopen()

        expect((await again.store.get(ALICE))?.value).toMatchObject(record)
        expect(await again.store.get('sip:bob@example.com')).toBeUndefined()
        await again.close()
      })
    })
  })
}
