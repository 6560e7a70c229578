import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callAndHangUp, callBetween, phoneAt, registeredPhone } from '../support/calls.ts'
import { Core } from '../support/core.ts'
import { dialogOfCallee } from '../support/phone.ts'
import { freePort } from '../support/ports.ts'
import { isRequest, methodOf, statusOf, valueOf, valuesOf } from '../support/sip-text.ts'
import {
  credentialsField,
  expectClean,
  playCall,
  scenario,
  sippRegister,
  target,
} from '../support/sipp-phones.ts'
import { runSipp, Sipp } from '../support/sipp.ts'
import { provision, subscriber } from '../support/subscribers.ts'

let core: Core

beforeAll(async () => {
  core = await Core.start()
  for (const user of ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi', 'absent']) {
    await provision(core.port('provisioning'), subscriber(user))
  }
})
afterAll(() => core[Symbol.asyncDispose]())

describe('SIPp phones', () => {
  let caller: { user: string; localPort: number }
  let callee: { user: string; localPort: number }

  beforeAll(async () => {
    caller = { user: 'alice', localPort: await freePort() }
    callee = { user: 'bob', localPort: await freePort() }
    await sippRegister(core, caller)
    await sippRegister(core, callee)
  })

  test.for([
    ['talk and the caller hangs up', 'caller', 'callee'],
    ['talk and the callee hangs up', 'caller-is-hung-up-on', 'callee-hangs-up'],
    ['hold and resume inside the call', 'caller-holds', 'callee-is-held'],
    ['give up while it rings: 487', 'caller-cancels', 'callee-rings'],
    ['meet a busy callee: 486', 'caller-meets-busy', 'callee-is-busy'],
  ] as const)('%s', async ([, calling, called]) => {
    await playCall(core, {
      caller: { ...caller, scenario: calling },
      callee: { ...callee, scenario: called },
    })
  })

  test('a caller on TCP reaches a callee on UDP', async () => {
    await using answering = new Sipp({
      scenario: scenario('callee'),
      target: target(core),
      localPort: callee.localPort,
      calls: 3,
    })

    const called = await runSipp({
      scenario: scenario('register-and-call'),
      transport: 't1',
      target: target(core),
      localPort: await freePort(),
      rows: [`carol;${credentialsField('carol')};bob`],
      calls: 3,
      callsPerSecond: 5,
    })

    expectClean(called)
    expectClean(await answering.result())
  })

  test('of two phones of one subscriber the one that answers gets the call, the other a CANCEL', async () => {
    const answers = { user: 'dave', localPort: await freePort() }
    const onlyRings = { user: 'dave', localPort: await freePort() }
    await sippRegister(core, answers)
    await sippRegister(core, onlyRings)
    await using ringing = new Sipp({
      scenario: scenario('callee-rings'),
      target: target(core),
      localPort: onlyRings.localPort,
      calls: 3,
    })

    await playCall(core, {
      caller: { ...caller, scenario: 'caller' },
      callee: { ...answers, scenario: 'callee-after-ringing' },
    })

    expectClean(await ringing.result())
  })
})

describe.for([
  ['UDP', 'UDP'],
  ['TCP', 'UDP'],
  ['UDP', 'TCP'],
  ['TCP', 'TCP'],
  ['WS', 'UDP'],
  ['TCP', 'WS'],
  ['WS', 'WS'],
] as const)('a call from %s to %s', ([from, to]) => {
  test('is set up and hung up by the caller', async () => {
    await using caller = await registeredPhone(core, 'erin', from)
    await using callee = await registeredPhone(core, 'frank', to)
    await callAndHangUp(caller, callee)
    await callee.register({ contact: '*', expires: 0 })
  })

  test('is hung up by the callee', async () => {
    await using caller = await registeredPhone(core, 'erin', from)
    await using callee = await registeredPhone(core, 'frank', to)
    const { invite, sentAnswer } = await callBetween(caller, callee)

    const bye = callee.inDialog('BYE', dialogOfCallee(invite, sentAnswer))
    caller.reply(await caller.request('BYE'), 200)

    expect(statusOf(await callee.response(bye))).toBe(200)
    await callee.register({ contact: '*', expires: 0 })
  })
})

