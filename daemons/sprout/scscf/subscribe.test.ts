import { beforeEach, describe, expect, test } from 'vitest'
import type { Impi, Impu } from '../../../lib/ims/identity.ts'
import { TestExchange, sipRequest } from '../../../lib/ims/testing.ts'
import { seconds } from '../../../lib/kit/clock.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { filterCriterion, openCore, registrationData, type TestCore } from '../testing.ts'
import { deregister, forgetBinding, watchExpiry } from './deregister.ts'
import { register } from './registrar.ts'
import { isForRegEvent, subscribe } from './subscribe.ts'

const ALICE = 'sip:alice@example.com' as Impu
const TO_ALICE = [`To: <${ALICE}>`, 'Event: reg', 'Contact: <sip:watcher@192.0.2.5>']
const settled = () => new Promise(resolve => setImmediate(resolve))

let opened: TestCore
let calls = 0

beforeEach(() => {
  opened = openCore()
  opened.homestead.data = () =>
    registrationData([ALICE, 'tel:+15551234'], { filterCriteria: [filterCriterion('sip:as.example.net')] })
})

async function aliceRegisters(...contacts: string[]): Promise<void> {
  const user = { impi: 'alice@example.com' as Impi, impu: ALICE }
  const exchange = await opened.run((one, core) => register(one, user, core), 'REGISTER', 'sip:example.com', [
    'Path: <sip:token@edge.example.net:5058;transport=TCP;lr;ob>',
    ...contacts.map(contact => `Contact: ${contact}`),
  ])
  expect(exchange.statuses).toEqual([200])
  await settled()
}

async function ask(...lines: string[]): Promise<TestExchange> {
  const byName = new Map<string, string>()
  for (const line of [...TO_ALICE, `Call-ID: s${++calls}`, ...lines]) {
    byName.set(line.slice(0, line.indexOf(':')), line)
  }
  const exchange = await opened.run(subscribe, 'SUBSCRIBE', ALICE, [...byName.values()])
  await settled()
  return exchange
}

/** Lines of a SUBSCRIBE in the dialog that an earlier one has made. */
function within(first: TestExchange, cseq: number): string[] {
  const { headers } = first.final
  return [
    `To: ${headers.get(H.To) ?? ''}`,
    `From: ${headers.get(H.From) ?? ''}`,
    `Call-ID: ${headers.get(H['Call-ID']) ?? ''}`,
    `CSeq: ${cseq} SUBSCRIBE`,
  ]
}

describe('which SUBSCRIBEs are for the registrar (sip.md §5.1)', () => {
  const isFor = (uri: string, ...lines: string[]) =>
    isForRegEvent(sipRequest('SUBSCRIBE', uri, lines), opened.core)

  test.each<[boolean, string, string[]]>([
    [true, ALICE, ['Event: reg']],
    [true, 'sip:scscf.sprout.example.com:5054;transport=TCP', ['Event: reg']],
    [true, 'tel:+15551234', ['Event: reg', 'Accept: application/reginfo+xml;q=0.5, text/plain']],
    [true, ALICE, ['Event: reg', 'Route: <sip:scscf.sprout.example.com;transport=TCP;lr;orig>']],
    [false, ALICE, ['Event: presence']],
    [false, ALICE, []],
    [false, ALICE, ['Event: reg', 'Accept: application/pidf+xml']],
    [false, 'sip:bob@example.org', ['Event: reg']],
    [false, 'urn:service:sos', ['Event: reg']],
    [false, ALICE, ['Event: reg', 'Route: <sip:scscf.sprout.example.com;lr>, <sip:as.example.net;lr>']],
    [false, ALICE, ['Event: reg', 'Route: <sip:as.example.net;lr>']],
  ])('%s: %s %j', (expected, uri, lines) => {
    expect(isFor(uri, ...lines)).toBe(expected)
    expect(isForRegEvent(sipRequest('INVITE', uri, lines), opened.core)).toBe(false)
  })
})

