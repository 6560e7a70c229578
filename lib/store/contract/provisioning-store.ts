import { describe, expect, test } from 'vitest'
import { TestClock } from '../../kit/clock.ts'
import type { Impi, Impu } from '../../ims/identity.ts'
import type { IrsId, ProfileId, ProvisioningStore, Subscriber } from '../provisioning-store.ts'
import { withStore, type Open } from './opened.ts'

const ALICE = 'alice@example.com' as Impi
const ALICE_PUBLIC = 'sip:alice@example.com' as Impu
const ALICE_TEL = 'tel:+16505550001' as Impu
const CREDENTIALS = { ha1: '939e7578ed9e3c518a452acee763bce9', realm: 'example.com' }
const NO_IRS = '00000000-0000-4000-8000-000000000000' as IrsId
const NO_PROFILE = NO_IRS as string as ProfileId

function subscriber(n: number, change: Partial<Subscriber> = {}): Subscriber {
  return {
    ...CREDENTIALS,
    impi: `${n}@example.com` as Impi,
    impu: `sip:${n}@example.com` as Impu,
    identityXml: `<PublicIdentity><Identity>sip:${n}@example.com</Identity></PublicIdentity>`,
    filterCriteria: '<ServiceProfile/>',
    ...change,
  }
}

async function provisionAlice(store: ProvisioningStore): Promise<{ irs: IrsId; profile: ProfileId }> {
  await store.putPrivate(ALICE, CREDENTIALS)
  const irs = await store.createIrs()
  await store.associate(ALICE, irs)
  const profile = (await store.createProfile(irs)) ?? NO_PROFILE
  await store.putPublic(profile, ALICE_PUBLIC, '<PublicIdentity/>')
  await store.putPublic(profile, ALICE_TEL, '<PublicIdentity/>')
  return { irs, profile }
}

async function listed(store: ProvisioningStore, of: number, chunk: number): Promise<Impu[]> {
  const impus: Impu[] = []
  for await (const batch of store.publicUsers({ of, chunk })) impus.push(...batch.map(user => user.impu))
  return impus
}