describe('calls that do not come about', () => {
  test('a subscriber without a phone: 480', async () => {
    await using caller = await registeredPhone(core, 'erin')
    const invite = caller.invite('sip:absent@ims.test')
    const answer = await caller.response(invite)
    caller.ack(invite, answer)

    expect(statusOf(answer)).toBe(480)
  })

  test('no such subscriber: 404', async () => {
    await using caller = await registeredPhone(core, 'erin')
    const invite = caller.invite('sip:no-such-user@ims.test')
    const answer = await caller.response(invite)
    caller.ack(invite, answer)

    expect(statusOf(answer)).toBe(404)
  })

  test('a caller that has not registered: 403', async () => {
    await using stranger = await phoneAt(core, 'grace')
    const invite = stranger.invite('sip:absent@ims.test')
    const answer = await stranger.response(invite)
    stranger.ack(invite, answer)

    expect(statusOf(answer)).toBe(403)
  })

  test('a callee that declines: its own answer arrives', async () => {
    await using caller = await registeredPhone(core, 'erin')
    await using callee = await registeredPhone(core, 'grace')
    const invite = caller.invite(callee.aor)
    callee.reply(await callee.request('INVITE'), 603)
    const answer = await caller.response(invite)
    caller.ack(invite, answer)

    expect(statusOf(answer)).toBe(603)
    await callee.request('ACK')
    await callee.register({ contact: '*', expires: 0 })
  })

  test('CANCEL before the callee has said anything waits for its first word', async () => {
    await using caller = await registeredPhone(core, 'erin')
    await using callee = await registeredPhone(core, 'grace')
    const invite = caller.invite(callee.aor)
    const received = await callee.request('INVITE')

    const cancel = caller.cancel(invite)
    expect(statusOf(await caller.response(cancel))).toBe(200)
    callee.reply(received, 180)
    callee.reply(await callee.request('CANCEL'), 200)
    callee.reply(received, 487)
    const answer = await caller.response(invite)
    caller.ack(invite, answer)

    expect(statusOf(answer)).toBe(487)
    await callee.request('ACK')
    await callee.register({ contact: '*', expires: 0 })
  })

  test('CANCEL that meets the answer: the call stands', async () => {
    await using caller = await registeredPhone(core, 'erin')
    await using callee = await registeredPhone(core, 'grace')
    const invite = caller.invite(callee.aor)
    const received = await callee.request('INVITE')
    callee.reply(received, 180)
    await caller.response(invite, 180)

    const cancel = caller.cancel(invite)
    callee.reply(received, 200)
    expect(statusOf(await caller.response(cancel))).toBe(200)
    const answer = await caller.response(invite)
    caller.ack(invite, answer)

    expect(statusOf(answer)).toBe(200)
    await callee.request('ACK')
    await callee.register({ contact: '*', expires: 0 })
  })
})

describe('the hops of a call show in its headers', () => {
  test('100 comes at once, Record-Route names the edge twice, Max-Forwards goes down', async () => {
    await using caller = await registeredPhone(core, 'heidi')
    await using callee = await registeredPhone(core, 'grace', 'TCP')

    const { invite, answer, dialog } = await callBetween(caller, callee)

    expect(caller.received.some(message => statusOf(message) === 100 && methodOf(message) === 'INVITE')).toBe(
      true,
    )
    const recordRoutes = valuesOf(invite, 'record-route').join()
    expect(recordRoutes).toContain(`:${core.port('client')}`)
    expect(recordRoutes).toContain(`:${core.port('trusted')}`)
    expect(Number(valueOf(invite, 'max-forwards'))).toBeLessThan(70)
    expect(valueOf(invite, 'p-asserted-identity')).toContain('sip:heidi@ims.test')
    expect(valueOf(invite, 'p-called-party-id')).toContain('sip:grace@ims.test')
    expect(valuesOf(answer, 'record-route')).not.toEqual([])

    const bye = caller.inDialog('BYE', dialog)
    callee.reply(await callee.request('BYE'), 200)
    expect(statusOf(await caller.response(bye))).toBe(200)
    await callee.register({ contact: '*', expires: 0 })
  })
})

describe('requests other than INVITE', () => {
  test('MESSAGE arrives with its text, and its answer comes back', async () => {
    await using sender = await registeredPhone(core, 'erin')
    await using reader = await registeredPhone(core, 'frank', 'TCP')

    const sent = sender.send('MESSAGE', reader.aor, {
      headers: [['Content-Type', 'text/plain']],
      body: 'lunch at noon?',
    })
    const arrived = await reader.request('MESSAGE')
    reader.reply(arrived, 200)

    expect(arrived.body).toBe('lunch at noon?')
    expect(statusOf(await sender.response(sent))).toBe(200)
    await reader.register({ contact: '*', expires: 0 })
  })

  test('a MESSAGE to two phones is delivered to both and answered once', async () => {
    await using sender = await registeredPhone(core, 'erin')
    await using one = await registeredPhone(core, 'frank')
    await using other = await registeredPhone(core, 'frank', 'TCP')
    one.answerAll('MESSAGE', 200)
    other.answerAll('MESSAGE', 200)

    const sent = sender.send('MESSAGE', one.aor)
    await one.request('MESSAGE')
    await other.request('MESSAGE')

    expect(statusOf(await sender.response(sent))).toBe(200)
    expect(
      sender.received.filter(message => !isRequest(message) && methodOf(message) === 'MESSAGE'),
    ).toHaveLength(1)
    await one.register({ contact: '*', expires: 0 })
  })

  test('OPTIONS to the core itself is answered 200 without a registration', async () => {
    await using stranger = await phoneAt(core, 'grace')

    const answer = await stranger.response(stranger.send('OPTIONS', `sip:127.0.0.1:${core.port('client')}`))

    expect(statusOf(answer)).toBe(200)
    expect(valueOf(answer, 'to')).toContain(';tag=')
  })

  test('OPTIONS to a subscriber reaches the phone', async () => {
    await using asking = await registeredPhone(core, 'erin')
    await using asked = await registeredPhone(core, 'frank')
    asked.answerAll('OPTIONS', 200)

    expect(statusOf(await asking.response(asking.send('OPTIONS', asked.aor)))).toBe(200)
    await asked.request('OPTIONS')
    await asked.register({ contact: '*', expires: 0 })
  })
})
