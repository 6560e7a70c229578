import { beforeEach, describe, expect, test } from 'vitest'
import type { TestExchange } from '../../../lib/ims/testing.ts'
import type { ServerChoice } from '../../../lib/ims/homestead.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { openCore, SCSCF, type TestCore } from '../testing.ts'
import { icscf } from './icscf.ts'

const OTHER = 'sip:scscf2.example.com:5054;transport=TCP'
const BOB = 'sip:bob@example.com'
const TO = 'To: <sip:alice@example.com>'
const CONTACT = 'Contact: <sip:alice@10.0.0.1>'

let opened: TestCore

beforeEach(() => {
  opened = openCore()
})

const choice = (value: ServerChoice) => ({ ok: true, value }) as const
const ask = (method: string, uri: string, ...lines: string[]): Promise<TestExchange> =>
  opened.run(icscf, method, uri, lines)

describe('a REGISTER', () => {
  const registers = (...lines: string[]) => ask('REGISTER', 'sip:example.com', TO, ...lines)

  test('goes to the S-CSCF that the subscriber server names, without Routes', async () => {
    opened.homestead.status = () => choice({ resultCode: 2001, scscf: OTHER })
    const exchange = await registers(CONTACT, 'Route: <sip:icscf.sprout.example.com;lr;orig>, <sip:x;lr>')
    const { request, to } = opened.sender.only
    expect([exchange.statuses, to, request.uri, request.headers.has(H.Route)]).toEqual([
      [200],
      OTHER,
      OTHER,
      false,
    ])
  })

  test.each([
    ['REG', [CONTACT]],
    ['REG', []],
    ['REG', [`${CONTACT};expires=0`, CONTACT]],
    ['DEREG', [`${CONTACT};Expires=0`]],
    ['DEREG', [CONTACT, 'Expires: 0']],
    ['DEREG', ['Contact: *', 'Expires: 0']],
    ['REG sos', ['Contact: <sip:alice@10.0.0.1;sos>']],
  ])('is asked about as %s', async (type, lines) => {
    opened.homestead.status = () => choice({ resultCode: 2001, scscf: SCSCF })
    await registers(...lines)
    expect(opened.homestead.asked).toEqual([`${type} alice@example.com sip:alice@example.com`])
  })

  test('the private identity is that of the credentials', async () => {
    opened.homestead.status = () => choice({ resultCode: 2001, scscf: SCSCF })
    await registers(CONTACT, 'Authorization: Digest username="al@example.com"')
    expect(opened.homestead.asked).toEqual(['REG al@example.com sip:alice@example.com'])
  })

  test('of nobody: 400', async () => {
    expect((await ask('REGISTER', 'sip:example.com', 'To: <urn:service:sos>')).statuses).toEqual([400])
  })

  test.each([
    [{ ok: false, status: 404 }, 403],
    [{ ok: false, status: 403 }, 403],
    [{ ok: false, status: 500 }, 480],
    [{ ok: false, status: 503 }, 480],
    [choice({ resultCode: 5003, scscf: SCSCF }), 480],
    [choice({ resultCode: 5001, scscf: SCSCF }), 403],
    [choice({ resultCode: 2001 }), 600],
    [choice({ resultCode: 2001, mandatoryCapabilities: [1] }), 600],
    [choice({ resultCode: 2001, scscf: 'tel:+1' }), 480],
    [choice({ resultCode: 2001, scscf: 'sip:icscf.sprout.example.com:5052' }), 482],
  ] as const)('the subscriber server says %j: %i', async (answer, status) => {
    opened.homestead.status = () => answer
    expect((await registers(CONTACT)).statuses).toEqual([status])
    expect(opened.sender.sent).toEqual([])
  })

  test.each([
    [2001, undefined],
    [2002, undefined],
    [2003, [2]],
  ])('%i without a name goes to ours, if nothing is demanded of it', async (resultCode, optional) => {
    opened.homestead.status = () =>
      choice({
        resultCode,
        mandatoryCapabilities: [],
        ...(optional === undefined ? {} : { optionalCapabilities: optional }),
      })
    await registers(CONTACT)
    expect(opened.sender.only.to).toBe(SCSCF)
  })

  describe('that its S-CSCF does not serve', () => {
    const capab = (second: ReturnType<NonNullable<typeof opened.homestead.status>>) => {
      opened.homestead.status = ({ authType }) =>
        authType === 'CAPAB' ? second : choice({ resultCode: 2001, scscf: OTHER })
    }

    test.each([
      ['480', 480],
      ['302', 302],
      ['no answer', undefined],
    ])('(%s) goes to another one', async (_what, status) => {
      capab(choice({ resultCode: 2001, mandatoryCapabilities: [] }))
      opened.sender.farSide = sent => {
        if (sent.to !== OTHER) sent.answer(200)
        else if (status === undefined) sent.noAnswer('timeout')
        else sent.answer(status)
      }
      expect((await registers(CONTACT)).statuses).toEqual([200])
      expect(opened.sender.sent.map(({ to }) => to)).toEqual([OTHER, SCSCF])
      expect(opened.homestead.asked[1]).toMatch(/^CAPAB /)
    })

    test.each([
      ['the same again', choice({ resultCode: 2001, scscf: OTHER }), 504],
      ['none that can', choice({ resultCode: 2001, mandatoryCapabilities: [1] }), 504],
      ['no answer', { ok: false, status: 503 } as const, 504],
      ['no', { ok: false, status: 403 } as const, 403],
      ['no such user', choice({ resultCode: 5001 }), 403],
    ])('and the subscriber server has %s', async (_what, second, status) => {
      capab(second)
      opened.sender.farSide = sent => sent.noAnswer('unreachable')
      expect((await registers(CONTACT)).statuses).toEqual([status])
    })

    test('but another refusal is the answer', async () => {
      capab(choice({ resultCode: 2001, mandatoryCapabilities: [] }))
      opened.sender.farSide = sent => sent.answer(401)
      expect((await registers(CONTACT)).statuses).toEqual([401])
    })
  })
})

