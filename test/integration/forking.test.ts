import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { registeredPhone } from '../support/calls.ts'
import { Core } from '../support/core.ts'
import type { Phone, RequestOptions } from '../support/phone.ts'
import { isRequest, methodOf, statusOf, valueOf, valuesOf, type SipText } from '../support/sip-text.ts'
import { provision, subscriber } from '../support/subscribers.ts'

let core: Core
let caller: Phone
let desk: Phone
let mobile: Phone

beforeAll(async () => {
  core = await Core.start()
  for (const user of ['alice', 'bob']) await provision(core.port('provisioning'), subscriber(user))
  caller = await registeredPhone(core, 'alice')
  desk = await registeredPhone(core, 'bob')
  mobile = await registeredPhone(core, 'bob', 'TCP')
})
afterAll(async () => {
  for (const phone of [caller, desk, mobile]) await phone[Symbol.asyncDispose]()
  await core[Symbol.asyncDispose]()
})

/** A call to both phones, which both ring. */
async function ringingCall(options: RequestOptions = {}): Promise<Ringing> {
  const sent = caller.invite(desk.aor, options)
  const [atDesk, atMobile] = [await desk.request('INVITE'), await mobile.request('INVITE')]
  const deskRings = desk.reply(atDesk, 180)
  mobile.reply(atMobile, 180)
  await caller.response(sent, 180)
  await caller.response(sent, 180)
  return { sent, atDesk, atMobile, deskTag: tagOf(deskRings) }
}

interface Ringing {
  readonly sent: SipText
  readonly atDesk: SipText
  readonly atMobile: SipText
  readonly deskTag: string
}

function tagOf(message: SipText): string {
  return /;tag=([^;]+)/.exec(valueOf(message, 'to'))?.[1] ?? ''
}

async function endedBy(phone: Phone, invite: SipText, status: number): Promise<void> {
  phone.reply(invite, status)
  await phone.request('ACK')
}

async function failed(sent: SipText, status: number): Promise<void> {
  const answer = await caller.response(sent)
  caller.ack(sent, answer)
  expect(statusOf(answer)).toBe(status)
}

describe('the Reason of a CANCEL (RFC 3326)', () => {
  test('a caller’s own reasons reach every phone that rings', async () => {
    const { sent, atDesk, atMobile } = await ringingCall()
    const reasons = ['SIP;cause=600;text="Busy Everywhere"', 'Q.850;cause=31']

    const cancel = caller.cancel(sent, { headers: reasons.map(reason => ['Reason', reason]) })
    expect(statusOf(await caller.response(cancel))).toBe(200)

    for (const [phone, invite] of [
      [desk, atDesk],
      [mobile, atMobile],
    ] as const) {
      const arrived = await phone.request('CANCEL')
      phone.reply(arrived, 200)
      expect(valuesOf(arrived, 'reason')).toEqual(reasons)
      await endedBy(phone, invite, 487)
    }
    await failed(sent, 487)
  })

  test('without any, the phones hear that the request was given up', async () => {
    const { sent, atDesk, atMobile } = await ringingCall()

    await caller.response(caller.cancel(sent))

    const arrived = await desk.request('CANCEL')
    expect(valueOf(arrived, 'reason')).toContain('SIP;cause=487')
    desk.reply(arrived, 200)
    mobile.reply(await mobile.request('CANCEL'), 200)
    await endedBy(desk, atDesk, 487)
    await endedBy(mobile, atMobile, 487)
    await failed(sent, 487)
  })

  test('where another phone has answered, the one that rings in vain notes no missed call', async () => {
    const { sent, atDesk, atMobile } = await ringingCall()

    desk.reply(atDesk, 200)
    const answer = await caller.response(sent)
    caller.ack(sent, answer)
    await desk.request('ACK')

    const arrived = await mobile.request('CANCEL')
    mobile.reply(arrived, 200)
    await endedBy(mobile, atMobile, 487)
    expect(valueOf(arrived, 'reason')).toBe('SIP;cause=200;text="Call completed elsewhere"')
  })
})

describe('a phone that declines while another rings (RFC 6228)', () => {
  test('a caller that asks for 199 hears at once which dialog has ended, and why', async () => {
    const { sent, atDesk, atMobile, deskTag } = await ringingCall({ headers: [['Supported', '199']] })

    await endedBy(desk, atDesk, 486)

    const told = await caller.response(sent, 199)
    expect(tagOf(told)).toBe(deskTag)
    expect(valueOf(told, 'reason')).toBe('SIP;cause=486;text="Busy Here"')
    await endedBy(mobile, atMobile, 480)
    await failed(sent, 480)
  })

  test('one that does not ask hears the final response only', async () => {
    const { sent, atDesk, atMobile } = await ringingCall()

    await endedBy(desk, atDesk, 486)
    await endedBy(mobile, atMobile, 480)
    await failed(sent, 480)

    expect(caller.received.some(message => isAnswer(message, sent, 199))).toBe(false)
  })

  test('a 199 that a phone sends itself is no final response', async () => {
    const { sent, atDesk, atMobile, deskTag } = await ringingCall({ headers: [['Supported', '199']] })

    desk.reply(atDesk, 199)
    await caller.response(sent, 199)
    await endedBy(mobile, atMobile, 480)
    await endedBy(desk, atDesk, 487)

    await failed(sent, 487)
    const told = caller.received.filter(message => isAnswer(message, sent, 199))
    expect(told.filter(message => tagOf(message) === deskTag)).toHaveLength(1)
  })
})

function isAnswer(message: SipText, sent: SipText, status: number): boolean {
  return statusOf(message) === status && valueOf(message, 'call-id') === valueOf(sent, 'call-id')
}

describe('Max-Breadth (RFC 5393)', () => {
  test('two phones share what the caller has given', async () => {
    const { sent, atDesk, atMobile } = await ringingCall({ headers: [['Max-Breadth', '7']] })

    const shares = [atDesk, atMobile].map(invite => Number(valueOf(invite, 'max-breadth')))
    expect(shares.toSorted()).toEqual([3, 4])
    await endedBy(desk, atDesk, 486)
    await endedBy(mobile, atMobile, 486)
    await failed(sent, 486)
  })

  test('they share 60 where it says nothing', async () => {
    const { sent, atDesk, atMobile } = await ringingCall()

    expect([atDesk, atMobile].map(invite => valueOf(invite, 'max-breadth'))).toEqual(['30', '30'])
    await endedBy(desk, atDesk, 486)
    await endedBy(mobile, atMobile, 486)
    await failed(sent, 486)
  })

  test('a request that may not fork so far is answered with 440 and reaches no phone', async () => {
    const before = [desk, mobile].map(phone => phone.received.length)

    await failed(caller.invite(desk.aor, { headers: [['Max-Breadth', '1']] }), 440)

    const since = [desk, mobile].flatMap((phone, index) => phone.received.slice(before[index]))
    expect(since.filter(message => isRequest(message) && methodOf(message) === 'INVITE')).toEqual([])
  })
})
