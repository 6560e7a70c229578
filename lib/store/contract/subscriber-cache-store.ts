import { describe, expect, test } from 'vitest'
import { TestClock } from '../../kit/clock.ts'
import type { Impi, Impu } from '../../ims/identity.ts'
import type { SubscriberCacheStore } from '../subscriber-cache-store.ts'
import { withStore, type Open } from './opened.ts'

const ALICE = 'alice@example.com' as Impi
const SIP = 'sip:alice@example.com' as Impu
const TEL = 'tel:+16505550001' as Impu
const CHARGING = { ccf: ['aaa://ccf1.example.com'], ecf: [] }
const DIGEST = { ha1: '939e7578ed9e3c518a452acee763bce9', realm: 'example.com', qop: 'auth' }

/** What every cache of homestead promises. */
export function subscriberCacheContract(name: string, open: Open<SubscriberCacheStore>): void {
  const inStore = (use: (store: SubscriberCacheStore) => Promise<void>) => () =>
    withStore(open, new TestClock(), ({ store }) => use(store))

  describe(`subscriber cache: ${name}`, () => {
    test(
      'a new document keeps the registration state and the bound private identities',
      inStore(async store => {
        await store.putSubscription([SIP, TEL], '<IMSSubscription/>', CHARGING)
        expect(await store.getSubscription(TEL)).toEqual({
          xml: '<IMSSubscription/>',
          charging: CHARGING,
          registered: false,
          impis: [],
        })

        await store.setRegistered([SIP, TEL], true, ALICE)
        await store.putSubscription([SIP], '<IMSSubscription>2</IMSSubscription>', { ccf: [], ecf: [] })

        expect(await store.getSubscription(SIP)).toEqual({
          xml: '<IMSSubscription>2</IMSSubscription>',
          charging: { ccf: [], ecf: [] },
          registered: true,
          impis: [ALICE],
        })
      }),
    )

    test(
      'an identity without a document cannot become registered',
      inStore(async store => {
        await store.setRegistered([SIP], true, ALICE)

        expect(await store.getSubscription(SIP)).toBeUndefined()
      }),
    )

    test(
      'changes of one row that touch different columns do not undo each other',
      inStore(async store => {
        await store.putSubscription([SIP], '<a/>', CHARGING)

        await Promise.all([
          store.putSubscription([SIP], '<b/>', CHARGING),
          store.setRegistered([SIP], true, ALICE),
          store.putAuthentication(ALICE, { digest: DIGEST }),
          store.linkImpus(ALICE, [SIP, TEL], []),
        ])

        expect(await store.getSubscription(SIP)).toMatchObject({
          xml: '<b/>',
          registered: true,
          impis: [ALICE],
        })
        expect(await store.getPrivate(ALICE)).toEqual({ digest: DIGEST, impus: [SIP, TEL] })
      }),
    )

    test(
      'links are added once and removed',
      inStore(async store => {
        await store.linkImpus(ALICE, [SIP, TEL], [])
        await store.linkImpus(ALICE, [SIP], [TEL])

        expect((await store.getPrivate(ALICE))?.impus).toEqual([SIP])
      }),
    )

    test(
      'removed rows are gone',
      inStore(async store => {
        await store.putSubscription([SIP, TEL], '<a/>', CHARGING)
        await store.putAuthentication(ALICE, { digest: DIGEST })

        await store.removeSubscriptions([TEL])
        await store.removePrivate(ALICE)

        expect(await store.getSubscription(SIP)).toBeDefined()
        expect(await store.getSubscription(TEL)).toBeUndefined()
        expect(await store.getPrivate(ALICE)).toBeUndefined()
      }),
    )

    test('rows are there after a restart', () =>
      withStore(open, new TestClock(), async opened => {
        if (opened.reopen === undefined) return
        await opened.store.putSubscription([SIP], '<a/>', CHARGING)
        await opened.store.setRegistered([SIP], true, ALICE)

        const again = await opened.reopen()

        expect(await again.store.getSubscription(SIP)).toMatchObject({ registered: true, impis: [ALICE] })
        await again.close()
      }))

    test(
      'wildcards are known until their identity is gone, or is none any more',
      inStore(async store => {
        const [chat, game, plain] = ['sip:chat-!.*!@example.com', 'sip:game-!.*!@example.com', SIP] as Impu[]
        await store.putSubscription([chat, game, plain] as Impu[], '<a/>', CHARGING)
        await store.setWildcards(
          new Map([
            [chat as Impu, 'sip:chat-!.*!@example.com'],
            [game as Impu, 'sip:game-!.*!@example.com'],
            [plain as Impu, undefined],
          ]),
        )
        expect([...(await store.wildcards()).keys()].sort()).toEqual([chat, game])

        await store.removeSubscriptions([chat as Impu])
        await store.setWildcards(new Map([[game as Impu, undefined]]))

        expect((await store.wildcards()).size).toBe(0)
      }),
    )

    test('wildcards outlive a restart', () =>
      withStore(open, new TestClock(), async ({ store, reopen }) => {
        await store.setWildcards(new Map([[SIP, 'sip:!a!@example.com']]))
        if (reopen === undefined) return
        const again = await reopen()

        expect(await again.store.wildcards()).toEqual(new Map([[SIP, 'sip:!a!@example.com']]))
        await again.close()
      }))
  })
}
