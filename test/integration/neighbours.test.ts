import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { registeredPhone } from '../support/calls.ts'
import { cw } from '../support/core.ts'
import { Nodes } from '../support/nodes.ts'
import { dialogOfCallee, dialogOfCaller, Phone } from '../support/phone.ts'
import { statusOf, valueOf, valuesOf, type SipText } from '../support/sip-text.ts'
import { PASSWORD, subscriber } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'
import { openUdp } from '../support/wire.ts'

/** Addresses that the edge is told of. */
const TRUNK = '127.0.0.10'
const PBX = '127.0.0.9'

let nodes: Nodes
let phone: Phone
let trunk: Phone
let pbx: Phone

beforeAll(async () => {
  nodes = await Nodes.start()
  await nodes.bootAgain('bono', { trusted_peers: TRUNK, pbxes: PBX })
  const provisioning = `${nodes.address('homestead')}:${nodes.port('provisioning')}`
  const users = ['user', 'create', '6505550001..6505550002', 'ims.test', PASSWORD]
  expect((await cw(...users, '--hsprov', provisioning)).code).toBe(0)
  phone = await registeredPhone(nodes, '6505550001', 'TCP')
  trunk = await neighbour('gateway', TRUNK)
  pbx = await neighbour('6505550002', PBX)
})
afterAll(async () => {
  for (const end of [phone, trunk, pbx]) await end[Symbol.asyncDispose]()
  await nodes[Symbol.asyncDispose]()
})

async function neighbour(user: string, address: string): Promise<Phone> {
  return new Phone(subscriber(user), await openUdp(nodes.port('client'), 0, address))
}

interface Answered {
  readonly invite: SipText
  readonly sent: SipText
  readonly answer: SipText
  readonly sentAnswer: SipText
}

async function answered(from: Phone, to: Phone, sent: SipText): Promise<Answered> {
  const invite = await to.request('INVITE')
  const sentAnswer = to.reply(invite, 200)
  const answer = await from.response(sent)
  expect(statusOf(answer)).toBe(200)
  from.ack(sent, answer)
  await to.request('ACK')
  return { invite, sent, answer, sentAnswer }
}

async function hungUpByCaller(from: Phone, to: Phone, { sent, answer }: Answered): Promise<void> {
  const bye = from.inDialog('BYE', dialogOfCaller(sent, answer))
  to.reply(await to.request('BYE'), 200)
  expect(statusOf(await from.response(bye))).toBe(200)
}

describe('a SIP trunk', () => {
  test('calls a subscriber: who its caller is, is kept; what only the core may say is not', async () => {
    const sent = trunk.invite(phone.aor, {
      headers: [
        ['P-Asserted-Identity', '<sip:+441234567890@gateway.example>'],
        ['P-Served-User', '<sip:6505550001@ims.test>'],
        ['P-Early-Media', 'sendrecv'],
      ],
    })

    const call = await answered(trunk, phone, sent)

    expect(valuesOf(call.invite, 'p-asserted-identity')).toEqual(['<sip:+441234567890@gateway.example>'])
    expect(call.invite.raw).not.toMatch(/P-Served-User|P-Early-Media/)
    await hungUpByCaller(trunk, phone, call)
  })

  test('is hung up on by the subscriber that it has called', async () => {
    const { invite, sentAnswer } = await answered(trunk, phone, trunk.invite(phone.aor))

    const bye = phone.inDialog('BYE', dialogOfCallee(invite, sentAnswer))
    trunk.reply(await trunk.request('BYE'), 200)

    expect(statusOf(await phone.response(bye))).toBe(200)
  })

  test('gets the calls that leave the network, and no more than concerns it', async () => {
    const way = [
      `sip:${nodes.address('bono')}:${nodes.port('trusted')};transport=TCP;lr`,
      `sip:${trunk.wire.local};transport=UDP;lr`,
    ]
    writeFileSync(
      nodes.file('sprout', 'bgcf.json'),
      JSON.stringify({ routes: [{ name: 'all others', domain: '*', route: way }] }),
    )
    nodes.child('sprout').signal('SIGHUP')
    await waitUntil('sprout to have read its routes', () =>
      readFileSync(nodes.file('sprout', 'log/sprout.log'), 'utf8').includes(
        'the configuration was read again',
      ),
    )

    const call = await answered(phone, trunk, phone.invite('sip:+15551234@elsewhere.example'))

    expect(valueOf(call.invite, 'p-asserted-identity')).toContain('6505550001')
    expect(call.invite.raw).not.toMatch(/P-Early-Media|P-Access-Network-Info|P-Charging/i)
    await hungUpByCaller(phone, trunk, call)
  })

  test('asks for no services of a subscriber, and does not register', async () => {
    const orig = `<sip:127.0.0.1:${nodes.port('client')};lr;orig>`
    const sent = trunk.invite(phone.aor, { headers: [['Route', orig]] })
    const refused = await trunk.response(sent)
    trunk.ack(sent, refused)

    expect(statusOf(refused)).toBe(403)
    expect(statusOf(await trunk.register())).toBe(405)
  })
})

describe('a PBX that does not register', () => {
  test('calls a subscriber, as the number in its From', async () => {
    const call = await answered(pbx, phone, pbx.invite(phone.aor))

    expect(call.invite.raw).not.toMatch(/Proxy-Authorization/i)
    await hungUpByCaller(pbx, phone, call)
  })

  test('takes its own call back while it rings', async () => {
    const sent = pbx.invite(phone.aor)
    const arrived = await phone.request('INVITE')
    phone.reply(arrived, 180)
    await pbx.response(sent, 180)

    expect(statusOf(await pbx.response(pbx.cancel(sent)))).toBe(200)
    phone.reply(await phone.request('CANCEL'), 200)
    phone.reply(arrived, 487)

    const answer = await pbx.response(sent)
    pbx.ack(sent, answer)
    expect(statusOf(answer)).toBe(487)
    await phone.request('ACK')
  })

  test('somebody at another address, with the same claims, is a stranger', async () => {
    await using stranger = await neighbour('6505550002', '127.0.0.11')
    const sent = stranger.invite(phone.aor)
    const answer = await stranger.response(sent)
    stranger.ack(sent, answer)

    expect(statusOf(answer)).toBe(403)
  })
})
