import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contactsIn, phoneAt, registeredPhone } from '../support/calls.ts'
import { cw } from '../support/core.ts'
import { filterCriterion } from '../support/filter-criteria.ts'
import { HomesteadBetween } from '../support/homestead-between.ts'
import { Nodes } from '../support/nodes.ts'
import { statusOf } from '../support/sip-text.ts'
import { PASSWORD, provisionCriteria, subscriber } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'

const DUMMY = 'sip:nobody.invalid'

let nodes: Nodes
beforeAll(async () => {
  nodes = await Nodes.start()
  const host = nodes.address('homestead')
  const provisioning = nodes.port('provisioning')
  const users = ['user', 'create', '6505550001..6505550003', 'ims.test', PASSWORD]
  expect((await cw(...users, '--hsprov', `${host}:${provisioning}`)).code).toBe(0)
  const criteria = ['REGISTER', 'INVITE'].map(method => filterCriterion(DUMMY, { method })).join('')
  for (const user of ['6505550001', '6505550002'])
    await provisionCriteria(provisioning, subscriber(user), criteria, host)
  await provisionCriteria(provisioning, subscriber('6505550003'), '', host)
})
afterAll(() => nodes[Symbol.asyncDispose]())

describe('where every request has to meet a criterion (reject_if_no_matching_ifcs)', () => {
  beforeAll(() => nodes.bootAgain('sprout', { reject_if_no_matching_ifcs: 'Y', dummy_app_server: DUMMY }))

  test('one that leads to nobody (dummy_app_server) will do', async () => {
    await using caller = await registeredPhone(nodes, '6505550001')
    await using callee = await registeredPhone(nodes, '6505550002')
    const sent = caller.invite(callee.aor)
    callee.reply(await callee.request('INVITE'), 486)
    const answer = await caller.response(sent)
    caller.ack(sent, answer)
    expect(statusOf(answer)).toBe(486)
    // Both stay registered.
    expect(contactsIn(await caller.register({ contact: 'none' }))).toHaveLength(1)
  })

  test('a request that meets none is refused', async () => {
    await using caller = await registeredPhone(nodes, '6505550001')
    await using callee = await registeredPhone(nodes, '6505550002')
    expect(statusOf(await caller.response(caller.send('MESSAGE', callee.aor)))).toBe(400)
  })

  test('who has none does not stay registered', async () => {
    await using phone = await registeredPhone(nodes, '6505550003')
    await waitUntil('the registration to be ended', async () => {
      const asked = await phone.register({ contact: 'none' })
      return contactsIn(asked).length === 0
    })
  })
})

describe('an S-CSCF that must not be chosen (blacklisted_scscf_uris)', () => {
  let between: HomesteadBetween
  const named = (): string => `sip:scscf.sprout.ims.test:${nodes.port('scscf')};transport=TCP`
  beforeAll(async () => {
    between = await HomesteadBetween.start()
    between.behind = `${nodes.address('homestead')}:${nodes.port('homestead')}`
    const other = `sip:${nodes.address('sprout')}:${nodes.port('scscf')};transport=TCP`
    const entry = (server: string, priority: number) => ({ server, priority, weight: 100, capabilities: [] })
    const servers = { 's-cscfs': [entry(named(), 0), entry(other, 1)] }
    writeFileSync(nodes.file('sprout', 's-cscf.json'), JSON.stringify(servers))
    await nodes.bootAgain('sprout', { blacklisted_scscf_uris: named(), hs_hostname: between.address })
  })
  afterAll(() => between[Symbol.asyncDispose]())

  async function statusOfRegister(user: string): Promise<number> {
    await using phone = await phoneAt(nodes, user)
    return statusOf(await phone.register())
  }

  test('does not serve, even if homestead names no other', async () => {
    expect(await statusOfRegister('6505550002')).toBe(504)
  })

  test('is passed over for one that can do what homestead asks for', async () => {
    between.answers.set('auth-type=CAPAB', { 'result-code': 2001, 'mandatory-capabilities': [] })
    expect(await statusOfRegister('6505550001')).toBe(200)
  })
})
