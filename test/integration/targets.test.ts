import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contactsIn, phoneAt, registeredPhone } from '../support/calls.ts'
import { Core } from '../support/core.ts'
import { dialogOfCaller, type Phone } from '../support/phone.ts'
import { nextTold, watch } from '../support/reginfo.ts'
import { statusOf, type SipText } from '../support/sip-text.ts'
import { provision, subscriber } from '../support/subscribers.ts'
import { TempDir } from '../support/temp-dir.ts'

let core: Core
let users = 0

beforeAll(async () => {
  core = await Core.start()
})
afterAll(() => core[Symbol.asyncDispose]())

async function newUser(at = core): Promise<string> {
  const user = `target${++users}`
  await provision(at.port('provisioning'), subscriber(user))
  return user
}

interface Asked {
  readonly params?: string
  readonly supported?: string
  readonly expires?: number
  readonly callId?: string
  readonly cseq?: number
}

/** Registers a phone with parameters of its contact. */
async function registerWith(phone: Phone, asked: Asked): Promise<SipText> {
  const { params = '', supported = 'path, gruu', expires = 300, callId } = asked
  const answer = await phone.authenticated('REGISTER', `sip:${phone.identity.domain}`, {
    to: `<${phone.aor}>`,
    headers: [
      ['Contact', phone.contact + params],
      ['Expires', `${expires}`],
      ['Supported', supported],
    ],
    ...(callId === undefined ? {} : { callId }),
  })
  expect(statusOf(answer)).toBe(200)
  return answer
}

const instance = (number: number): string =>
  `urn:uuid:00000000-0000-1000-8000-${String(number).padStart(12, '0')}`

/** Registers a phone as a device, and gives the GRUUs of it. */
async function registerDevice(
  phone: Phone,
  number: number,
  asked: Asked = {},
): Promise<{ readonly open: string; readonly hidden: string }> {
  const answer = await registerWith(phone, { ...asked, params: `;+sip.instance="<${instance(number)}>"` })
  const own = contactsIn(answer).find(contact => contact.includes(phone.wire.local)) ?? ''
  return {
    open: /;pub-gruu="([^"]*)"/.exec(own)?.[1] ?? '',
    hidden: /;temp-gruu="([^"]*)"/.exec(own)?.[1] ?? '',
  }
}

/** Calls, and gives the final answer; whoever rings is busy. */
async function tryToCall(caller: Phone, uri: string, headers: [string, string][] = []): Promise<number> {
  const invite = caller.invite(uri, { headers })
  const answer = await caller.response(invite)
  caller.ack(invite, answer)
  return statusOf(answer)
}

function rings(...phones: readonly Phone[]): number[] {
  return phones.map(
    ({ received }) => received.filter(({ startLine }) => startLine.startsWith('INVITE')).length,
  )
}