describe('a SUBSCRIBE', () => {
  test('makes a dialog: 200 with what the package wants, then NOTIFY along its Record-Routes', async () => {
    await aliceRegisters('<sip:alice@10.0.0.1>')
    const { final } = await ask('Expires: 100', 'Record-Route: <sip:one;lr>, <sip:two;lr>', 'Event: reg;id=7')
    expect(final.status).toBe(200)
    expect(final.headers.get(H.Expires)).toBe('100')
    expect(final.headers.get(H.Contact)).toBe(`<${opened.core.scscfUri}>`)
    const { request, to } = opened.sender.only
    expect(to).toBe('sip:one;lr')
    expect(request.uri).toBe('sip:watcher@192.0.2.5')
    expect(request.headers.list(H.Route)).toEqual(['<sip:one;lr>', '<sip:two;lr>'])
    expect(request.headers.get(H.Event)).toBe('reg;id=7')
    expect(request.headers.get(H['Subscription-State'])).toBe('active;expires=100')
    expect(request.headers.get(H.To)).toBe(final.headers.get(H.From))
    expect(request.headers.get(H.From)).toBe(final.headers.get(H.To))
  })

  test('is granted no longer than sub_max_expires', async () => {
    await aliceRegisters('<sip:alice@10.0.0.1>')
    expect((await ask()).final.headers.get(H.Expires)).toBe('300')
    expect((await ask('Expires: 4000')).final.headers.get(H.Expires)).toBe('300')
  })

  test.each<[number, string[]]>([
    [404, ['To: <urn:x:y>']],
    [400, ['Contact:']],
    [400, ['Contact: *']],
    [400, ['Contact: <mailto:a@h>']],
    [489, ['Contact: <sip:a@h;sos>']],
    [481, [`To: <${ALICE}>;tag=none`]],
  ])('%i: %j', async (status, lines) => {
    await aliceRegisters('<sip:alice@10.0.0.1>')
    expect((await ask(...lines)).statuses).toEqual([status])
    expect(opened.sender.sent).toEqual([])
  })

  test.each([
    [404, 403],
    [500, 500],
    [503, 504],
    [504, 504],
  ] as const)('the subscriber server says %i: %i', async (status, answer) => {
    opened.homestead.data = () => ({ ok: false, status })
    expect((await ask()).statuses).toEqual([answer])
  })

  test('to who is not registered: 480; to one without a record: 403', async () => {
    expect((await ask()).statuses).toEqual([403])
    opened.homestead.data = () => registrationData([ALICE], { state: 'UNREGISTERED' })
    expect((await ask()).statuses).toEqual([480])
  })

  test('in its dialog renews it; with a CSeq of old it does not, nor from another dialog', async () => {
    await aliceRegisters('<sip:alice@10.0.0.1>')
    const first = await ask('CSeq: 5 SUBSCRIBE')
    expect((await ask(...within(first, 5))).statuses).toEqual([500])
    expect((await ask(...within(first, 6), 'Call-ID: other')).statuses).toEqual([481])
    expect((await ask(...within(first, 6), 'From: <sip:alice@example.com>;tag=x')).statuses).toEqual([481])
    expect((await ask(...within(first, 6), 'Expires: 50', 'Contact: <sip:moved@h>')).statuses).toEqual([200])
    const { request } = opened.sender.last
    expect(request.uri).toBe('sip:moved@h')
    expect(request.body).toContain('version="1" state="full"')
    expect(Object.keys(opened.registrations.records.get(ALICE)?.value.subscriptions ?? {})).toHaveLength(1)
  })
})