describe('a call', () => {
  test('goes to the S-CSCF of the callee', async () => {
    opened.homestead.locate = () => choice({ resultCode: 2001, scscf: OTHER })
    await ask(
      'INVITE',
      BOB,
      'Route: <sip:icscf.sprout.example.com;lr>',
      'P-Profile-Key: <sip:evil@example.com>',
    )
    const { request, to } = opened.sender.only
    expect(opened.homestead.asked).toEqual([`location ${BOB}`])
    expect([to, request.uri]).toEqual([OTHER, BOB])
    expect(request.headers.list(H.Route)).toEqual([`<${OTHER};lr>`])
    expect(request.headers.has(H['Record-Route'])).toBe(false)
    expect(request.headers.has(H['P-Profile-Key'])).toBe(false)
  })

  test('a wildcard goes along, escaped', async () => {
    opened.homestead.locate = () =>
      choice({ resultCode: 2001, scscf: OTHER, wildcardIdentity: 'sip:b!.*!@example.com' })
    await ask('INVITE', BOB)
    expect(opened.sender.only.request.headers.get(H['P-Profile-Key'])).toBe('<sip:b!.*!@example.com>')
  })

  test('with orig it goes to the S-CSCF of the caller, as its own', async () => {
    opened.homestead.locate = () => choice({ resultCode: 2001, scscf: OTHER })
    const route = 'Route: <sip:icscf.sprout.example.com;lr;orig>'
    await ask('INVITE', BOB, route, 'P-Asserted-Identity: sip:al@example.com')
    expect(opened.homestead.asked).toEqual(['location sip:al@example.com originating'])
    expect(opened.sender.only.request.headers.list(H.Route)).toEqual([`<${OTHER};lr;orig>`])
  })

  test('who is known by number only is found by it', async () => {
    opened.homestead.locate = ({ impu }) =>
      impu.startsWith('tel:') ? choice({ resultCode: 2001, scscf: OTHER }) : { ok: false, status: 404 }
    await ask('INVITE', 'sip:+1555-1234@example.com;user=phone')
    expect(opened.homestead.asked.at(-1)).toBe('location tel:+15551234')
    expect(opened.sender.only.request.uri).toBe('tel:+15551234')
  })

  test.each([
    ['a number', 'tel:+15551234'],
    ['somebody elsewhere', 'sip:carol@example.org'],
  ])('%s that is not ours is the BGCF’s to route', async (_what, uri) => {
    opened.homestead.locate = () => ({ ok: false, status: 404 })
    await ask('INVITE', uri)
    expect(opened.sender.only.to).toBe('sip:bgcf.sprout.example.com;transport=TCP;lr')
    expect(opened.sender.only.request.uri).toBe(uri)
  })

  test.each([
    [{ ok: false, status: 404 }, 404],
    [choice({ resultCode: 5001 }), 404],
    [choice({ resultCode: 5003 }), 480],
    [{ ok: false, status: 503 }, 480],
    [choice({ resultCode: 2001 }), 600],
    [choice({ resultCode: 2001, scscf: 'nonsense' }), 480],
    [choice({ resultCode: 2001, scscf: 'sip:127.0.0.1:5052' }), 482],
  ] as const)('the subscriber server says %j: %i', async (answer, status) => {
    opened.homestead.locate = () => answer
    expect((await ask('INVITE', BOB)).statuses).toEqual([status])
    expect(opened.sender.sent).toEqual([])
  })

  test('for nobody that has an identity: 400; an ACK for nobody is dropped', async () => {
    expect((await ask('INVITE', 'urn:service:counseling')).statuses).toEqual([400])
    expect((await ask('ACK', BOB)).statuses).toEqual([])
    expect(opened.sender.acks).toEqual([])
  })

  test('with a Route below ours it is passed on', async () => {
    await ask('INVITE', BOB, 'Route: <sip:icscf.sprout.example.com;lr>, <sip:as.example.com;lr>')
    expect(opened.sender.only.to).toBe('sip:as.example.com;lr')
  })

  test('a 480 of the S-CSCF is the answer', async () => {
    opened.homestead.locate = () => choice({ resultCode: 2001, scscf: OTHER })
    opened.sender.farSide = sent => sent.answer(480)
    expect((await ask('INVITE', BOB)).statuses).toEqual([480])
    expect(opened.sender.sent).toHaveLength(1)
  })
})

