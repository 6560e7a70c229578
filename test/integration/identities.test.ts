import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { phoneAt, registeredPhone } from '../support/calls.ts'
import { Core } from '../support/core.ts'
import type { Phone } from '../support/phone.ts'
import { watch } from '../support/reginfo.ts'
import { statusOf, valueOf } from '../support/sip-text.ts'
import { provision, provisionIdentity, subscriber } from '../support/subscribers.ts'

let core: Core
const BARRED = '<BarringIndication>1</BarringIndication>'
const WILDCARD = '<Extension><IdentityType>3</IdentityType></Extension>'

beforeAll(async () => {
  core = await Core.start()
  const port = core.port('provisioning')
  for (const user of ['ann', 'bea', 'cat', 'dan']) await provision(port, subscriber(user))
  await provisionIdentity(port, subscriber('bea'), 'tel:+16505550101')
  await provisionIdentity(port, subscriber('bea'), 'sip:beatrice@ims.test')
  await provisionIdentity(port, subscriber('bea'), 'sip:secret@ims.test', BARRED)
  await provisionIdentity(port, subscriber('cat'), 'sip:room-!\\d{2}!@ims.test', WILDCARD)
  await provisionIdentity(port, subscriber('dan'), 'sip:dan@ims.test', BARRED)
  await provisionIdentity(port, subscriber('dan'), 'sip:daniel@ims.test')
})
afterAll(() => core[Symbol.asyncDispose]())

/** Rings a phone by one of its names. @returns the status the caller got, after the callee has answered */
async function ring(caller: Phone, uri: string, callee: Phone): Promise<number> {
  callee.answerAll('MESSAGE', 200)
  return statusOf(await caller.response(caller.send('MESSAGE', uri)))
}

describe('an implicit registration set', () => {
  test('is registered as a whole; what is barred is not told', async () => {
    await using phone = await phoneAt(core, 'bea')

    const answer = await phone.register()

    expect(valueOf(answer, 'p-associated-uri')).toBe(
      '<sip:bea@ims.test>, <sip:beatrice@ims.test>, <tel:+16505550101>',
    )
  })

  test.for([
    'sip:bea@ims.test',
    'sip:beatrice@ims.test',
    'tel:+16505550101',
    'sip:+16505550101@ims.test;user=phone',
  ])('rings by %s', async uri => {
    await using caller = await registeredPhone(core, 'ann')
    await using callee = await registeredPhone(core, 'bea')

    expect(await ring(caller, uri, callee)).toBe(200)
  })

  test('speaks by any of its names, and by no barred one', async () => {
    await using caller = await registeredPhone(core, 'bea')
    await using callee = await registeredPhone(core, 'ann')
    callee.answerAll('MESSAGE', 200)

    const by = async (uri: string): Promise<number> =>
      statusOf(
        await caller.response(
          caller.send('MESSAGE', callee.aor, { headers: [['P-Preferred-Identity', `<${uri}>`]] }),
        ),
      )

    expect(await by('sip:beatrice@ims.test')).toBe(200)
    expect(valueOf(await callee.request('MESSAGE'), 'p-asserted-identity')).toContain('sip:beatrice@ims.test')
    expect(await by('tel:+16505550101')).toBe(200)
    expect(await by('sip:secret@ims.test')).toBe(403)
  })
})

describe('a barred identity', () => {
  test('cannot be called', async () => {
    await using caller = await registeredPhone(core, 'ann')
    await using callee = await registeredPhone(core, 'bea')

    expect(await ring(caller, 'sip:secret@ims.test', callee)).toBe(404)
  })

  test('makes the next one the default where it is the first', async () => {
    await using phone = await phoneAt(core, 'dan')

    const answer = await phone.register()

    expect(statusOf(answer)).toBe(200)
    expect(valueOf(answer, 'p-associated-uri')).toBe('<sip:daniel@ims.test>')
  })
})

describe('a wildcarded identity', () => {
  test('rings by every name it stands for, and by no other', async () => {
    await using caller = await registeredPhone(core, 'ann')
    await using callee = await registeredPhone(core, 'cat')

    expect(await ring(caller, 'sip:room-12@ims.test', callee)).toBe(200)
    expect(valueOf(await callee.request('MESSAGE'), 'p-called-party-id')).toBe('<sip:room-12@ims.test>')
    expect(await ring(caller, 'sip:room-123@ims.test', callee)).toBe(404)
  })

  test('is told to who watches the registration', async () => {
    await using phone = await registeredPhone(core, 'cat')

    const { told } = await watch(phone, phone.aor)

    const [named, wildcarded] = told.registrations
    expect(told.registrations.map(({ aor }) => aor)).toEqual([phone.aor, 'sip:wildcardimpu@wildcard'])
    expect(wildcarded).toMatchObject({ state: 'active', contacts: named?.contacts })
  })

  test('is not told to the phone', async () => {
    await using phone = await phoneAt(core, 'cat')

    expect(valueOf(await phone.register(), 'p-associated-uri')).toBe('<sip:cat@ims.test>')
  })
})