describe('who may (TS 24.229 §5.4.2.1.1)', () => {
  const VIA = 'Via: SIP/2.0/TCP edge;branch=z9hG4bK1, SIP/2.0/UDP phone;branch=z9hG4bK2'
  beforeEach(() => aliceRegisters('<sip:alice@10.0.0.1>'))

  test.each<[number, string, string[]]>([
    [200, 'the user', [`P-Asserted-Identity: <${ALICE}>`, 'From: <sip:anonymous@anonymous.invalid>;tag=1']],
    [200, 'by another identity of the set', ['P-Asserted-Identity: <sip:x@h>, <tel:+1555-1234>']],
    [403, 'somebody else', ['P-Asserted-Identity: <sip:bob@example.com>']],
    [403, 'one who only says so', [`From: <${ALICE}>;tag=1`, VIA]],
    [200, 'an application server of the profile', ['P-Asserted-Identity: <sip:AS.example.net:5070>', VIA]],
    [403, 'another server', ['P-Asserted-Identity: <sip:as2.example.net>', VIA]],
    [200, 'the edge it is registered through', ['P-Asserted-Identity: <sip:edge.example.net:5058>', VIA]],
    [200, 'which has sent it itself', ['From: <sip:edge.example.net>;tag=1']],
    [403, 'nobody', ['P-Asserted-Identity: nonsense']],
  ])('%i: %s', async (status, _who, lines) => {
    expect((await ask(...lines)).statuses).toEqual([status])
  })

  test('a server in the home domain is known by its whole address', async () => {
    opened.homestead.data = () =>
      registrationData([ALICE], { filterCriteria: [filterCriterion('sip:as@example.com')] })
    expect((await ask('P-Asserted-Identity: <sip:bob@example.com>')).statuses).toEqual([403])
    expect((await ask('P-Asserted-Identity: <sip:as@example.com>')).statuses).toEqual([200])
  })

  test('a request that another function has handed on has not come from its sender', async () => {
    const from = (...as: string[]) => {
      const plain = sipRequest('SUBSCRIBE', ALICE, TO_ALICE)
      return as.reduce((request, each) => request.handedOn(each), plain)
    }
    for (const [expected, ...as] of [
      [403, '127.0.0.1:5058'],
      [403, '127.0.0.1:5058', 'icscf.sprout.example.com:5052'],
      [200, 'icscf.sprout.example.com:5052'],
    ] as const) {
      const exchange = new TestExchange(from(...as))
      await subscribe(exchange, opened.core)
      expect(exchange.statuses).toEqual([expected])
    }
  })
})

describe('a watcher', () => {
  beforeEach(() => aliceRegisters('<sip:alice@10.0.0.1>', '<sip:alice@10.0.0.2>'))

  test('that answers as if there were no subscription is not told again', async () => {
    for (const status of [481, 404, 489, 430, 408]) {
      opened.sender.farSide = sent => sent.answer(status)
      await ask()
      await settled()
      expect(opened.registrations.records.get(ALICE)?.value.subscriptions).toEqual({})
    }
  })

  test('that is silent neither; one whose trouble may pass is kept', async () => {
    opened.sender.farSide = sent => sent.answer(500)
    await ask()
    opened.sender.farSide = sent => sent.noAnswer('unreachable')
    await ask()
    await settled()
    const subscriptions = () =>
      Object.keys(opened.registrations.records.get(ALICE)?.value.subscriptions ?? {})
    expect(subscriptions()).toHaveLength(2)
    opened.sender.farSide = sent => sent.noAnswer('timeout')
    await aliceRegisters('<sip:alice@10.0.0.1>')
    await settled()
    expect(subscriptions()).toEqual([])
  })

  test('hears of a flow that is gone, of a time that is over, and of the network', async () => {
    watchExpiry(opened.core)
    await ask()
    const said = () => /event="(\w+)"/.exec(opened.sender.last.request.body)?.[1]
    await forgetBinding(opened.core, ALICE, 'sip:alice@10.0.0.1')
    expect(said()).toBe('unregistered')
    await aliceRegisters('<sip:alice@10.0.0.3>;expires=5')
    expect(said()).toBe('created')
    opened.sender.clock.advance(seconds(5))
    await settled()
    await settled()
    expect(said()).toBe('expired')
    await deregister(ALICE, { tell: 'dereg-admin' }, opened.core)
    expect(said()).toBe('deactivated')
    expect(opened.sender.last.request.headers.get(H['Subscription-State'])).toBe(
      'terminated;reason=deactivated',
    )
    expect(opened.homestead.asked.at(-1)).toBe(`dereg-admin ${ALICE}`)
  })

  test('is told that its own time is over, though nothing else has changed', async () => {
    watchExpiry(opened.core)
    await ask('Expires: 20')
    opened.sender.clock.advance(seconds(20))
    await settled()
    await settled()
    const { headers } = opened.sender.last.request
    expect(headers.get(H['Subscription-State'])).toBe('terminated;reason=timeout')
    expect(opened.registrations.records.get(ALICE)?.value.subscriptions).toEqual({})
    expect(opened.registrations.contacts(ALICE)).toHaveLength(2)
  })
})
