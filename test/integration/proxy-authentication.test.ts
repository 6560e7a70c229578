import { afterAll, beforeAll, expect, test } from 'vitest'
import { registeredPhone } from '../support/calls.ts'
import { cw } from '../support/core.ts'
import { Nodes } from '../support/nodes.ts'
import { dialogOfCaller, Phone } from '../support/phone.ts'
import { statusOf, valueOf, type SipText } from '../support/sip-text.ts'
import { PASSWORD, subscriber } from '../support/subscribers.ts'
import { openUdp } from '../support/wire.ts'

const PBX = '127.0.0.9'

let nodes: Nodes
let phone: Phone
let pbx: Phone

beforeAll(async () => {
  nodes = await Nodes.start()
  const route = `sip:scscf.sprout.ims.test:${nodes.port('scscf')};transport=TCP;lr;orig;auto-reg`
  await nodes.bootAgain('bono', { pbxes: PBX, pbx_service_route: route })
  await nodes.bootAgain('sprout', { non_register_authentication: 'if_proxy_authorization_present' })
  const provisioning = `${nodes.address('homestead')}:${nodes.port('provisioning')}`
  const users = ['user', 'create', '6505550001..6505550003', 'ims.test', PASSWORD]
  expect((await cw(...users, '--hsprov', provisioning)).code).toBe(0)
  phone = await registeredPhone(nodes, '6505550001')
  pbx = new Phone(subscriber('6505550002'), await openUdp(nodes.port('client'), 0, PBX))
})
afterAll(async () => {
  for (const end of [phone, pbx]) await end[Symbol.asyncDispose]()
  await nodes[Symbol.asyncDispose]()
})

type Headers = readonly (readonly [string, string])[]

async function refused(from: Phone, headers: Headers = []): Promise<SipText> {
  const sent = from.invite(phone.aor, { headers })
  const answer = await from.response(sent)
  from.ack(sent, answer)
  return answer
}

/** Credentials by which the PBX answers a fresh challenge. */
async function proof(password?: string): Promise<string> {
  const challenged = await refused(pbx)
  expect(statusOf(challenged)).toBe(407)
  const request = { method: 'INVITE', uri: phone.aor, ...(password === undefined ? {} : { password }) }
  return pbx.credentials(valueOf(challenged, 'proxy-authenticate'), request)
}

test('a PBX proves who it is and calls; in the call it is asked no more', async () => {
  const sent = pbx.invite(phone.aor, { headers: [['Proxy-Authorization', await proof()]] })
  const invite = await phone.request('INVITE')
  phone.reply(invite, 200)
  const answer = await pbx.response(sent)
  pbx.ack(sent, answer)
  await phone.request('ACK')
  expect(statusOf(answer)).toBe(200)
  expect(invite.raw).not.toMatch(/Proxy-Authorization/i)

  const bye = pbx.inDialog('BYE', dialogOfCaller(sent, answer))
  phone.reply(await phone.request('BYE'), 200)
  expect(statusOf(await pbx.response(bye))).toBe(200)
})

test('with a wrong password, or twice with the same proof, it does not', async () => {
  expect(statusOf(await refused(pbx, [['Proxy-Authorization', await proof('wrong')]]))).toBe(403)

  const used = await proof()
  const sent = pbx.invite(phone.aor, { headers: [['Proxy-Authorization', used]] })
  phone.reply(await phone.request('INVITE'), 486)
  pbx.ack(sent, await pbx.response(sent))
  const again = await refused(pbx, [['Proxy-Authorization', used]])
  expect(statusOf(again)).toBe(407)
  expect(valueOf(again, 'proxy-authenticate')).toContain('stale=TRUE')
})

test('nobody calls as somebody else than who has proven it', async () => {
  const as = '<sip:6505550003@ims.test>;tag=other'
  const answer = await refused(pbx, [
    ['From', as],
    ['Proxy-Authorization', await proof()],
  ])
  expect([403, 407]).toContain(statusOf(answer))
  expect(phone.received.some(message => valueOf(message, 'from').includes('6505550003'))).toBe(false)
})

test('credentials that are none are refused', async () => {
  expect(statusOf(await refused(pbx, [['Proxy-Authorization', 'Digest ,,,']]))).toBe(400)
})

test('a registered phone is asked only if it brings such credentials', async () => {
  await using caller = await registeredPhone(nodes, '6505550003')
  const sent = caller.invite(phone.aor)
  phone.reply(await phone.request('INVITE'), 486)
  const busy = await caller.response(sent)
  caller.ack(sent, busy)
  expect(statusOf(busy)).toBe(486)

  const claiming = (username: string) =>
    refused(caller, [['Proxy-Authorization', `Digest username="${username}"`]])
  expect(statusOf(await claiming('6505550003@ims.test'))).toBe(407)
  // Nobody of whom anything could be proven.
  expect(statusOf(await claiming('6505550002@ims.test'))).toBe(403)
})
