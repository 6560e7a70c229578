import { beforeEach, describe, expect, test, vi } from 'vitest'
import { seconds } from '../../../lib/kit/clock.ts'
import type { Impi, Impu } from '../../../lib/ims/identity.ts'
import type { TestExchange } from '../../../lib/ims/testing.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { openCore, registrationData, type TestCore } from '../testing.ts'
import { forgetBinding, watchExpiry } from './deregister.ts'
import { register } from './registrar.ts'

const ALICE = 'sip:alice@example.com' as Impu
const USER = { impi: 'alice@example.com' as Impi, impu: ALICE }

let opened: TestCore

beforeEach(() => {
  opened = openCore()
  opened.homestead.data = () => registrationData([ALICE, 'tel:+15551234'])
})

function ask(...lines: string[]): Promise<TestExchange> {
  return askAs(USER, ...lines)
}

function askAs(user: typeof USER, ...lines: string[]): Promise<TestExchange> {
  return opened.run((exchange, core) => register(exchange, user, core), 'REGISTER', 'sip:example.com', lines)
}

function contactsOf(exchange: TestExchange): string[] {
  expect(exchange.final.status).toBe(200)
  return exchange.final.headers.list(H.Contact)
}

describe('the 200', () => {
  test('says what RFC 3261, 3327, 3608 and 7315 want it to', async () => {
    opened.homestead.data = () =>
      registrationData(['!sip:hidden@example.com', ALICE, 'tel:+15551234'], {
        charging: { ccf: ['aaa://ccf1', 'aaa://ccf2'], ecf: ['aaa://ecf1'] },
      })
    const { final } = await ask(
      'Path: <sip:t1@b:5058;lr>, <sip:t2@b:5058;lr>',
      'Contact: <sip:alice@10.0.0.1>;q=0.5;expires=60;+g.oma.sip-im',
    )
    const { headers } = final
    expect(headers.get(H.Supported)).toBe('outbound')
    expect(headers.has(H.Require)).toBe(false)
    expect(headers.list(H.Contact)).toEqual(['<sip:alice@10.0.0.1>;q=0.5;expires=60;+g.oma.sip-im'])
    expect(headers.list(H.Path)).toEqual(['<sip:t1@b:5058;lr>', '<sip:t2@b:5058;lr>'])
    expect(headers.list(H['Service-Route'])).toEqual(['<sip:scscf.sprout.example.com;transport=TCP;lr;orig>'])
    expect(headers.get(H['P-Associated-URI'])).toBe(`<${ALICE}>, <tel:+15551234>`)
    expect(headers.get(H['P-Charging-Function-Addresses'])).toBe(
      'ccf=aaa://ccf1;ccf=aaa://ccf2;ecf=aaa://ecf1',
    )
  })

  const OUTBOUND = 'Contact: <sip:a@h>;+sip.instance="<urn:uuid:1>";reg-id=1'
  test.each([
    ['all of it', OUTBOUND, 'Path: <sip:t@b;lr;ob>', 'Supported: path, outbound', 'outbound'],
    [
      'no reg-id',
      'Contact: <sip:a@h>;+sip.instance="<urn:uuid:1>"',
      'Path: <sip:t@b;lr;ob>',
      'Supported: outbound',
      undefined,
    ],
    ['an edge that is not the first hop', OUTBOUND, 'Path: <sip:t@b;lr>', 'Supported: outbound', undefined],
    ['a phone that does not know it', OUTBOUND, 'Path: <sip:t@b;lr;ob>', 'Supported: path', undefined],
  ])('requires outbound only where it is in use: %s', async (_what, contact, path, supported, required) => {
    expect((await ask(contact, path, supported)).final.headers.get(H.Require)).toBe(required)
  })
})

