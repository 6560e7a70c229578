import { describe, expect, test } from 'vitest'
import type { Impu } from './identity.ts'
import { associatedUris, defaultImpuOf, servedIdentity } from './registered-set.ts'
import type { ImsSubscription, PublicIdentity } from './subscription.ts'

const open = (impu: string): PublicIdentity => ({ impu: impu as Impu, barred: false })
const barred = (impu: string): PublicIdentity => ({ impu: impu as Impu, barred: true })
const of = (...profiles: PublicIdentity[][]): ImsSubscription => ({
  privateId: 'a@x',
  profiles: profiles.map(identities => ({ identities, filterCriteria: [] })),
})

describe('the default identity', () => {
  test('is the first that is not barred, in whichever profile', () => {
    expect(
      defaultImpuOf(of([barred('sip:a@x')], [barred('sip:b@x'), open('sip:c@x'), open('sip:d@x')])),
    ).toBe('sip:c@x')
  })

  test('is none when all are barred, or there is none', () => {
    expect(defaultImpuOf(of([barred('sip:a@x')]))).toBeUndefined()
    expect(defaultImpuOf(of())).toBeUndefined()
  })
})

test('an identity is served by the profile it stands in, barred or not', () => {
  const subscription = of([open('sip:a@x')], [barred('sip:b@x')])
  const found = servedIdentity(subscription, 'sip:b@x' as Impu)
  expect(found?.profile).toBe(subscription.profiles[1])
  expect(found?.identity.barred).toBe(true)
  expect(servedIdentity(subscription, 'sip:c@x' as Impu)).toBeUndefined()
})

test('a user is told of what is neither barred nor a wildcard', () => {
  const wildcard = { ...open('sip:w@x'), wildcard: 'sip:w!.*!@x' }
  expect(associatedUris(of([barred('sip:a@x'), open('sip:b@x'), wildcard], [open('tel:+1')]))).toEqual([
    'sip:b@x',
    'tel:+1',
  ])
})