describe('a GRUU (RFC 5627)', () => {
  test('is given to a phone that knows of them, with a device', async () => {
    const user = await newUser()
    await using phone = await phoneAt(core, user)
    const { open, hidden } = await registerDevice(phone, 1)
    expect(open).toBe(`${phone.aor};gr=${instance(1)}`)
    expect(hidden).toMatch(/^sip:tgruu\.[\w-]+@ims\.test;gr$/)
    expect(contactsIn(await registerWith(phone, { params: '' })).join()).toContain('pub-gruu')
    expect(await registerDevice(phone, 1, { supported: 'path' })).toEqual({ open: '', hidden: '' })
  })

  test('reaches its device and no other one of the user, by either of its kinds', async () => {
    const user = await newUser()
    await using first = await phoneAt(core, user)
    await using second = await phoneAt(core, user, 'TCP')
    await using plain = await registeredPhone(core, user)
    await registerDevice(first, 1)
    const { open, hidden } = await registerDevice(second, 2)
    await using caller = await registeredPhone(core, await newUser())
    for (const phone of [first, second, plain]) phone.answerAll('INVITE', 486)

    expect(await tryToCall(caller, open)).toBe(486)
    expect(await tryToCall(caller, hidden)).toBe(486)
    expect(rings(first, second, plain)).toEqual([0, 2, 0])
    const [invite] = second.received.filter(({ startLine }) => startLine.startsWith('INVITE'))
    expect(invite?.startLine).toBe(`INVITE ${second.contact.slice(1, -1)} SIP/2.0`)

    expect(await tryToCall(caller, second.aor)).toBe(486)
    expect(rings(first, second, plain)).toEqual([1, 3, 1])
  })

  test('is of use as the contact of a call', async () => {
    await using callee = await phoneAt(core, await newUser())
    const { open } = await registerDevice(callee, 1)
    await using caller = await registeredPhone(core, await newUser())
    const sent = caller.invite(callee.aor)
    const invite = await callee.request('INVITE')
    callee.reply(invite, 200, { headers: [['Contact', `<${open}>`]] })
    const answer = await caller.response(sent)
    caller.ack(sent, answer)
    const ack = await callee.request('ACK')
    expect(ack.startLine).toBe(`ACK ${open} SIP/2.0`)
    const bye = caller.inDialog('BYE', dialogOfCaller(sent, answer))
    const hungUp = await callee.request('BYE')
    callee.reply(hungUp, 200)
    expect(hungUp.startLine).toBe(`BYE ${open} SIP/2.0`)
    expect(statusOf(await caller.response(bye))).toBe(200)
  })

  test('that is temporary is good while its device stays registered under its Call-ID', async () => {
    await using phone = await phoneAt(core, await newUser())
    await using caller = await registeredPhone(core, await newUser())
    phone.answerAll('INVITE', 486)
    const first = await registerDevice(phone, 1, { callId: 'one' })
    const second = await registerDevice(phone, 1, { callId: 'one' })
    expect(second.hidden).not.toBe(first.hidden)
    for (const { hidden } of [first, second]) expect(await tryToCall(caller, hidden)).toBe(486)

    const third = await registerDevice(phone, 1, { callId: 'two' })
    for (const { hidden } of [first, second]) expect(await tryToCall(caller, hidden)).toBe(404)
    expect(await tryToCall(caller, third.hidden)).toBe(486)

    await registerDevice(phone, 1, { callId: 'two', expires: 0 })
    expect(await tryToCall(caller, third.hidden)).toBe(404)
    await registerDevice(phone, 1, { callId: 'two' })
    expect(await tryToCall(caller, third.hidden)).toBe(404)
    expect(await tryToCall(caller, third.open)).toBe(486)
  })

  test('of a device that is not there: 480; one that nobody has given out: 404', async () => {
    await using phone = await registeredPhone(core, await newUser())
    await using caller = await registeredPhone(core, await newUser())
    expect(await tryToCall(caller, `${phone.aor};gr=${instance(9)}`)).toBe(480)
    expect(await tryToCall(caller, `sip:tgruu.${'A'.repeat(60)}@ims.test;gr`)).toBe(404)
    expect(await tryToCall(caller, 'sip:tgruu.@ims.test;gr')).toBe(404)
    expect(await tryToCall(caller, `${phone.aor};gr`)).toBe(404)
  })

  test('is in the news of a registration (RFC 5628)', async () => {
    const user = await newUser()
    await using phone = await phoneAt(core, user)
    const { open, hidden } = await registerDevice(phone, 1)
    const { told } = await watch(phone, phone.aor)
    expect(told.registrations[0]?.contacts).toMatchObject([{ publicGruu: open, temporaryGruu: hidden }])
    const renewed = await registerDevice(phone, 1)
    const [contact] = (await nextTold(phone)).registrations[0]?.contacts ?? []
    // The Call-ID was another one, and so is the GRUU.
    expect(contact).toMatchObject({ event: 'refreshed', publicGruu: open, temporaryGruu: renewed.hidden })
  })

  test('is good after kill -9 and a new start', async () => {
    using dir = new TempDir('gruu')
    const first = await Core.start({ dataDir: dir.path })
    const { portOffset } = first
    await using phone = await phoneAt(first, await newUser(first))
    const { hidden } = await registerDevice(phone, 1)
    const other = await newUser(first)
    await first.stop('SIGKILL')
    await using second = await Core.start({ dataDir: dir.path, portOffset })
    await using caller = await registeredPhone(second, other)
    phone.answerAll('INVITE', 486)

    expect(await tryToCall(caller, hidden)).toBe(486)

    await first[Symbol.asyncDispose]()
  })
})