describe('contacts', () => {
  test('the lifetime is the contact’s, else that of Expires, else the longest, and never longer', async () => {
    const exchange = await ask(
      'Expires: 100',
      'Contact: <sip:a@h>;expires=50, <sip:b@h>, <sip:c@h>;expires=4000',
    )
    expect(contactsOf(exchange)).toEqual([
      '<sip:a@h>;expires=50',
      '<sip:b@h>;expires=100',
      '<sip:c@h>;expires=300',
    ])
  })

  test('a contact that is no SIP URI is left out', async () => {
    expect(contactsOf(await ask('Contact: <mailto:a@h>, <sip:a@h>'))).toEqual(['<sip:a@h>;expires=300'])
  })

  test('a phone that moves keeps its binding by its instance, one without makes another', async () => {
    const at = (host: string) => `Contact: <sip:a@${host}>;+sip.instance="<urn:uuid:1>"`
    await ask(at('one'))
    expect(contactsOf(await ask(at('two')))).toEqual(['<sip:a@two>;expires=300;+sip.instance="<urn:uuid:1>"'])
    await ask('Contact: <sip:a@three>')
    expect(contactsOf(await ask('Contact: <sip:a@four>'))).toHaveLength(3)
  })

  test('each flow of an instance has its own binding (RFC 5626)', async () => {
    const over = (regId: number) => `Contact: <sip:a@h>;+sip.instance="<urn:uuid:1>";reg-id=${regId}`
    await ask(over(1))
    expect(contactsOf(await ask(over(2)))).toHaveLength(2)
    expect(contactsOf(await ask(over(2)))).toHaveLength(2)
  })

  test('no contact asks what there is, and changes nothing', async () => {
    await ask('Contact: <sip:a@h>')
    opened.sender.clock.advance(seconds(100))
    expect(contactsOf(await ask())).toEqual(['<sip:a@h>;expires=200'])
    expect(opened.homestead.asked).toEqual([`reg ${ALICE}`, `read ${ALICE}`])
  })

  test.each([
    ['a star with an expiry', ['Contact: *', 'Expires: 10']],
    ['a star without one', ['Contact: *']],
    ['a star in company', ['Contact: *, <sip:a@h>', 'Expires: 0']],
    ['nonsense', ['Contact: <sip:a@h']],
    [
      'more than any phone has',
      [`Contact: ${Array.from({ length: 33 }, (_, i) => `<sip:${i}@h>`).join(', ')}`],
    ],
  ])('400: %s', async (_what, lines) => {
    expect((await ask(...lines)).statuses).toEqual([400])
    expect(opened.registrations.records.size).toBe(0)
  })

  test('an emergency binding may not be removed early: 501, and a star leaves it', async () => {
    await ask('Contact: <sip:a@h;sos>', 'Contact: <sip:a@h>')
    expect((await ask('Contact: <sip:a@h;sos>;expires=0')).statuses).toEqual([501])
    expect(contactsOf(await ask('Contact: *', 'Expires: 0'))).toEqual(['<sip:a@h;sos>;expires=300'])
  })
})

describe('deregistration', () => {
  test('the last binding that goes is told to the subscriber server, an earlier one is not', async () => {
    await ask('Contact: <sip:a@h>, <sip:b@h>')
    expect(contactsOf(await ask('Contact: <sip:a@h>;expires=0'))).toEqual(['<sip:b@h>;expires=300'])
    expect(opened.homestead.asked).toEqual([`reg ${ALICE}`, `read ${ALICE}`])
    expect(contactsOf(await ask('Contact: <sip:b@h>', 'Expires: 0'))).toEqual([])
    expect(opened.homestead.asked.slice(2)).toEqual([`read ${ALICE}`, `dereg-user ${ALICE}`])
    expect(opened.registrations.records.size).toBe(0)
  })

  test('a star removes the bindings of this private identity only', async () => {
    const other = { impi: 'home@example.com' as Impi, impu: ALICE }
    await ask('Contact: <sip:a@h>')
    await askAs(other, 'Contact: <sip:b@h>')
    expect(contactsOf(await ask('Contact: *', 'Expires: 0'))).toEqual(['<sip:b@h>;expires=300'])
  })

  test('of what was never there is a 200', async () => {
    expect(contactsOf(await ask('Contact: <sip:a@h>;expires=0'))).toEqual([])
    expect(opened.registrations.records.size).toBe(0)
  })
})

describe('the subscriber server', () => {
  test.each([
    [404, 403],
    [403, 403],
    [500, 500],
    [503, 504],
    [504, 504],
    [400, 504],
  ] as const)('says %i: %i', async (status, answer) => {
    opened.homestead.data = () => ({ ok: false, status })
    expect((await ask('Contact: <sip:a@h>')).statuses).toEqual([answer])
  })

  test('does not take the registration: 504', async () => {
    opened.homestead.data = () => registrationData([ALICE], { state: 'UNREGISTERED' })
    expect((await ask('Contact: <sip:a@h>')).statuses).toEqual([504])
    expect((await ask()).statuses).toEqual([200])
  })

  test('knows barred identities only: 400', async () => {
    opened.homestead.data = () => registrationData(['!sip:alice@example.com'])
    expect((await ask('Contact: <sip:a@h>')).statuses).toEqual([400])
  })
})

