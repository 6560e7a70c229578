import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { registeredPhone } from '../support/calls.ts'
import { cw } from '../support/core.ts'
import { Nodes } from '../support/nodes.ts'
import type { Phone } from '../support/phone.ts'
import { statusOf, valueOf } from '../support/sip-text.ts'
import { PASSWORD } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'

let nodes: Nodes
let caller: Phone
let callee: Phone

beforeAll(async () => {
  nodes = await Nodes.start()
  const provisioning = `${nodes.address('homestead')}:${nodes.port('provisioning')}`
  const users = ['user', 'create', '6505550001..6505550002', 'ims.test', PASSWORD, '--hsprov', provisioning]
  expect((await cw(...users)).code).toBe(0)
  caller = await registeredPhone(nodes, '6505550001')
  callee = await registeredPhone(nodes, '6505550002')
  writePriorities('ets.0', 'wps.0')
  // An edge that lets in one request, and then none that is not urgent. It knows the phones' flows from before.
  await nodes.bootAgain('bono', { max_tokens: '1', init_token_rate: '0.001', min_token_rate: '0.001' })
})
afterAll(async () => {
  await caller[Symbol.asyncDispose]()
  await callee[Symbol.asyncDispose]()
  await nodes[Symbol.asyncDispose]()
})

function writePriorities(...values: readonly string[]): void {
  const blocks = { priority_blocks: [{ priority: 14, rph_values: values }] }
  writeFileSync(nodes.file('bono', 'rph.json'), JSON.stringify(blocks))
}

/** Reads the files again, and waits until it is done. */
async function reload(): Promise<void> {
  const times = (): number =>
    readFileSync(nodes.file('bono', 'log/bono.log'), 'utf8').split('the configuration was read again').length
  const before = times()
  nodes.child('bono').signal('SIGHUP')
  await waitUntil('bono to have read its files', () => times() > before)
}

async function statusOfCall(...headers: (readonly [string, string])[]): Promise<number> {
  const sent = caller.invite(callee.aor, { headers })
  const answer = await caller.response(sent)
  caller.ack(sent, answer)
  return statusOf(answer)
}

test('under overload a call with a priority that counts gets through to the callee, others do not', async () => {
  // The first may have had the one token.
  await statusOfCall(['Resource-Priority', 'dsn.flash'], ['Max-Forwards', '1'])
  expect(await statusOfCall()).toBe(503)
  expect(await statusOfCall(['Resource-Priority', 'dsn.flash'])).toBe(503)

  const sent = caller.invite(callee.aor, { headers: [['Resource-Priority', 'dsn.flash, ETS.0']] })
  const arrived = await callee.request('INVITE')
  callee.reply(arrived, 486)
  const answer = await caller.response(sent)
  caller.ack(sent, answer)

  expect(statusOf(answer)).toBe(486)
  expect(valueOf(arrived, 'resource-priority')).toBe('dsn.flash, ETS.0')
  await callee.request('ACK')
})

test('who insists on a priority that does not count here is told which do: 417', async () => {
  const insisting = (value: string): (readonly [string, string])[] => [
    ['Require', 'resource-priority'],
    ['Resource-Priority', value],
  ]
  // In a dialog, so that it is not refused for load.
  const sent = caller.send('MESSAGE', callee.aor, {
    to: `<${callee.aor}>;tag=1`,
    headers: insisting('dsn.flash'),
  })
  const answer = await caller.response(sent)

  expect(statusOf(answer)).toBe(417)
  expect(valueOf(answer, 'accept-resource-priority')).toBe('ets.0, wps.0')
})

test('the file is read again while calls go on', async () => {
  writePriorities('wps.0')
  await reload()
  expect(await statusOfCall(['Resource-Priority', 'ets.0'])).toBe(503)

  writeFileSync(nodes.file('bono', 'rph.json'), '{"priority_blocks": [{"priority": 99}]}')
  await reload()
  const sent = caller.invite(callee.aor, { headers: [['Resource-Priority', 'wps.0']] })
  callee.reply(await callee.request('INVITE'), 486)
  const answer = await caller.response(sent)
  caller.ack(sent, answer)

  expect(statusOf(answer)).toBe(486)
})
