import { describe, expect, test } from 'vitest'
import type { Impi } from '../../ims/identity.ts'
import { TestClock } from '../../kit/clock.ts'
import type { AkaStore } from '../aka-store.ts'
import { withStore, type Open } from './opened.ts'

const ALICE = 'alice@example.com' as Impi
const KEY = { k: '00'.repeat(16), opc: 'ff'.repeat(16), amf: '8000' }

/** What every AkaStore promises. */
export function akaStoreContract(backend: string, open: Open<AkaStore>): void {
  const on = (use: Parameters<typeof withStore<AkaStore>>[2]) => () => withStore(open, new TestClock(), use)

  describe(`AkaStore: ${backend}`, () => {
    test(
      'gives the key with the number that was taken',
      on(async ({ store }) => {
        await store.put(ALICE, KEY, 7n)

        expect(await store.advance(ALICE, sqn => sqn + 1n)).toMatchObject({ key: KEY, sqn: 8n })
        expect(await store.advance(ALICE, sqn => sqn + 1n)).toMatchObject({ sqn: 9n })
      }),
    )

    test(
      'gives each of many at once a number of its own',
      on(async ({ store }) => {
        await store.put(ALICE, KEY, 0n)

        const taken = await Promise.all(
          Array.from({ length: 50 }, () => store.advance(ALICE, sqn => sqn + 1n)),
        )

        expect(new Set(taken.map(each => each?.sqn)).size).toBe(50)
      }),
    )

    test(
      'leaves the number as it is when there is no next',
      on(async ({ store }) => {
        await store.put(ALICE, KEY, 7n)

        expect(await store.advance(ALICE, () => undefined)).toBeUndefined()
        expect(await store.advance(ALICE, sqn => sqn)).toMatchObject({ sqn: 7n })
      }),
    )

    test(
      'goes on with the number that was, where a new key comes without one',
      on(async ({ store }) => {
        await store.put(ALICE, KEY)
        expect(await store.advance(ALICE, sqn => sqn + 5n)).toMatchObject({ sqn: 5n })
        await store.put(ALICE, { ...KEY, amf: '0000' })

        expect(await store.advance(ALICE, sqn => sqn + 1n)).toMatchObject({ key: { amf: '0000' }, sqn: 6n })
      }),
    )

    test(
      'knows nothing of a key that is gone or never was',
      on(async ({ store }) => {
        await store.put(ALICE, KEY, 7n)
        await store.remove(ALICE)
        await store.remove(ALICE)

        expect(await store.advance(ALICE, sqn => sqn + 1n)).toBeUndefined()
      }),
    )

    test(
      'never gives a number again, also after a restart',
      on(async opened => {
        await opened.store.put(ALICE, KEY, (1n << 47n) - 1n)
        await opened.store.advance(ALICE, sqn => sqn + 1n)
        if (opened.reopen === undefined) return
        const { store, close } = await opened.reopen()

        expect(await store.advance(ALICE, sqn => sqn + 1n)).toMatchObject({ sqn: (1n << 47n) + 1n })
        await close()
      }),
    )
  })
}
