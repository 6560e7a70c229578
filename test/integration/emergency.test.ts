import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contactsIn, phoneAt, registeredPhone } from '../support/calls.ts'
import { Core, DOMAIN } from '../support/core.ts'
import { Nodes } from '../support/nodes.ts'
import type { Phone } from '../support/phone.ts'
import { statusOf, type SipText } from '../support/sip-text.ts'
import { provision, provisionIdentity, subscriber } from '../support/subscribers.ts'

let nodes: Nodes

beforeAll(async () => {
  nodes = await Nodes.start({ allow_emergency_registration: 'Y' })
  const host = nodes.address('homestead')
  const port = nodes.port('provisioning')
  for (const user of ['ann', 'bob', 'eve']) await provision(port, subscriber(user), host)
  const barred = '<BarringIndication>1</BarringIndication>'
  await provisionIdentity(port, subscriber('eve'), `sip:eve@${DOMAIN}`, barred, host)
})
afterAll(() => nodes[Symbol.asyncDispose]())

function emergencyContact(phone: Phone): string {
  return phone.contact.replace('>', ';sos>')
}

function registerForEmergency(phone: Phone, expires = 200): Promise<SipText> {
  return phone.register({ contact: emergencyContact(phone), expires })
}

describe('a registration for emergency calls', () => {
  test('is refused with 503 unless it is allowed', async () => {
    await using core = await Core.start()
    await provision(core.port('provisioning'), subscriber('ann'))
    await using phone = await phoneAt(core, 'ann')

    expect(statusOf(await registerForEmergency(phone))).toBe(503)
  })

  test('stands beside the usual one, and cannot be ended before its time', async () => {
    await using phone = await registeredPhone(nodes, 'ann')

    const both = contactsIn(await registerForEmergency(phone))
    expect(both).toHaveLength(2)

    expect(statusOf(await registerForEmergency(phone, 0))).toBe(501)
    const left = contactsIn(await phone.register({ contact: '*', expires: 0 }))
    expect(left).toHaveLength(1)
    expect(left[0]).toContain(';sos')
  })

  test('lets who is barred be called back, and by nothing else', async () => {
    await using caller = await registeredPhone(nodes, 'bob')
    await using callee = await phoneAt(nodes, 'eve')
    callee.answerAll('MESSAGE', 200)
    const call = async (): Promise<number> =>
      statusOf(await caller.response(caller.send('MESSAGE', callee.aor)))

    expect(statusOf(await callee.register())).toBe(400)
    expect(await call()).toBe(404)
    expect(statusOf(await registerForEmergency(callee))).toBe(200)
    expect(await call()).toBe(200)
  })
})
