import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApplicationServer } from '../support/application-server.ts'
import { registeredPhone } from '../support/calls.ts'
import { Core, DOMAIN } from '../support/core.ts'
import { filterCriterion } from '../support/filter-criteria.ts'
import type { Phone } from '../support/phone.ts'
import { statusOf, valueOf, valuesOf } from '../support/sip-text.ts'
import { provision, provisionCriteria, subscriber } from '../support/subscribers.ts'

let core: Core
let users = 0

beforeAll(async () => {
  core = await Core.start()
})
afterAll(() => core[Symbol.asyncDispose]())

async function newUser(...criteria: readonly string[]): Promise<string> {
  const user = `user${++users}`
  await provision(core.port('provisioning'), subscriber(user))
  await provisionCriteria(core.port('provisioning'), subscriber(user), criteria.join(''))
  return user
}

/** A criterion that has calls to the user diverted. */
function divertedTo(target: string, more = ''): string {
  const server = `sip:cdiv.sprout.${DOMAIN};target=${encodeURIComponent(target)}${more}`
  return filterCriterion(server, { sessionCase: 1 })
}

async function phoneOf(...criteria: readonly string[]): Promise<Phone> {
  return registeredPhone(core, await newUser(...criteria))
}

describe('the call diversion server', () => {
  test('sends all calls elsewhere, as the callee’s: by the servers he has for that', async () => {
    await using other = await phoneOf()
    await using seeing = await ApplicationServer.start((request, as) => as.proxy(request))
    const criteria = [divertedTo(other.aor), filterCriterion(seeing.uri, { sessionCase: 4 })]
    await using callee = await phoneOf(...criteria)
    await using caller = await phoneOf()

    const sent = caller.invite(callee.aor)
    await caller.response(sent, 181)
    const invite = await other.request('INVITE')
    other.reply(invite, 200)
    const answer = await caller.response(sent)
    caller.ack(sent, answer)
    await other.request('ACK')

    expect(statusOf(answer)).toBe(200)
    expect(valueOf(invite, 'diversion')).toBe(`<${callee.aor}>;reason=no-answer`)
    expect(valuesOf(invite, 'history-info').join(', ')).toContain(`<${other.aor}>;index=1.1`)
    expect(valueOf(await seeing.request('INVITE'), 'p-served-user')).toBe(`<${callee.aor}>;orig-cdiv`)
    expect(callee.received.some(message => message.startLine.startsWith('INVITE'))).toBe(false)
  })

  test('sends a call elsewhere that is not answered in time, and the callee stops ringing', async () => {
    await using other = await phoneOf()
    await using callee = await phoneOf(divertedTo(other.aor, ';conditions=no-answer+busy;no-reply-timer=1'))
    await using caller = await phoneOf()

    const sent = caller.invite(callee.aor)
    const ringing = await callee.request('INVITE')
    callee.reply(ringing, 180)
    const cancel = await callee.request('CANCEL')
    callee.reply(cancel, 200)
    callee.reply(ringing, 487)
    other.reply(await other.request('INVITE'), 486)
    const answer = await caller.response(sent)
    caller.ack(sent, answer)

    expect(statusOf(answer)).toBe(486)
  })

  test('sends a call elsewhere whose callee is busy, and one whose callee is away', async () => {
    await using other = await phoneOf()
    await using callee = await phoneOf(divertedTo(other.aor, ';conditions=busy+not-registered'))
    await using caller = await phoneOf()

    const sent = caller.invite(callee.aor)
    callee.reply(await callee.request('INVITE'), 486)
    other.reply(await other.request('INVITE'), 603)
    caller.ack(sent, await caller.response(sent))

    const server = `sip:cdiv.${DOMAIN};conditions=not-registered;target=${encodeURIComponent(other.aor)}`
    const away = await newUser(filterCriterion(server, { sessionCase: 2 }))
    const again = caller.invite(`sip:${away}@${DOMAIN}`)
    other.reply(await other.request('INVITE'), 603)
    const answer = await caller.response(again)
    caller.ack(again, answer)
    expect(statusOf(answer)).toBe(603)
  })

  test('of two who send their calls to each other: they come to an end', async () => {
    const [one, two] = [await newUser(), await newUser()]
    const server = (user: string): string =>
      filterCriterion(`sip:cdiv.${DOMAIN};target=${encodeURIComponent(`sip:${user}@${DOMAIN}`)}`)
    await provisionCriteria(core.port('provisioning'), subscriber(one), server(two))
    await provisionCriteria(core.port('provisioning'), subscriber(two), server(one))
    await using caller = await phoneOf()

    const sent = caller.invite(`sip:${one}@${DOMAIN}`)
    const answer = await caller.response(sent)
    caller.ack(sent, answer)
    expect(statusOf(answer)).toBe(480)
  })

  test('of who sends his calls to himself: he rings', async () => {
    const user = await newUser()
    const own = `sip:cdiv.${DOMAIN};target=${encodeURIComponent(`sip:${user}@${DOMAIN}`)}`
    await provisionCriteria(core.port('provisioning'), subscriber(user), filterCriterion(own))
    await using callee = await registeredPhone(core, user)
    await using caller = await phoneOf()

    const sent = caller.invite(callee.aor)
    callee.reply(await callee.request('INVITE'), 486)
    const answer = await caller.response(sent)
    caller.ack(sent, answer)
    expect(statusOf(answer)).toBe(486)
  })

  test('with a target that leads nowhere: the caller is told, or the callee rings', async () => {
    await using caller = await phoneOf()
    await using nowhere = await phoneOf(divertedTo(`sip:nobody@${DOMAIN}`))
    const sent = caller.invite(nowhere.aor)
    const answer = await caller.response(sent)
    caller.ack(sent, answer)
    expect(statusOf(answer)).toBe(404)

    await using garbage = await phoneOf(divertedTo('banana'))
    const again = caller.invite(garbage.aor)
    garbage.reply(await garbage.request('INVITE'), 486)
    caller.ack(again, await caller.response(again))
  })
})
