import { describe, expect, test } from 'vitest'
import type { Impu } from '../../ims/identity.ts'
import { minutes, seconds, TestClock } from '../../kit/clock.ts'
import type { CallFragment, CallListStore, FragmentKind } from '../call-list-store.ts'
import { withStore, type Open } from './opened.ts'

const ALICE = 'sip:alice@example.com' as Impu
const BOB = 'sip:bob@example.com' as Impu

export function fragmentOf(
  timestamp: string,
  id: string,
  kind: FragmentKind,
  xml = `<${kind}/>`,
): CallFragment {
  return { timestamp, id, kind, xml }
}

/** What every call list store promises. */
export function callListStoreContract(name: string, open: Open<CallListStore>): void {
  describe(`call list store: ${name}`, () => {
    test('fragments come back in the order in which calls began, each to its own identity', () =>
      withStore(open, new TestClock(), async ({ store }) => {
        const late = fragmentOf('20260102000000', '1', 'rejected')
        const end = fragmentOf('20260101000000', '2', 'end')
        const begin = fragmentOf('20260101000000', '2', 'begin', '<to><URI>sip:ü😀@x</URI></to>')
        const first = fragmentOf('20260101000000', '1', 'begin')
        await Promise.all([late, end, begin, first].map(each => store.add(ALICE, each, minutes(1))))
        await store.add(BOB, first, minutes(1))

        expect(await store.fragments(ALICE)).toEqual([first, begin, end, late])
        expect(await store.fragments(BOB)).toEqual([first])
        expect(await store.fragments('sip:nobody@example.com' as Impu)).toEqual([])
      }))

    test('a fragment that is added again replaces the one that was there', () =>
      withStore(open, new TestClock(), async ({ store }) => {
        await store.add(ALICE, fragmentOf('20260101000000', '1', 'end', '<a/>'), minutes(1))
        await store.add(ALICE, fragmentOf('20260101000000', '1', 'end', '<b/>'), minutes(1))

        expect(await store.fragments(ALICE)).toEqual([fragmentOf('20260101000000', '1', 'end', '<b/>')])
      }))

    test('a fragment vanishes after its time, and no other does', async () => {
      const clock = new TestClock()
      await withStore(open, clock, async ({ store }) => {
        const short = fragmentOf('20260101000000', '1', 'rejected')
        const long = fragmentOf('20260101000000', '2', 'rejected')
        await store.add(ALICE, short, seconds(3))
        await store.add(ALICE, long, seconds(120))

        expect(await store.fragments(ALICE)).toEqual([short, long])
        clock.advance(seconds(4))
        // One that has a clock of its own takes its time.
        await expect.poll(() => store.fragments(ALICE), { timeout: 10_000 }).toEqual([long])
      })
    })

    test('fragments are removed one by one, also those that are not there', () =>
      withStore(open, new TestClock(), async ({ store }) => {
        const begin = fragmentOf('20260101000000', '1', 'begin')
        const end = fragmentOf('20260101000000', '1', 'end')
        await store.add(ALICE, begin, minutes(1))
        await store.add(ALICE, end, minutes(1))
        await store.add(BOB, begin, minutes(1))

        await store.remove(ALICE, [begin, fragmentOf('20260101000000', '9', 'begin')])
        await store.remove(ALICE, [])

        expect(await store.fragments(ALICE)).toEqual([end])
        expect(await store.fragments(BOB)).toEqual([begin])
      }))

    test('fragments are there after a restart', () =>
      withStore(open, new TestClock(), async opened => {
        if (opened.reopen === undefined) return
        const begin = fragmentOf('20260101000000', '1', 'begin')
        await opened.store.add(ALICE, begin, minutes(1))

        const again = await opened.reopen()

        expect(await again.store.fragments(ALICE)).toEqual([begin])
        await again.close()
      }))
  })
}
