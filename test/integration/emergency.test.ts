import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApplicationServer } from '../support/application-server.ts'
import { contactsIn, phoneAt, registeredPhone } from '../support/calls.ts'
import { Core, DOMAIN } from '../support/core.ts'
import { Nodes } from '../support/nodes.ts'
import { dialogOfCaller, type Phone } from '../support/phone.ts'
import { statusOf, valuesOf, type SipText } from '../support/sip-text.ts'
import { waitUntil } from '../support/wait.ts'
import { provision, provisionIdentity, subscriber } from '../support/subscribers.ts'

let nodes: Nodes

let centre: ApplicationServer
let shared: Record<string, string>

beforeAll(async () => {
  centre = await ApplicationServer.start((request, server) =>
    server.reply(request, 200, [['Contact', `<${server.uri}>`]]),
  )
  shared = {
    allow_emergency_registration: 'Y',
    allow_anonymous_emergency_calls: 'Y',
    emergency_uri: centre.uri,
  }
  nodes = await Nodes.start({ shared })
  const host = nodes.address('homestead')
  const port = nodes.port('provisioning')
  for (const user of ['ann', 'bob', 'eve']) await provision(port, subscriber(user), host)
  const barred = '<BarringIndication>1</BarringIndication>'
  await provisionIdentity(port, subscriber('eve'), `sip:eve@${DOMAIN}`, barred, host)
})
afterAll(async () => {
  await nodes[Symbol.asyncDispose]()
  await centre[Symbol.asyncDispose]()
})

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

describe('a call to urn:service:sos', () => {
  async function callAndHangUp(phone: Phone, uri: string): Promise<SipText> {
    const invite = phone.invite(uri)
    const answer = await phone.response(invite)
    expect(statusOf(answer), answer.raw).toBe(200)
    phone.ack(invite, answer)
    const bye = phone.inDialog('BYE', dialogOfCaller(invite, answer))
    expect(statusOf(await phone.response(bye))).toBe(200)
    return answer
  }

  test('of a registered phone goes to the emergency centre, with its identity', async () => {
    await using phone = await registeredPhone(nodes, 'bob')
    const before = centre.received.length

    await callAndHangUp(phone, 'urn:service:sos')

    const invite = centre.received[before]
    expect(invite?.startLine).toBe('INVITE urn:service:sos SIP/2.0')
    expect(
      valuesOf(invite ?? { startLine: '', headers: [], body: '', raw: '' }, 'p-asserted-identity'),
    ).toEqual([`<sip:bob@${DOMAIN}>`])
  })

  test.for(['UDP', 'TCP'] as const)(
    'of a phone that nobody knows goes there too, over %s',
    async transport => {
      await using phone = await phoneAt(nodes, 'nobody', transport)
      const before = centre.received.length

      await callAndHangUp(phone, 'urn:service:sos.fire')

      const invite = centre.received[before]
      expect(invite?.startLine).toBe('INVITE urn:service:sos.fire SIP/2.0')
      expect(
        valuesOf(invite ?? { startLine: '', headers: [], body: '', raw: '' }, 'p-asserted-identity'),
      ).toEqual([])
    },
  )

  test('opens no door for anything else', async () => {
    await using phone = await phoneAt(nodes, 'nobody')
    await callAndHangUp(phone, 'urn:service:sos')

    for (const uri of [`sip:ann@${DOMAIN}`, 'urn:service:counseling', 'tel:112', 'urn:service:sosumi']) {
      expect(statusOf(await phone.response(phone.send('MESSAGE', uri))), uri).toBe(403)
    }
    const forged = phone.inDialog('MESSAGE', {
      callId: 'forged',
      local: '<sip:nobody@ims.test>;tag=1',
      remote: `<sip:ann@${DOMAIN}>;tag=2`,
      target: `sip:ann@${DOMAIN}`,
      routes: [],
    })
    expect(statusOf(await phone.response(forged))).toBe(403)
  })

  test('is answered where there is no centre, or no leave to call it unknown', async () => {
    await using known = await registeredPhone(nodes, 'bob')
    await using stranger = await phoneAt(nodes, 'nobody')
    for (const name of ['sprout', 'bono'] as const) {
      nodes.writeFiles(name, {})
      nodes.child(name).signal('SIGHUP')
      await waitUntil(`${name} to have read its files`, () => nodes.timesRead(name) > 0)
    }

    const status = async (phone: Phone): Promise<number> => {
      const invite = phone.invite('urn:service:sos')
      const answer = await phone.response(invite)
      phone.ack(invite, answer)
      return statusOf(answer)
    }
    expect(await status(known)).toBe(404)
    expect(await status(stranger)).toBe(403)
  })
})