describe('caller preferences (RFC 3840, RFC 3841)', () => {
  test('choose among the phones of a user', async () => {
    const user = await newUser()
    await using mobile = await phoneAt(core, user)
    await using desk = await phoneAt(core, user)
    await registerWith(mobile, { params: ';mobility="mobile";audio' })
    await registerWith(desk, { params: ';mobility="fixed";audio;video' })
    await using caller = await registeredPhone(core, await newUser())
    for (const phone of [mobile, desk]) phone.answerAll('INVITE', 486)

    const call = (name: string, value: string) => tryToCall(caller, mobile.aor, [[name, value]])
    expect(await call('Accept-Contact', '*;mobility="mobile";require')).toBe(486)
    expect(rings(mobile, desk)).toEqual([1, 0])
    expect(await call('Accept-Contact', '*;video;require;explicit')).toBe(486)
    expect(rings(mobile, desk)).toEqual([1, 1])
    expect(await call('Reject-Contact', '*;mobility="mobile"')).toBe(486)
    expect(rings(mobile, desk)).toEqual([1, 2])
    expect(await call('Accept-Contact', '*;automata;require;explicit')).toBe(480)
    expect(await call('a', '*;mobility="mobile"')).toBe(486)
    expect(rings(mobile, desk)).toEqual([2, 3])
  })

  test('choose a phone by the applications that it has (RFC 5688)', async () => {
    const user = await newUser()
    await using board = await phoneAt(core, user)
    await using plain = await phoneAt(core, user)
    await registerWith(board, { params: ';+sip.app-subtype="rtx,whiteboard"' })
    await registerWith(plain, { params: ';audio' })
    await using caller = await registeredPhone(core, await newUser())
    for (const phone of [board, plain]) phone.answerAll('INVITE', 486)

    const call = (wanted: string) =>
      tryToCall(caller, board.aor, [['Accept-Contact', `*;+sip.app-subtype="${wanted}";require;explicit`]])
    expect(await call('whiteboard')).toBe(486)
    expect(rings(board, plain)).toEqual([1, 0])
    expect(await call('chess')).toBe(480)
    expect(rings(board, plain)).toEqual([1, 0])
  })

  test('a phone that says what it takes is not sent anything else', async () => {
    const user = await newUser()
    await using chat = await phoneAt(core, user)
    await registerWith(chat, { params: ';methods="MESSAGE,OPTIONS"' })
    await using caller = await registeredPhone(core, await newUser())
    expect(await tryToCall(caller, chat.aor)).toBe(480)
    const message = caller.send('MESSAGE', chat.aor, { body: 'hi' })
    chat.reply(await chat.request('MESSAGE'), 200)
    expect(statusOf(await caller.response(message))).toBe(200)
  })

  test('Request-Disposition: no-fork rings at the best contact only', async () => {
    const user = await newUser()
    await using second = await phoneAt(core, user)
    await using best = await phoneAt(core, user)
    await registerWith(second, { params: ';q=0.3' })
    await registerWith(best, { params: ';q=0.8' })
    await using caller = await registeredPhone(core, await newUser())
    for (const phone of [second, best]) phone.answerAll('INVITE', 486)
    expect(await tryToCall(caller, best.aor, [['Request-Disposition', 'no-fork']])).toBe(486)
    expect(rings(best, second)).toEqual([1, 0])
  })

  test('Request-Disposition: sequential rings at one after the other', async () => {
    const user = await newUser()
    await using second = await phoneAt(core, user)
    await using best = await phoneAt(core, user)
    await using last = await phoneAt(core, user)
    await registerWith(second, { params: ';q=0.5' })
    await registerWith(best, { params: ';q=0.8' })
    await registerWith(last, { params: ';q=0.1' })
    await using caller = await registeredPhone(core, await newUser())
    const invite = caller.invite(best.aor, { headers: [['Request-Disposition', 'sequential']] })

    const first = await best.request('INVITE')
    expect(rings(second, last)).toEqual([0, 0])
    best.reply(first, 486)
    const next = await second.request('INVITE')
    second.reply(next, 200, { body: '' })
    const answer = await caller.response(invite)
    caller.ack(invite, answer)
    await second.request('ACK')

    expect(statusOf(answer)).toBe(200)
    expect(rings(last)).toEqual([0])
  })

  test('a caller who gives up ends a sequence', async () => {
    const user = await newUser()
    await using second = await phoneAt(core, user)
    await using best = await phoneAt(core, user)
    await registerWith(second, { params: ';q=0.5' })
    await registerWith(best, { params: ';q=0.8' })
    await using caller = await registeredPhone(core, await newUser())
    const invite = caller.invite(best.aor, { headers: [['Request-Disposition', 'sequential']] })
    const ringing = await best.request('INVITE')
    best.reply(ringing, 180)
    await caller.response(invite, 180)
    const cancel = caller.cancel(invite)
    best.reply(await best.request('CANCEL'), 200)
    best.reply(ringing, 487)
    expect(statusOf(await caller.response(cancel))).toBe(200)
    const answer = await caller.response(invite)
    caller.ack(invite, answer)
    expect(statusOf(answer)).toBe(487)
    expect(rings(second)).toEqual([0])
  })
})

test('a REGISTER with a lower CSeq than the last one counts: a phone that has lost its memory gets in', async () => {
  await using phone = await phoneAt(core, await newUser())
  await registerWith(phone, { callId: 'kept' })
  const again = await phone.authenticated('REGISTER', 'sip:ims.test', {
    to: `<${phone.aor}>`,
    callId: 'kept',
    cseq: 1,
    headers: [['Expires', '200']],
  })
  expect(statusOf(again)).toBe(200)
  expect(contactsIn(again).join()).toContain('expires=200')
})
