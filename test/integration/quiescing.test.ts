import { afterEach, beforeEach, expect, test } from 'vitest'
import { callBetween, phoneAt, registeredPhone } from '../support/calls.ts'
import { cw } from '../support/core.ts'
import { Nodes } from '../support/nodes.ts'
import type { Phone } from '../support/phone.ts'
import { statusOf, valuesOf } from '../support/sip-text.ts'
import { PASSWORD } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'
import { openTcp } from '../support/wire.ts'

let nodes: Nodes
const phones: Phone[] = []

beforeEach(async () => {
  nodes = await Nodes.start()
  const provisioning = `${nodes.address('homestead')}:${nodes.port('provisioning')}`
  const users = ['user', 'create', '6505550001..6505550004', 'ims.test', PASSWORD, '--hsprov', provisioning]
  expect((await cw(...users)).code).toBe(0)
})
afterEach(async () => {
  for (const phone of phones.splice(0)) await phone[Symbol.asyncDispose]()
  await nodes[Symbol.asyncDispose]()
})

async function phone(user: string, transport: 'UDP' | 'TCP' = 'UDP'): Promise<Phone> {
  const registered = await registeredPhone(nodes, user, transport)
  phones.push(registered)
  return registered
}

async function statusPage(name: 'bono' | 'sprout'): Promise<{ quiescing: boolean }> {
  const port = nodes.port(name === 'bono' ? 'bonoHttp' : 'sproutHttp')
  const response = await fetch(`http://${nodes.address(name)}:${port}/status`)
  return (await response.json()) as { quiescing: boolean }
}

async function quiesce(name: 'bono' | 'sprout', on = true): Promise<void> {
  nodes.child(name).signal(on ? 'SIGQUIT' : 'SIGUSR1')
  await waitUntil(`${name} to begin or end quiescing`, async () => (await statusPage(name)).quiescing === on)
}

/** Unregistered, and no more than that: a phone that was never here. */
async function stranger(user: string): Promise<Phone> {
  const unknown = await phoneAt(nodes, user)
  phones.push(unknown)
  return unknown
}

test('bono sends clients elsewhere, lets calls go on to their end, and ends when the last client has gone', async () => {
  const [caller, callee, idle] = [
    await phone('6505550001'),
    await phone('6505550002', 'TCP'),
    await phone('6505550003'),
  ]
  const { dialog } = await callBetween(caller, callee)
  await quiesce('bono')

  const refused = await idle.register()
  expect(statusOf(refused)).toBe(305)
  expect(valuesOf(refused, 'contact')).toEqual([])
  expect(statusOf(await (await stranger('6505550004')).register())).toBe(305)
  await expect(openTcp(nodes.port('client'))).rejects.toThrow('ECONNREFUSED')
  await expect(openTcp(nodes.port('webSocket'))).rejects.toThrow('ECONNREFUSED')
  // The call needs its registration.
  expect(statusOf(await caller.register())).toBe(200)
  expect(statusOf(await callee.register())).toBe(200)
  // Who has nowhere gone yet may call, too.
  const sent = idle.invite(caller.aor)
  caller.reply(await caller.request('INVITE'), 486)
  const busy = await idle.response(sent)
  idle.ack(sent, busy)
  expect(statusOf(busy)).toBe(486)

  const bye = caller.inDialog('BYE', dialog)
  callee.reply(await callee.request('BYE'), 200)
  expect(statusOf(await caller.response(bye))).toBe(200)
  expect(statusOf(await caller.register())).toBe(305)
  expect(nodes.child('bono').exit).toBeUndefined()

  expect(statusOf(await idle.register({ expires: 0 }))).toBe(200)
  expect(statusOf(await caller.register({ expires: 0 }))).toBe(200)
  await callee[Symbol.asyncDispose]()
  expect(await nodes.child('bono').exited).toEqual({ code: 0, signal: null })
})

test('bono takes clients again when it is no longer to go', async () => {
  const client = await phone('6505550001')
  await quiesce('bono')
  expect(statusOf(await client.register())).toBe(305)

  await quiesce('bono', false)

  expect(statusOf(await client.register())).toBe(200)
  await phone('6505550002', 'TCP')
  // What had been begun does not end it now.
  expect(statusOf(await client.register({ expires: 0 }))).toBe(200)
  await quiesce('bono')
  await quiesce('bono', false)
  expect(nodes.child('bono').exit).toBeUndefined()
})

test('bono that quiesces stops when it is told to', async () => {
  await phone('6505550001')
  await quiesce('bono')
  expect(await nodes.child('bono').stop('SIGTERM')).toEqual({ code: 0, signal: null })
})

test('sprout takes no new call, lets one that rings be answered, and ends', async () => {
  const [caller, callee, other] = [
    await phone('6505550001'),
    await phone('6505550002'),
    await phone('6505550003'),
  ]
  const sent = caller.invite(callee.aor)
  const ringing = await callee.request('INVITE')
  callee.reply(ringing, 180)
  await caller.response(sent, 180)
  await quiesce('sprout')

  const refused = other.invite(caller.aor)
  const answer = await other.response(refused)
  other.ack(refused, answer)
  expect(statusOf(answer)).toBeGreaterThanOrEqual(500)
  expect(nodes.child('sprout').exit).toBeUndefined()

  callee.reply(ringing, 200)
  const answered = await caller.response(sent)
  caller.ack(sent, answered)
  expect(statusOf(answered)).toBe(200)
  expect(await nodes.child('sprout').exited).toEqual({ code: 0, signal: null })
})
