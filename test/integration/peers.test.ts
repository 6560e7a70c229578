import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { callAndHangUp, phoneAt, registeredPhone } from '../support/calls.ts'
import { cw } from '../support/core.ts'
import { Nodes } from '../support/nodes.ts'
import { answersOptions } from '../support/sip-probe.ts'
import { statusOf, valueOf } from '../support/sip-text.ts'
import { PASSWORD } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'

/** Loopback addresses on which nobody listens. */
const GONE = ['127.0.0.21', '127.0.0.22', '127.0.0.23']

let nodes: Nodes

beforeAll(async () => {
  nodes = await Nodes.start()
  const provisioning = `${nodes.address('homestead')}:${nodes.port('provisioning')}`
  const users = ['user', 'create', '6505550001..6505550005', 'ims.test', PASSWORD, '--hsprov', provisioning]
  expect((await cw(...users)).code).toBe(0)
})
afterAll(() => nodes[Symbol.asyncDispose]())

/** Boots a node again, told something else. */
async function again(name: 'bono' | 'sprout', shared: Record<string, string>, gone: boolean): Promise<void> {
  await nodes.child(name).stop('SIGKILL')
  nodes.writeFiles(name, shared)
  if (gone) addGoneAddresses(name)
  await nodes.boot(name)
}

/** Gives every name of the node's `dns.json` three more addresses. */
function addGoneAddresses(name: 'bono' | 'sprout'): void {
  const file = nodes.file(name, 'dns.json')
  const names = JSON.parse(readFileSync(file, 'utf8')) as {
    hostnames: { records: { targets: string[] }[] }[]
  }
  for (const { records } of names.hostnames) for (const record of records) record.targets.push(...GONE)
  writeFileSync(file, JSON.stringify(names))
}

async function metric(name: string): Promise<number> {
  const response = await fetch(`http://${nodes.address('bono')}:${nodes.port('bonoHttp')}/metrics`)
  const [, value] = new RegExp(`^${name}\\{daemon="bono"\\} (.*)$`, 'm').exec(await response.text()) ?? []
  return Number(value)
}

test('nodes that are gone but still in DNS cost no call, and are passed over', async () => {
  await again('bono', {}, true)
  for (let i = 0; i < 3; i++) {
    await using caller = await registeredPhone(nodes, '6505550001')
    await using callee = await registeredPhone(nodes, '6505550002')
    await callAndHangUp(caller, callee)
  }

  await waitUntil('bono to know them', async () => (await metric('clearwater_sip_troubled_peers')) >= 3)
})

test('connections to a sprout that died are made anew when it is back', async () => {
  await using caller = await registeredPhone(nodes, '6505550003')
  await nodes.child('sprout').stop('SIGKILL')
  expect(statusOf(await caller.register())).toBeGreaterThanOrEqual(500)
  await nodes.boot('sprout')

  await waitUntil('a registration to go through', async () => {
    await using phone = await phoneAt(nodes, '6505550004')
    return statusOf(await phone.register()) === 200
  })
})

test('an edge with too much to do refuses with 503 at once, and answers polls and what is urgent', async () => {
  await again('bono', { max_tokens: '1', init_token_rate: '0.001', min_token_rate: '0.001' }, false)
  await using phone = await phoneAt(nodes, '6505550005')
  const register = (): ReturnType<typeof phone.send> => phone.send('REGISTER', 'sip:ims.test')
  // This one may have the token, or the probe that waited for bono has had it.
  await phone.response(register())
  const refused = await phone.response(register())
  expect(statusOf(refused)).toBe(503)
  expect(valueOf(refused, 'retry-after')).toBe('0')
  expect(await answersOptions(nodes.port('client'), 5000)).toBe(true)
  // It has no credentials and no flow: refused by the edge's rules, and not for load.
  const emergency = phone.send('INVITE', 'urn:service:sos')
  expect(statusOf(await phone.response(emergency))).toBe(403)
  expect(await metric('clearwater_sip_refused_for_load_total')).toBeLessThanOrEqual(2)
})