describe('a call to an emergency service (RFC 5031)', () => {
  test('goes to where the operator wants it, from whomever', async () => {
    opened = openCore({ emergencyUri: 'sip:psap.example.com;transport=tcp' })

    await ask('INVITE', 'urn:service:sos.fire')

    expect(opened.sender.only.to).toBe('sip:psap.example.com;transport=tcp;lr')
    expect(opened.sender.only.request.uri).toBe('urn:service:sos.fire')
    expect(opened.homestead.asked).toEqual([])
  })

  test('ends here where there is no such place', async () => {
    expect((await ask('INVITE', 'urn:service:sos')).statuses).toEqual([404])
  })
})

describe('a callee whom ENUM knows', () => {
  const KNOWN = new Set<string>()
  const ENTRIES = new Map<string, string>()

  beforeEach(() => {
    KNOWN.clear()
    ENTRIES.clear()
    const asked: string[] = []
    opened = openCore({}, undefined, { lookup: async number => (asked.push(number), ENTRIES.get(number)) })
    opened.homestead.locate = ({ impu }) =>
      KNOWN.has(impu) ? choice({ resultCode: 2001, scscf: SCSCF }) : { ok: false, status: 404 }
  })

  test('is found by what the number stands for', async () => {
    KNOWN.add(BOB)
    ENTRIES.set('+1650', BOB)

    await ask('INVITE', 'tel:+1650')

    expect(opened.homestead.asked).toEqual(['location tel:+1650', `location ${BOB}`])
    expect(opened.sender.only.request.uri).toBe(BOB)
  })

  test('is found by a number that leads to a number, and no further', async () => {
    ENTRIES.set('+1', 'sip:+2@example.com;user=phone')
    ENTRIES.set('+2', 'sip:+1@example.com;user=phone')

    await ask('INVITE', 'tel:+1')

    expect(opened.homestead.asked.length).toBeLessThanOrEqual(4)
    expect(opened.sender.only.to).toContain('bgcf')
  })

  test.each([
    ['elsewhere', 'sip:bob@example.org'],
    ['ported', 'sip:+1650;rn=+44;npdi@example.com'],
  ])('is the BGCF’s if %s', async (_what, uri) => {
    ENTRIES.set('+1650', uri)

    await ask('INVITE', 'tel:+1650')

    expect(opened.sender.only.to).toContain('bgcf')
    expect(opened.sender.only.request.uri).toBe(uri)
  })
})

describe('an S-CSCF of s-cscf.json', () => {
  const [PLAIN, BILLING, SPARE] = ['sip:s1.example.com', 'sip:s2.example.com', 'sip:s3.example.com']
  const scscfs = [
    { server: PLAIN, priority: 0, weight: 100, capabilities: [] },
    { server: BILLING, priority: 0, weight: 100, capabilities: [1] },
    { server: SPARE, priority: 1, weight: 100, capabilities: [1] },
  ]
  const registers = () => ask('REGISTER', 'sip:example.com', TO, CONTACT)

  beforeEach(() => {
    opened = openCore({ scscfs })
    opened.homestead.status = () => choice({ resultCode: 2001, mandatoryCapabilities: [1] })
    opened.homestead.locate = () => choice({ resultCode: 2003, mandatoryCapabilities: [1] })
  })

  test('is one that can do what the user needs', async () => {
    expect((await registers()).statuses).toEqual([200])
    expect(opened.sender.only.to).toBe(BILLING)
  })

  test('is another one when that does not serve, each once, without another question', async () => {
    opened.sender.farSide = sent => sent.noAnswer('unreachable')

    expect((await registers()).statuses).toEqual([504])
    expect(opened.sender.sent.map(({ to }) => to)).toEqual([BILLING, SPARE])
    expect(opened.homestead.asked).toHaveLength(1)
  })

  test('600 when none can', async () => {
    opened.homestead.status = () => choice({ resultCode: 2001, mandatoryCapabilities: [1, 7] })
    expect((await registers()).statuses).toEqual([600])
  })

  test('for a call likewise, but only where nothing is heard of the first', async () => {
    opened.sender.farSide = sent =>
      sent.to.startsWith(BILLING) ? sent.noAnswer('timeout') : sent.answer(480)

    expect((await ask('INVITE', BOB)).statuses).toEqual([480])
    expect(opened.sender.sent.map(({ request }) => request.headers.list(H.Route))).toEqual([
      [`<${BILLING};lr>`],
      [`<${SPARE};lr>`],
    ])
  })

  test('a callee who has rung in vain does not ring again', async () => {
    opened.sender.farSide = sent => {
      sent.answer(180)
      sent.noAnswer('timeout')
    }

    expect((await ask('INVITE', BOB)).statuses).toEqual([180, 408])
    expect(opened.sender.sent).toHaveLength(1)
  })
})
