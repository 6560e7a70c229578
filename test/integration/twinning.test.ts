import { afterAll, beforeAll, expect, test } from 'vitest'
import { registeredPhone } from '../support/calls.ts'
import { Core, DOMAIN } from '../support/core.ts'
import { filterCriterion } from '../support/filter-criteria.ts'
import type { Phone } from '../support/phone.ts'
import { statusOf, valuesOf } from '../support/sip-text.ts'
import { provision, provisionCriteria, subscriber } from '../support/subscribers.ts'

const SERVER = `sip:mobile-twinned@gemini.${DOMAIN};twin-prefix=111`

let core: Core
beforeAll(async () => {
  core = await Core.start()
  for (const user of ['6505550001', '6505550002', '1116505550002', '6505550003', '1116505550003'])
    await provision(core.port('provisioning'), subscriber(user))
  const criteria = filterCriterion(SERVER, { sessionCase: 1 })
  for (const user of ['6505550002', '6505550003'])
    await provisionCriteria(core.port('provisioning'), subscriber(user), criteria)
})
afterAll(() => core[Symbol.asyncDispose]())

const phone = (user: string): Promise<Phone> => registeredPhone(core, user)

test('the VoIP client and the native phone ring together, and the one that answers ends the other’s ringing', async () => {
  await using caller = await phone('6505550001')
  await using client = await phone('6505550002')
  await using native = await phone('1116505550002')

  const sent = caller.invite(client.aor)
  const atClient = await client.request('INVITE')
  const atNative = await native.request('INVITE')
  client.reply(atClient, 180)
  native.reply(atNative, 200)
  await client.request('CANCEL')
  client.reply(atClient, 487)
  const answer = await caller.response(sent)
  caller.ack(sent, answer)

  expect(statusOf(answer)).toBe(200)
  expect(valuesOf(atClient, 'reject-contact').join()).toContain('+sip.with-twin')
  expect(valuesOf(atNative, 'accept-contact').join()).toContain(
    '+g.3gpp.ics="server,principal";require;explicit',
  )
})

test('without a phone in the native network the call is not lost: all fail, and the best failure is told', async () => {
  await using caller = await phone('6505550001')
  await using client = await phone('6505550003')
  client.answerAll('INVITE', 486)

  const sent = caller.invite(client.aor)
  const answer = await caller.response(sent)
  caller.ack(sent, answer)

  expect([480, 486]).toContain(statusOf(answer))
})
