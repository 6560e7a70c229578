import { describe, expect, test } from 'vitest'
import type { Impu } from '../../ims/identity.ts'
import { TestClock } from '../../kit/clock.ts'
import type { Account, AccountStore, Line, PooledNumber } from '../account-store.ts'
import { withStore, type Open } from './opened.ts'

const ALICE: Account = {
  email: 'alice@example.com',
  passwordHash: '$2b$10$abcdefghijklmnopqrstuu',
  fullName: 'Alice Example',
  expiresAt: 1_800_000_000_000,
  recovery: { token: 'dG9rZW4=', createdAt: 1_700_000_000_000 },
}
const BOB: Account = { email: 'bob@example.com', passwordHash: '$2b$10$x', fullName: 'Bob' }

function numbers(count: number, isPstn = false, from = 6505550001): readonly PooledNumber[] {
  return Array.from({ length: count }, (_, index) => ({
    uri: `sip:${from + index}@example.com` as Impu,
    isPstn,
  }))
}

async function listed(store: AccountStore): Promise<readonly string[]> {
  const uris: string[] = []
  for await (const lines of store.listedLines()) uris.push(...lines.map(({ uri }) => uri))
  return uris.toSorted()
}

/** What every store of accounts and numbers promises. */
export function accountStoreContract(name: string, open: Open<AccountStore>): void {
  const withAccounts = (use: (store: AccountStore) => Promise<void>) => () =>
    withStore(open, new TestClock(), ({ store }) => use(store))

  describe(`account store: ${name}`, () => {
    test(
      'an account comes back as it was made, changed, and is gone when it is removed',
      withAccounts(async store => {
        expect(await store.createAccount(ALICE)).toBe('created')
        expect(await store.createAccount(BOB)).toBe('created')
        expect(await store.getAccount(ALICE.email)).toEqual(ALICE)
        expect(await store.getAccount(BOB.email)).toEqual(BOB)

        const { recovery: _, ...changed } = { ...ALICE, passwordHash: '$2b$10$new' }
        expect(await store.replaceAccount(changed)).toBe(true)
        expect(await store.getAccount(ALICE.email)).toEqual(changed)
        expect(await store.replaceAccount({ ...BOB, email: 'nobody@example.com' })).toBe(false)

        expect(await store.removeAccount(ALICE.email)).toBe(true)
        expect(await store.removeAccount(ALICE.email)).toBe(false)
        expect(await store.getAccount(ALICE.email)).toBeUndefined()
        expect(await store.getAccount('nobody@example.com')).toBeUndefined()
      }),
    )

    test(
      'an address that many sign up with at once is one account',
      withAccounts(async store => {
        const results = await Promise.all(
          Array.from({ length: 8 }, (_, index) => store.createAccount({ ...BOB, fullName: `Bob ${index}` })),
        )

        expect(results.filter(result => result === 'created')).toHaveLength(1)
        expect((await store.getAccount(BOB.email))?.fullName).toBe(`Bob ${results.indexOf('created')}`)
        expect(await store.createAccount(BOB)).toBe('taken')
      }),
    )

    test(
      'those that have expired are found',
      withAccounts(async store => {
        await store.createAccount(ALICE)
        await store.createAccount(BOB)
        await store.createAccount({ ...BOB, email: 'carol@example.com', expiresAt: 1_900_000_000_000 })

        expect(await store.expiredBefore(1_850_000_000_000)).toEqual([ALICE.email])
        expect(await store.expiredBefore(1_800_000_000_000)).toEqual([])
      }),
    )

    test(
      'the pool gives each number once, of the kind that is asked for, until it is empty',
      withAccounts(async store => {
        expect(await store.addNumbers([...numbers(5), ...numbers(1, true, 6505559001)])).toBe(6)
        expect(await store.addNumbers(numbers(6))).toBe(1)

        const given = await Promise.all(
          Array.from({ length: 8 }, (_, index) => store.allocate(`owner${index}@example.com`, false)),
        )

        const lines = given.filter((line): line is Line => line !== undefined)
        expect(new Set(lines.map(({ uri }) => uri)).size).toBe(6)
        for (const line of lines)
          expect(line).toMatchObject({ isPstn: false, isSpecified: false, isListed: true })
        for (const { owner = '', uri } of lines)
          expect((await store.linesOf(owner)).map(each => each.uri)).toEqual([uri])
        expect(await store.allocate('late@example.com', false)).toBeUndefined()
        expect((await store.allocate('late@example.com', true))?.isPstn).toBe(true)
      }),
    )

    test(
      'a number that is asked for by name has one owner, and goes away when it is given back',
      withAccounts(async store => {
        await store.addNumbers(numbers(1))
        const [pooled] = numbers(1)
        const own: PooledNumber = { uri: 'sip:alice@example.com' as Impu, isPstn: false }
        if (pooled === undefined) throw new Error('no number')

        const results = await Promise.all(
          Array.from({ length: 6 }, (_, index) => store.take(`rival${index}@example.com`, own)),
        )
        const [won, ...more] = results.filter(result => result !== 'taken')
        expect(more).toEqual([])
        expect(won).toMatchObject({ uri: own.uri, isSpecified: true })
        expect(await store.take(ALICE.email, pooled)).toMatchObject({
          owner: ALICE.email,
          isSpecified: false,
        })
        expect(await store.allocate(BOB.email, false)).toBeUndefined()

        const winner = won?.owner ?? ''
        expect(await store.giveBack(BOB.email, own.uri)).toBe(false)
        expect(await store.giveBack(winner, own.uri)).toBe(true)
        expect(await store.giveBack(winner, own.uri)).toBe(false)
        expect(await store.linesOf(winner)).toEqual([])
        expect(await store.allocate(BOB.email, false)).toBeUndefined()

        expect(await store.giveBack(ALICE.email, pooled.uri)).toBe(true)
        expect((await store.allocate(BOB.email, false))?.uri).toBe(pooled.uri)
        expect(await store.take(ALICE.email, own)).toMatchObject({ owner: ALICE.email })
      }),
    )

    test(
      'lines are in order, and in the address book as long as their owner wants',
      withAccounts(async store => {
        await store.addNumbers([...numbers(3), ...numbers(1, true, 6505559001)])
        for (const isPstn of [false, true, false]) await store.allocate(ALICE.email, isPstn)
        const lines = await store.linesOf(ALICE.email)
        expect(lines.map(({ isPstn }) => isPstn)).toEqual([true, false, false])
        const [first, second, third] = lines.map(({ uri }) => uri) as [Impu, Impu, Impu]
        expect(second < third).toBe(true)

        expect(await listed(store)).toEqual([first, second, third].toSorted())
        expect(await store.list(ALICE.email, second, false)).toBe(true)
        expect(await store.list(BOB.email, third, false)).toBe(false)

        expect(await listed(store)).toEqual([first, third].toSorted())
        expect((await store.linesOf(ALICE.email))[1]?.isListed).toBe(false)
        await store.giveBack(ALICE.email, first)
        expect(await listed(store)).toEqual([third])
      }),
    )

    test('what was acknowledged is there after a restart', async () => {
      await withStore(open, new TestClock(), async opened => {
        if (opened.reopen === undefined) return
        await opened.store.createAccount(ALICE)
        await opened.store.addNumbers(numbers(2))
        const line = await opened.store.allocate(ALICE.email, false)

        const again = await opened.reopen()

        expect(await again.store.getAccount(ALICE.email)).toEqual(ALICE)
        expect(await again.store.linesOf(ALICE.email)).toEqual([line])
        expect((await again.store.allocate(BOB.email, false))?.uri).not.toBe(line?.uri)
        await again.close()
      })
    })
  })
}