/** What every subscriber database promises. */
export function provisioningStoreContract(name: string, open: Open<ProvisioningStore>): void {
  const inStore = (use: (store: ProvisioningStore) => Promise<void>) => () =>
    withStore(open, new TestClock(), ({ store }) => use(store))

  describe(`provisioning store: ${name}`, () => {
    test(
      'associations are seen from both sides',
      inStore(async store => {
        const { irs, profile } = await provisionAlice(store)

        expect(await store.getPrivate(ALICE)).toEqual({ ...CREDENTIALS, irss: [irs] })
        expect(await store.getIrs(irs)).toEqual({ impis: [ALICE], profiles: [profile] })
        expect(await store.getProfile(profile)).toEqual({ irs, impus: [ALICE_PUBLIC, ALICE_TEL] })
        expect(await store.getPublic(ALICE_TEL)).toMatchObject({ irs, profile, xml: '<PublicIdentity/>' })
      }),
    )

    test(
      'new credentials leave the associations, and an old plaintext password does not outlive them',
      inStore(async store => {
        await store.putPrivate(ALICE, { ...CREDENTIALS, plaintextPassword: 's3cret' })
        const irs = await store.createIrs()
        await store.associate(ALICE, irs)

        await store.putPrivate(ALICE, { ...CREDENTIALS, ha1: 'b0a4' })

        expect(await store.getPrivate(ALICE)).toEqual({ ...CREDENTIALS, ha1: 'b0a4', irss: [irs] })
      }),
    )

    test(
      'what names something unknown changes nothing and says so',
      inStore(async store => {
        await store.putPrivate(ALICE, CREDENTIALS)
        const irs = await store.createIrs()

        expect(await store.associate(ALICE, NO_IRS)).toBe(false)
        expect(await store.associate('bob@example.com' as Impi, irs)).toBe(false)
        expect(await store.dissociate(ALICE, NO_IRS)).toBe(false)
        expect(await store.createProfile(NO_IRS)).toBeUndefined()
        expect(await store.putPublic(NO_PROFILE, ALICE_PUBLIC, '<PublicIdentity/>')).toBe(false)
        expect(await store.putFilterCriteria(NO_PROFILE, '<ServiceProfile/>')).toBe(false)
        expect(await store.removeProfile(NO_PROFILE)).toBe(false)
        expect(await store.removeIrs(NO_IRS)).toBe(false)
        expect(await store.removePublic(ALICE_PUBLIC)).toBe(false)
        expect(await store.removePrivate('bob@example.com' as Impi)).toBe(false)

        expect(await store.getIrs(irs)).toEqual({ impis: [], profiles: [] })
      }),
    )

    test(
      'a public identity that is put into another profile moves',
      inStore(async store => {
        const { irs, profile } = await provisionAlice(store)
        const other = (await store.createProfile(irs)) ?? NO_PROFILE

        await store.putPublic(other, ALICE_TEL, '<PublicIdentity/>')

        expect((await store.getProfile(profile))?.impus).toEqual([ALICE_PUBLIC])
        expect((await store.getProfile(other))?.impus).toEqual([ALICE_TEL])
        expect((await store.getPublic(ALICE_TEL))?.profile).toBe(other)
      }),
    )

    test(
      'a set that goes takes its profiles and public identities along, and lets its private ones go',
      inStore(async store => {
        const { irs, profile } = await provisionAlice(store)

        expect(await store.removeIrs(irs)).toBe(true)

        expect(await store.getProfile(profile)).toBeUndefined()
        expect(await store.getPublic(ALICE_PUBLIC)).toBeUndefined()
        expect((await store.getPrivate(ALICE))?.irss).toEqual([])
      }),
    )

    test(
      'a private identity that goes leaves its sets',
      inStore(async store => {
        const { irs } = await provisionAlice(store)

        expect(await store.removePrivate(ALICE)).toBe(true)

        expect((await store.getIrs(irs))?.impis).toEqual([])
      }),
    )

    test(
      'the parts of the ring hold every public identity exactly once',
      inStore(async store => {
        const all = await Promise.all(
          Array.from({ length: 700 }, async (_, i) => {
            await store.putSubscriber(subscriber(i))
            return `sip:${i}@example.com`
          }),
        )

        const parts = await Promise.all([0, 1, 2, 3, 4, 5, 6].map(chunk => listed(store, 7, chunk)))

        expect(parts.flat().toSorted()).toEqual(all.toSorted())
        expect(await listed(store, 1, 0)).toHaveLength(700)
        // Evenly: a part of about 100 that held fewer than 50 or more than 150 would be no equal part.
        for (const part of parts) expect(Math.abs(part.length - 100)).toBeLessThan(50)
      }),
    )

    test(
      'a subscriber is created once, then found unchanged or updated',
      inStore(async store => {
        const created = await store.putSubscriber(subscriber(1))
        expect(created.result).toBe('created')
        expect(await store.putSubscriber(subscriber(1))).toEqual({ ...created, result: 'unchanged' })
        expect(await store.putSubscriber(subscriber(1, { ha1: 'b0a4' }))).toEqual({
          ...created,
          result: 'updated',
        })
        expect((await store.getPrivate('1@example.com' as Impi))?.ha1).toBe('b0a4')

        const other = subscriber(1, { impi: 'thief@example.com' as Impi })
        expect(await store.putSubscriber(other)).toEqual({ result: 'conflict' })
        expect(await store.getPrivate('thief@example.com' as Impi)).toBeUndefined()
      }),
    )

    test(
      'of several who want one public identity at the same time one gets it',
      inStore(async store => {
        const rivals = Array.from({ length: 8 }, (_, i) =>
          subscriber(1, { impi: `rival${i}@example.com` as Impi }),
        )

        const outcomes = await Promise.all(rivals.map(each => store.putSubscriber(each)))

        const winner = outcomes.findIndex(({ result }) => result === 'created')
        expect(outcomes.filter(({ result }) => result === 'conflict')).toHaveLength(7)
        const known = await store.getPublic('sip:1@example.com' as Impu)
        const privates = await Promise.all(rivals.map(({ impi }) => store.getPrivate(impi)))
        expect(privates.map(each => each !== undefined)).toEqual(rivals.map((_, i) => i === winner))
        expect(privates[winner]?.irss).toEqual([known?.irs])
      }),
    )

    test('everything is there after a restart', () =>
      withStore(open, new TestClock(), async opened => {
        if (opened.reopen === undefined) return
        const { irs, profile } = await provisionAlice(opened.store)
        await opened.store.putFilterCriteria(profile, '<ServiceProfile>ü</ServiceProfile>')

        const again = await opened.reopen()

        expect((await again.store.getPrivate(ALICE))?.irss).toEqual([irs])
        expect((await again.store.getProfile(profile))?.filterCriteria).toBe(
          '<ServiceProfile>ü</ServiceProfile>',
        )
        expect(await listed(again.store, 1, 0)).toHaveLength(2)
        await again.close()
      }))
  })
}