describe('an emergency registration', () => {
  const SOS = '<sip:a@h;sos>'

  test('may be of a user who has barred identities only', async () => {
    opened.homestead.data = () => registrationData([`!${ALICE}`])

    const exchange = await ask(`Contact: ${SOS};expires=60`)

    expect(contactsOf(exchange)).toEqual([`${SOS};expires=60`])
    expect(exchange.final.headers.get(H['P-Associated-URI'])).toBe(`<${ALICE}>`)
    expect((await ask('Contact: <sip:a@h>')).statuses).toEqual([400])
  })

  test('has a binding of its own beside the usual one of the same phone', async () => {
    const instance = ';+sip.instance="<urn:uuid:1>"'
    await ask(`Contact: <sip:a@h>${instance}`)

    expect(contactsOf(await ask(`Contact: ${SOS}${instance}`))).toHaveLength(2)
  })

  test('cannot be ended or cut short by the phone', async () => {
    await ask(`Contact: ${SOS};expires=200`)

    expect((await ask(`Contact: ${SOS};expires=0`)).statuses).toEqual([501])
    expect(contactsOf(await ask(`Contact: ${SOS};expires=50`))).toEqual([`${SOS};expires=200`])
    expect(contactsOf(await ask(`Contact: ${SOS};expires=0, <sip:b@h>;expires=70`))).toEqual([
      `${SOS};expires=200`,
      '<sip:b@h>;expires=70',
    ])
    expect(contactsOf(await ask('Contact: *', 'Expires: 0'))).toEqual([`${SOS};expires=200`])
    expect(contactsOf(await ask(`Contact: ${SOS};expires=300`))).toEqual([`${SOS};expires=300`])
  })
})

test('phones of one user that register at once all get in', async () => {
  const phones = Array.from({ length: 8 }, (_, i) => ask(`Contact: <sip:${i}@h>`))
  expect((await Promise.all(phones)).map(({ statuses }) => statuses)).toEqual(Array(8).fill([200]))
  expect(opened.registrations.contacts(ALICE)).toHaveLength(8)
})

describe('expiry', () => {
  const settled = () => new Promise(resolve => setImmediate(resolve))
  const askedLast = async (what: string) => {
    await vi.waitFor(() => expect(opened.homestead.asked.at(-1)).toBe(what))
  }

  beforeEach(() => watchExpiry(opened.core))

  test('each binding goes when its time is over; the subscriber server hears of the last', async () => {
    await ask('Contact: <sip:a@h>;expires=60, <sip:b@h>;expires=120')
    opened.sender.clock.advance(seconds(60))
    await vi.waitFor(() => expect(opened.registrations.contacts(ALICE)).toEqual(['sip:b@h']))
    await settled()
    expect(opened.homestead.asked).toEqual([`reg ${ALICE}`])
    opened.sender.clock.advance(seconds(60))
    await askedLast(`dereg-timeout ${ALICE}`)
    expect(opened.registrations.records.size).toBe(0)
  })

  test('a binding that was renewed stays', async () => {
    await ask('Contact: <sip:a@h>;expires=60')
    opened.sender.clock.advance(seconds(50))
    await ask('Contact: <sip:a@h>;expires=60')
    opened.sender.clock.advance(seconds(59))
    await settled()
    expect(opened.registrations.contacts(ALICE)).toEqual(['sip:a@h'])
    opened.sender.clock.advance(seconds(1))
    await askedLast(`dereg-timeout ${ALICE}`)
  })

  test('is kept although somebody registers while the last binding is removed', async () => {
    await ask('Contact: <sip:a@h>;expires=60')
    await Promise.all([ask('Contact: <sip:b@h>;expires=90'), ask('Contact: <sip:a@h>;expires=0')])
    expect(opened.registrations.contacts(ALICE)).toEqual(['sip:b@h'])
    opened.sender.clock.advance(seconds(60))
    await settled()
    opened.sender.clock.advance(seconds(30))
    await askedLast(`dereg-timeout ${ALICE}`)
  })

  test('nothing is told of who has deregistered', async () => {
    await ask('Contact: <sip:a@h>;expires=60')
    await ask('Contact: <sip:a@h>;expires=0')
    opened.homestead.data = () => registrationData([ALICE], { state: 'UNREGISTERED' })
    opened.sender.clock.advance(seconds(60))
    await settled()
    expect(opened.homestead.asked.slice(-2)).toEqual([`dereg-user ${ALICE}`, `read ${ALICE}`])
  })

  test('the subscriber server hears of it too when the record has vanished in the meantime', async () => {
    await ask('Contact: <sip:a@h>;expires=60')
    opened.registrations.records.clear()
    opened.sender.clock.advance(seconds(60))
    await askedLast(`dereg-timeout ${ALICE}`)
  })
})

test('a binding whose flow is gone is forgotten, and the subscriber server told if it was the last', async () => {
  await ask('Contact: <sip:a@h>, <sip:b@h>')
  await forgetBinding(opened.core, ALICE, 'sip:a@h')
  expect(opened.registrations.contacts(ALICE)).toEqual(['sip:b@h'])
  expect(opened.homestead.asked).toEqual([`reg ${ALICE}`])
  await forgetBinding(opened.core, ALICE, 'sip:b@h')
  expect(opened.homestead.asked.at(-1)).toBe(`dereg-timeout ${ALICE}`)
})
