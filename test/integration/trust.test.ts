import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callBetween, phoneAt, registeredPhone } from '../support/calls.ts'
import { Core } from '../support/core.ts'
import type { Phone } from '../support/phone.ts'
import { statusOf, valueOf, valuesOf } from '../support/sip-text.ts'
import { provision, subscriber } from '../support/subscribers.ts'

let core: Core
let mallory: Phone
let victim: Phone

beforeAll(async () => {
  core = await Core.start()
  for (const user of ['mallory', 'victim', 'president']) {
    await provision(core.port('provisioning'), subscriber(user))
  }
  mallory = await registeredPhone(core, 'mallory')
  victim = await registeredPhone(core, 'victim', 'TCP')
  victim.answerAll('MESSAGE', 200)
})
afterAll(async () => {
  await mallory[Symbol.asyncDispose]()
  await victim[Symbol.asyncDispose]()
  await core[Symbol.asyncDispose]()
})

const FORGED = [
  ['P-Asserted-Identity', '<sip:president@ims.test>'],
  ['P-Served-User', '<sip:president@ims.test>;sescase=orig;regstate=reg'],
  ['P-Charging-Vector', 'icid-value=forged-charging;icid-generated-at=192.0.2.1'],
  ['P-Charging-Function-Addresses', 'ccf=forged-charging.example'],
  ['P-Access-Network-Info', 'IEEE-802.11;forged-access'],
  ['P-Visited-Network-ID', 'forged-visited'],
  ['P-Profile-Key', '<sip:forged-profile!.*!@ims.test>'],
  ['Authorization', 'Digest username="forged-authorization",realm="x",nonce="x",uri="sip:x",response="x"'],
  ['Proxy-Authorization', 'Digest username="forged-proxy",realm="x",nonce="x",uri="sip:x",response="x"'],
] as const

describe('what a client may not say does not reach the callee', () => {
  test.for(FORGED)('%s', async ([name, value]) => {
    const sent = mallory.send('MESSAGE', victim.aor, { headers: [[name, value]] })
    const arrived = await victim.request('MESSAGE')

    expect(statusOf(await mallory.response(sent))).toBe(200)
    expect(arrived.raw).not.toContain('president')
    expect(arrived.raw).not.toContain('forged')
    expect(valueOf(arrived, 'p-asserted-identity')).toContain('sip:mallory@ims.test')
  })

  test('all of them at once, each twice, in an INVITE', async () => {
    const headers = [...FORGED, ...FORGED]
    const sent = mallory.invite(victim.aor, { headers })
    const arrived = await victim.request('INVITE')
    victim.reply(arrived, 486)
    const answer = await mallory.response(sent)
    mallory.ack(sent, answer)
    await victim.request('ACK')

    expect(arrived.raw).not.toMatch(/president|forged/)
    for (const header of ['p-served-user', 'p-charging-vector', 'p-charging-function-addresses']) {
      expect(valuesOf(arrived, header), header).toEqual([])
    }
  })

  test('inside a call as well', async () => {
    const { dialog } = await callBetween(mallory, victim)
    const sent = mallory.inDialog('INFO', dialog, { headers: FORGED })
    const arrived = await victim.request('INFO')
    victim.reply(arrived, 200)

    expect(statusOf(await mallory.response(sent))).toBe(200)
    expect(arrived.raw).not.toMatch(/president|forged/)
    const bye = mallory.inDialog('BYE', dialog)
    victim.reply(await victim.request('BYE'), 200)
    await mallory.response(bye)
  })
})

describe('identities', () => {
  test('an identity that is not the caller’s own is refused with 403', async () => {
    const sent = mallory.send('MESSAGE', victim.aor, {
      headers: [['P-Preferred-Identity', '<sip:president@ims.test>']],
    })

    expect(statusOf(await mallory.response(sent))).toBe(403)
  })

  test('a From of someone else does not change who is asserted', async () => {
    const sent = mallory.send('MESSAGE', victim.aor, {
      headers: [['From', '<sip:president@ims.test>;tag=forged']],
    })
    const arrived = await victim.request('MESSAGE')
    await mallory.response(sent)

    expect(valuesOf(arrived, 'p-asserted-identity').join()).toContain('sip:mallory@ims.test')
    expect(valuesOf(arrived, 'p-asserted-identity').join()).not.toContain('president')
  })

  test('a third party cannot cancel a call it can describe', async () => {
    await using outsider = await phoneAt(core, 'president')
    const invite = mallory.invite(victim.aor)
    const arrived = await victim.request('INVITE')
    victim.reply(arrived, 180)
    await mallory.response(invite, 180)

    const cancel = outsider.cancel(invite)
    expect(statusOf(await outsider.response(cancel))).toBeGreaterThanOrEqual(400)

    victim.reply(arrived, 486)
    const answer = await mallory.response(invite)
    mallory.ack(invite, answer)
    expect(statusOf(answer)).toBe(486)
    await victim.request('ACK')
  })
})

describe('routes', () => {
  let bystander: Socket
  const stray: string[] = []

  beforeAll(async () => {
    bystander = createSocket('udp4')
    bystander.on('message', data => stray.push(data.toString('latin1')))
    bystander.bind(0, '127.0.0.1')
    await once(bystander, 'listening')
  })
  afterAll(() => {
    bystander.close()
  })

  test('a Route to a foreign host is dropped: the request goes to the callee and nowhere else', async () => {
    const sent = mallory.send('MESSAGE', victim.aor, {
      headers: [['Route', `<sip:127.0.0.1:${bystander.address().port};lr>`]],
    })
    const arrived = await victim.request('MESSAGE')

    expect(statusOf(await mallory.response(sent))).toBe(200)
    expect(arrived.raw).not.toContain(`${bystander.address().port}`)
    expect(stray).toEqual([])
  })

  test('a Route into the core past the edge is dropped', async () => {
    const sent = mallory.send('MESSAGE', victim.aor, {
      headers: [['Route', `<sip:127.0.0.1:${core.port('scscf')};lr;orig>`], ...FORGED],
    })
    const arrived = await victim.request('MESSAGE')

    expect(statusOf(await mallory.response(sent))).toBe(200)
    expect(arrived.raw).not.toMatch(/president|forged/)
  })

  test('a REGISTER with a Route of its own goes to the registrar and nowhere else', async () => {
    const answer = await mallory.authenticated('REGISTER', 'sip:ims.test', {
      to: `<${mallory.aor}>`,
      headers: [
        ['Contact', mallory.contact],
        ['Route', `<sip:127.0.0.1:${bystander.address().port};lr>`],
      ],
    })

    expect(statusOf(answer)).toBe(200)
    expect(stray).toEqual([])
  })
})

describe('answers', () => {
  test('charging and access headers of the callee do not reach the caller', async () => {
    const sent = mallory.invite(victim.aor)
    const arrived = await victim.request('INVITE')
    victim.reply(arrived, 486, {
      headers: FORGED.filter(([name]) => name.startsWith('P-C') || name.startsWith('P-A')),
    })
    const answer = await mallory.response(sent)
    mallory.ack(sent, answer)
    await victim.request('ACK')

    expect(answer.raw).not.toContain('forged')
  })
})
