import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { Impi, Impu } from '../../../lib/ims/identity.ts'
import type { SentRequest, TestExchange } from '../../../lib/ims/testing.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { seconds } from '../../../lib/kit/clock.ts'
import { filterCriterion, openCore, registrationData, type TestCore } from '../testing.ts'
import { watchExpiry } from './deregister.ts'
import { register } from './registrar.ts'

const ALICE = 'sip:alice@example.com'
const AS = 'sip:as.example.net'
const SCSCF = '<sip:scscf.sprout.example.com:5054;transport=TCP>'

let opened: TestCore

function open(...criteria: string[]): void {
  opened = openCore()
  opened.homestead.data = impu => registrationData([impu], { filterCriteria: criteria })
}

const onRegister = (more = '', server = AS): string => filterCriterion(server, { method: 'REGISTER', more })

async function alice(expires: number, ...lines: string[]): Promise<TestExchange> {
  const user = { impi: 'alice@example.com' as Impi, impu: ALICE as Impu }
  const exchange = await opened.run((one, core) => register(one, user, core), 'REGISTER', 'sip:example.com', [
    `Contact: <sip:alice@10.0.0.1>;expires=${expires}`,
    ...lines,
  ])
  await new Promise(resolve => setImmediate(resolve))
  return exchange
}

const sent = (): SentRequest[] => opened.sender.sent
const expiresSent = (): (string | undefined)[] => sent().map(({ request }) => request.headers.get(H.Expires))

beforeEach(() => open(onRegister()))

test('a registration is told after the phone has its answer', async () => {
  const exchange = await alice(120, 'P-Access-Network-Info: IEEE-802.11', 'P-Visited-Network-ID: home')
  const { request, to } = opened.sender.only
  const { headers } = request
  expect(exchange.statuses).toEqual([200])
  expect([to, request.uri]).toEqual([AS, AS])
  expect(headers.get(H.From)).toMatch(/^<sip:scscf\.sprout\.example\.com:5054;transport=TCP>;tag=/)
  expect(headers.get(H.Contact)).toBe(SCSCF)
  expect(headers.get(H.To)).toBe(`<${ALICE}>`)
  expect(headers.get(H.Expires)).toBe('120')
  expect(headers.get(H.CSeq)).toBe('1 REGISTER')
  expect(headers.get(H['P-Access-Network-Info'])).toBe('IEEE-802.11')
  expect(headers.get(H['P-Visited-Network-ID'])).toBe('home')
  expect(headers.has(H.Route)).toBe(false)
  expect(request.body).toBe('')
})

test('renewal and removal are told too; asking is not', async () => {
  await alice(120)
  await alice(60)
  await opened.run(
    (one, core) => register(one, { impi: 'alice@example.com' as Impi, impu: ALICE as Impu }, core),
    'REGISTER',
    'sip:example.com',
  )
  await alice(0)
  expect(expiresSent()).toEqual(['120', '60', '0'])
})

test('an expired registration is told as removed', async () => {
  open(onRegister('<ServiceInfo>x</ServiceInfo>'))
  watchExpiry(opened.core)
  await alice(60)
  opened.sender.clock.advance(seconds(61))
  await vi.waitFor(() => expect(expiresSent()).toEqual(['60', '0']))
  expect(sent()[1]?.request.body).toBe('')
})

describe('bodies', () => {
  const INFO = '<ServiceInfo>a&lt;b</ServiceInfo>'
  const REQUEST = '<Extension><IncludeRegisterRequest/></Extension>'
  const BOTH = '<Extension><IncludeRegisterRequest/><IncludeRegisterResponse/></Extension>'

  async function body(more: string): Promise<{ type: string | undefined; text: string }> {
    open(onRegister(more))
    await alice(120)
    const { request } = opened.sender.only
    return { type: request.headers.get(H['Content-Type']), text: request.body }
  }

  test('service information', async () => {
    expect(await body(INFO)).toEqual({
      type: 'application/3gpp-ims+xml',
      text: '<ims-3gpp><service-info>a&lt;b</service-info></ims-3gpp>',
    })
  })

  test('the REGISTER', async () => {
    const { type, text } = await body(REQUEST)
    expect(type).toBe('message/sip')
    expect(text).toMatch(/^REGISTER sip:example\.com SIP\/2\.0\r\n/)
  })

  test('all three', async () => {
    const { type, text } = await body(INFO + BOTH)
    const boundary = /^multipart\/mixed;boundary="(.+)"$/.exec(type ?? '')?.[1] ?? 'none'
    const parts = text.split(`--${boundary}`)
    expect(parts.map(part => /Content-Type: (\S+)\r\n\r\n(\S+)/.exec(part)?.slice(1))).toEqual([
      undefined,
      ['application/3gpp-ims+xml', expect.any(String)],
      ['message/sip', 'REGISTER'],
      ['message/sip', 'SIP/2.0'],
      undefined,
    ])
    expect(text.endsWith(`--${boundary}--\r\n`)).toBe(true)
  })
})

describe('a server that fails', () => {
  const MUST = '<DefaultHandling>1</DefaultHandling>'
  const OTHER = 'sip:other.example.net'

  test.each([
    ['5xx', (one: SentRequest) => one.answer(500)],
    ['408', (one: SentRequest) => one.answer(408)],
    ['nothing', (one: SentRequest) => one.noAnswer('timeout')],
  ])('with %s, and cannot be done without: the user is de-registered', async (_what, farSide) => {
    open(onRegister(MUST), onRegister('', OTHER))
    opened.sender.farSide = one => {
      if (one.to === AS) farSide(one)
      else one.answer(200)
    }
    await alice(120)
    await vi.waitFor(() => expect(sent()).toHaveLength(3))
    expect(opened.registrations.contacts(ALICE)).toEqual([])
    expect(opened.homestead.asked.at(-1)).toBe(`dereg-admin ${ALICE}`)
    expect(sent().map(({ to, request }) => [to, request.headers.get(H.Expires)])).toEqual([
      [AS, '120'],
      [OTHER, '120'],
      [OTHER, '0'],
    ])
  })

  test.each([
    ['with 403, and cannot be done without', MUST, 403],
    ['with 500, and can be done without', '', 500],
  ])('%s: the user stays registered', async (_what, more, status) => {
    open(onRegister(more))
    opened.sender.farSide = one => one.answer(status)
    await alice(120)
    expect(opened.registrations.contacts(ALICE)).toHaveLength(1)
  })
})
