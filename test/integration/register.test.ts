import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contactsIn, phoneAt, registeredPhone } from '../support/calls.ts'
import { Core } from '../support/core.ts'
import { freePort } from '../support/ports.ts'
import { statusOf, valueOf, valuesOf } from '../support/sip-text.ts'
import { credentialsField, expectClean, scenario, target } from '../support/sipp-phones.ts'
import { runSipp } from '../support/sipp.ts'
import { provision, provisionMany, subscriber } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'

let core: Core

beforeAll(async () => {
  core = await Core.start()
  const users = ['ann', 'bea', 'cat', 'dan', 'eve', 'fay', 'gus', 'hal', 'ida']
  for (const user of users) await provision(core.port('provisioning'), subscriber(user))
  const many = Array.from({ length: 200 }, (_, index) => subscriber(`many${index}`))
  await provisionMany(core.port('provisioning'), many)
})
afterAll(() => core[Symbol.asyncDispose]())

describe('SIPp registers with a digest challenge', () => {
  test('200 subscribers over UDP', async () => {
    const rows = Array.from({ length: 200 }, (_, index) => `many${index};${credentialsField(`many${index}`)}`)
    const result = await runSipp({
      scenario: scenario('register'),
      target: target(core),
      localPort: await freePort(),
      rows,
      calls: 400,
      callsPerSecond: 200,
    })

    expectClean(result)
    expect(result.successful).toBe(400)
  })

  test('over TCP', async () => {
    const result = await runSipp({
      scenario: scenario('register'),
      transport: 't1',
      target: target(core),
      localPort: await freePort(),
      rows: [`ann;${credentialsField('ann')}`],
      calls: 5,
    })

    expectClean(result)
  })

  test('a wrong password is refused with 403', async () => {
    const result = await runSipp({
      scenario: scenario('register-wrong-password'),
      target: target(core),
      localPort: await freePort(),
      rows: [`ann;${credentialsField('ann', 'guessed')}`],
      calls: 5,
    })

    expectClean(result)
  })
})

describe('what the 200 to REGISTER says', () => {
  test('lists the binding, its lifetime capped at 300 s, the identities and the way back into the core', async () => {
    await using phone = await phoneAt(core, 'bea')

    const answer = await phone.register({ expires: 3600 })

    expect(answer.startLine).toBe('SIP/2.0 200 OK')
    const [contact = ''] = contactsIn(answer)
    expect(contact).toContain(phone.wire.local)
    expect(Number(/expires=(\d+)/.exec(contact)?.[1])).toBe(300)
    expect(valueOf(answer, 'p-associated-uri')).toContain('sip:bea@ims.test')
    expect(valueOf(answer, 'service-route')).toMatch(/^<sip:.*;lr.*;orig/)
    expect(valuesOf(answer, 'p-charging-vector')).toEqual([])
  })

  test('a stranger is refused with 403', async () => {
    await using phone = await phoneAt(core, 'nobody')

    expect(statusOf(await phone.register())).toBe(403)
  })

  test('a registration over WebSocket goes like any other', async () => {
    await using phone = await phoneAt(core, 'cat', 'WS')

    expect(statusOf(await phone.register())).toBe(200)
  })
})

describe('bindings come and go', () => {
  test('two phones of one subscriber are listed together', async () => {
    await using first = await registeredPhone(core, 'dan')
    await using second = await registeredPhone(core, 'dan', 'TCP')

    const contacts = contactsIn(await first.register({ contact: 'none' }))

    expect(contacts).toHaveLength(2)
    expect(contacts.join()).toContain(first.wire.local)
    expect(contacts.join()).toContain(second.wire.local)
  })

  test('registering again renews the binding in place', async () => {
    await using phone = await registeredPhone(core, 'eve')

    const again = await phone.register()

    expect(statusOf(again)).toBe(200)
    expect(contactsIn(again)).toHaveLength(1)
  })

  test('Expires 0 removes the binding it names and no other', async () => {
    await using leaving = await registeredPhone(core, 'fay')
    await using staying = await registeredPhone(core, 'fay')

    const answer = await leaving.register({ expires: 0 })

    expect(statusOf(answer)).toBe(200)
    expect(contactsIn(answer)).toHaveLength(1)
    expect(contactsIn(answer)[0]).toContain(staying.wire.local)
  })

  test('Contact * with Expires 0 removes all of them', async () => {
    await using one = await registeredPhone(core, 'gus')
    await using other = await registeredPhone(core, 'gus')

    const answer = await one.register({ contact: '*', expires: 0 })

    expect(statusOf(answer)).toBe(200)
    expect(contactsIn(answer)).toEqual([])
    expect(statusOf(await other.register({ contact: '*', expires: 60 }))).toBe(400)
  })

  test('a binding that is not renewed ends by itself', async () => {
    await using caller = await registeredPhone(core, 'hal')
    await using phone = await phoneAt(core, 'ida')
    phone.answerAll('MESSAGE', 200)
    await phone.register({ expires: 2 })
    expect(statusOf(await caller.response(caller.send('MESSAGE', phone.aor)))).toBe(200)

    await waitUntil('the binding to end', async () => {
      const answer = await caller.response(caller.send('MESSAGE', phone.aor))
      return statusOf(answer) === 480
    })
  })
})
