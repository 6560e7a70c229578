import { beforeEach, describe, expect, test } from 'vitest'
import { parseFallbackSet } from '../../../lib/ims/ifc/sets.ts'
import type { Impi, Impu } from '../../../lib/ims/identity.ts'
import { TestExchange, type SentRequest } from '../../../lib/ims/testing.ts'
import { millis } from '../../../lib/kit/clock.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { responseTo, type SipRequest } from '../../../lib/sip/message.ts'
import { filterCriterion, openCore, registrationData, type TestCore } from '../testing.ts'
import { register } from './registrar.ts'
import { session } from './session.ts'

const ALICE = 'sip:alice@example.com'
const BOB = 'sip:bob@example.com'
const ORIG = 'Route: <sip:scscf.sprout.example.com;transport=TCP;lr;orig>'
const TERM = 'Route: <sip:scscf.sprout.example.com:5054;transport=TCP;lr>'
const ONE = 'sip:one.example.net:5080;transport=TCP'
const TWO = 'sip:two.example.net'
const ICSCF = 'sip:icscf.sprout.example.com;transport=TCP;lr'
const CONTACT = 'sip:bob@10.0.0.2'

let opened: TestCore

beforeEach(() => open([]))

/** A core whose every user has these criteria. */
function open(filterCriteria: readonly string[], ...more: Parameters<typeof openCore>): void {
  opened = openCore(...more)
  opened.homestead.data = impu => registrationData([impu], { filterCriteria })
}

function call(uri: string, ...lines: string[]): Promise<TestExchange> {
  return opened.run(session, 'INVITE', uri, lines)
}

/** What a server that was sent `sent` does as a proxy, or with changes as something else. */
async function back(
  sent: SentRequest,
  change: { uri?: string; lines?: (edit: ReturnType<SipRequest['headers']['edit']>) => void } = {},
): Promise<TestExchange> {
  const edit = sent.request.headers.edit().removeTop(H.Route)
  change.lines?.(edit)
  const exchange = new TestExchange(sent.request.with(edit.done(), change.uri))
  await session(exchange, opened.core)
  return exchange
}

async function bobRegisters(): Promise<void> {
  const user = { impi: 'bob@example.com' as Impi, impu: BOB as Impu }
  await opened.run((one, core) => register(one, user, core), 'REGISTER', 'sip:example.com', [
    `Contact: <${CONTACT}>`,
  ])
}

const silent = (): void => undefined
const routes = (sent: SentRequest): string[] => sent.request.headers.list(H.Route)
const sentTo = (): string[] => opened.sender.sent.map(({ to }) => to)

/** Starts a call and waits until the first server has it, which says nothing. */
async function callIntoSilence(uri: string, ...lines: string[]): Promise<{ done: Promise<TestExchange> }> {
  opened.sender.farSide = silent
  const done = call(uri, ...lines)
  await settled()
  return { done }
}

/** When everything that waits for nothing but itself has happened. */
function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

describe('what a server gets', () => {
  test('originating: its own Route, ours with a token below, and the served user', async () => {
    open([filterCriterion(ONE)])
    await call(BOB, ORIG, 'P-Served-User: <sip:alice@example.com>', 'Route: <sip:kept.example.com;lr>')
    const { request, to } = opened.sender.only
    expect(to).toBe(ONE)
    expect(routes(opened.sender.only)).toEqual([
      `<${ONE};lr>`,
      expect.stringMatching(/^<sip:odi_[\w.-]+@127\.0\.0\.1:5054;transport=TCP;lr;service=scscf;orig>$/),
      '<sip:kept.example.com;lr>',
    ])
    expect(request.headers.lines(H['P-Served-User'])).toEqual([`<${ALICE}>;sescase=orig;regstate=reg`])
    expect(request.headers.list(H['Record-Route'])).toHaveLength(1)
  })

  test('terminating, the user being away: no orig in the Route, and it says so', async () => {
    open([filterCriterion(TWO, { sessionCase: 2 })])
    opened.homestead.data = impu =>
      registrationData([impu], {
        state: 'UNREGISTERED',
        filterCriteria: [filterCriterion(TWO, { sessionCase: 2 })],
      })
    await call(BOB, TERM)
    expect(routes(opened.sender.only)[1]).toMatch(/^<sip:odi_[\w.-]+@127\.0\.0\.1:5054;lr;service=scscf>$/)
    expect(opened.sender.only.request.headers.get(H['P-Served-User'])).toBe(
      `<${BOB}>;sescase=term;regstate=unreg`,
    )
  })

  test('a node that servers reach elsewhere says so, and knows itself by it', async () => {
    open([filterCriterion(ONE)], { scscfNodeUri: 'sip:node-1.example.com:5054' })
    await call(BOB, ORIG)
    expect(routes(opened.sender.last)[1]).toContain('@node-1.example.com:5054;transport=TCP;lr;')
    await back(opened.sender.last)
    expect(sentTo()).toEqual([ONE, ICSCF])
  })

  test('who is charged', async () => {
    open([filterCriterion(ONE)])
    opened.homestead.data = impu =>
      registrationData([impu], {
        filterCriteria: [filterCriterion(ONE)],
        charging: { ccf: ['aaa://c1'], ecf: [] },
      })
    await call(BOB, ORIG, 'P-Charging-Vector: icid-value=1')
    const { headers } = opened.sender.only.request
    expect(headers.get(H['P-Charging-Vector'])).toBe('icid-value=1;orig-ioi=example.com')
    expect(headers.get(H['P-Charging-Function-Addresses'])).toBe('ccf=aaa://c1')
  })

  test('a name that is no SIP URI: 502, whatever the criterion says', async () => {
    open([filterCriterion('mailto:as@example.net')])
    expect((await call(BOB, ORIG)).statuses).toEqual([502])
  })

  test('a server of the other role is not visited', async () => {
    open([filterCriterion(ONE, { sessionCase: 1 })])
    await call(BOB, ORIG)
    expect(sentTo()).toEqual([ICSCF])
  })
})

describe('the chain', () => {
  const both = [filterCriterion(TWO, { priority: 2 }), filterCriterion(ONE, { priority: 1 })]

  test('a request that comes back goes to the next server, then to its target', async () => {
    open(both)
    await call(BOB, ORIG)
    await back(opened.sender.last)
    await back(opened.sender.last)
    expect(sentTo()).toEqual([ONE, TWO, ICSCF])
    expect(routes(opened.sender.last)).toEqual([`<${ICSCF}>`])
  })

  test('it goes on at another node, which has never heard of it', async () => {
    open(both)
    await call(BOB, ORIG)
    const sent = opened.sender.last
    open(both)
    await back(sent)
    expect(sentTo()).toEqual([TWO])
  })

  test('a B2BUA goes on with a call of its own', async () => {
    open(both)
    await call(BOB, ORIG)
    await back(opened.sender.last, {
      lines: edit => edit.set(H['Call-ID'], 'other').set(H.From, '<sip:x@y>;tag=9'),
    })
    expect(sentTo()).toEqual([ONE, TWO])
    expect(opened.sender.last.request.headers.get(H['P-Served-User'])).toContain(ALICE)
  })

  test('each copy of a forking server goes on by itself', async () => {
    open(both)
    await call(BOB, ORIG)
    const sent = opened.sender.last
    await back(sent, { uri: 'sip:carol@example.com' })
    await back(sent, { uri: 'sip:dave@example.com' })
    expect(opened.sender.sent.slice(1).map(({ request, to }) => [request.uri, to])).toEqual([
      ['sip:carol@example.com', TWO],
      ['sip:dave@example.com', TWO],
    ])
  })

  test('criteria see the request as the server has left it', async () => {
    const moon =
      '<InitialFilterCriteria><Priority>3</Priority><TriggerPoint><ConditionTypeCNF>1</ConditionTypeCNF><SPT><Group>0</Group>' +
      `<SIPHeader><Header>X-Moon</Header></SIPHeader></SPT></TriggerPoint><ApplicationServer><ServerName>${TWO}</ServerName></ApplicationServer></InitialFilterCriteria>`
    open([filterCriterion(ONE), moon])
    await call(BOB, ORIG)
    const sent = opened.sender.last
    await back(sent, { lines: edit => edit.add('X-Moon', 'full') })
    await back(sent)
    expect(sentTo()).toEqual([ONE, TWO, ICSCF])
  })

  test('a Route that a server leaves decides at the end', async () => {
    open([filterCriterion(ONE)])
    await call(BOB, ORIG)
    await back(opened.sender.last, { lines: edit => edit.append(H.Route, '<sip:gw.example.net;lr>') })
    expect(sentTo()).toEqual([ONE, 'sip:gw.example.net;lr'])
  })

  test('a token that is none of ours begins anew; orig decides', async () => {
    open([filterCriterion(ONE)])
    await call(BOB, 'Route: <sip:odi_unknown@127.0.0.1:5054;lr;orig>')
    expect(sentTo()).toEqual([ONE])
  })

  test('a request does not gain hops on the way, so that servers in a circle come to an end', async () => {
    open([filterCriterion(ONE)])
    await call(BOB, ORIG, 'Max-Forwards: 2')
    const [first] = opened.sender.sent
    if (first === undefined) throw new Error('nothing was sent')
    const exchange = await back(first, { lines: edit => edit.set(H['Max-Forwards'], '70') })
    expect(exchange.statuses).toEqual([483])
    expect(sentTo()).toEqual([ONE])
  })

  test('fallback criteria count when none of the own has matched', async () => {
    const set = parseFallbackSet(`<FallbackIFCsSet>${filterCriterion(TWO)}</FallbackIFCsSet>`)
    if (!set.ok) throw new Error(set.message)
    const sets = { shared: new Map(), fallback: set.value }
    open([filterCriterion(ONE, { method: 'MESSAGE' })], {}, sets)
    await call(BOB, ORIG)
    await back(opened.sender.last)
    expect(sentTo()).toEqual([TWO, ICSCF])
    open([filterCriterion(ONE)], {}, sets)
    await call(BOB, ORIG)
    await back(opened.sender.last)
    expect(sentTo()).toEqual([ONE, ICSCF])
  })

  test.each([
    ['pcscf', 1, 1],
    ['pcscf,icscf', 1, 2],
    ['pcscf,icscf,as', 1, 3],
  ])('at level %s it stays in sight', async (recordRouteLevel, first, last) => {
    open(both, { recordRouteLevel })
    const seen: number[] = []
    await call(BOB, ORIG)
    seen.push(opened.sender.last.request.headers.list(H['Record-Route']).length)
    await back(opened.sender.last)
    await back(opened.sender.last)
    seen.push(opened.sender.last.request.headers.list(H['Record-Route']).length)
    expect(seen).toEqual([first, last])
  })
})

describe('terminating', () => {
  const forBob = [
    filterCriterion(ONE, { sessionCase: 1 }),
    filterCriterion(TWO, { sessionCase: 4, priority: 1 }),
  ]

  beforeEach(async () => {
    open(forBob)
    await bobRegisters()
  })

  test('the phones ring after the last server', async () => {
    await call(BOB, TERM)
    await back(opened.sender.last, { uri: `${BOB};x=y` })
    expect(sentTo()).toEqual([ONE, CONTACT])
    expect(opened.sender.last.request.headers.get(H['P-Called-Party-ID'])).toBe(`<${BOB}>`)
  })

  test('sent to somebody else: the services for diverted calls of the old callee, then the new one', async () => {
    await call(BOB, TERM, 'P-Charging-Vector: icid-value=1')
    await back(opened.sender.last, { uri: 'sip:carol@example.com' })
    const { request, to } = opened.sender.last
    expect(to).toBe(TWO)
    expect(request.headers.get(H['P-Served-User'])).toBe(`<${BOB}>;orig-cdiv`)
    expect(request.headers.get(H['P-Charging-Vector'])).toBe('icid-value=1;orig-ioi=example.com')
    expect(routes(opened.sender.last)[1]).toContain(';orig>')
    await back(opened.sender.last)
    expect(opened.sender.last.to).toBe(ICSCF)
    expect(opened.sender.last.request.uri).toBe('sip:carol@example.com')
  })

  test('sent to somebody else by a Route: that is followed', async () => {
    await call(BOB, TERM)
    await back(opened.sender.last, {
      uri: 'sip:carol@example.org',
      lines: edit => edit.append(H.Route, '<sip:gw.example.net;lr>'),
    })
    expect(sentTo()).toEqual([ONE, 'sip:gw.example.net;lr'])
  })

  test('a server that answers itself: 3xx and 4xx are passed on', async () => {
    opened.sender.farSide = sent => sent.answer(302)
    expect((await call(BOB, TERM)).statuses).toEqual([302])
    expect(sentTo()).toEqual([ONE])
  })
})

describe('a server that fails', () => {
  const mayFail = filterCriterion(ONE)
  const mayNotFail = filterCriterion(ONE, { more: '<DefaultHandling>1</DefaultHandling>' })

  test.each([500, 503, 599, 408])('with %i is passed over, and the request is as it was', async status => {
    open([mayFail])
    opened.sender.farSide = sent => sent.answer(sent.to === ONE ? status : 200)
    expect((await call(BOB, ORIG)).statuses).toEqual([200])
    expect(sentTo()).toEqual([ONE, ICSCF])
    expect(opened.sender.last.request.headers.has(H['P-Served-User'])).toBe(false)
    expect(routes(opened.sender.last)).toEqual([`<${ICSCF}>`])
  })

  test.each([
    ['with 486', [486]],
    ['with 503 after it rang', [180, 503]],
    ['with 604', [604]],
  ])('%s has spoken', async (_what, statuses) => {
    open([mayFail])
    opened.sender.farSide = sent => statuses.forEach(status => sent.answer(status))
    expect((await call(BOB, ORIG)).statuses).toEqual(statuses)
    expect(sentTo()).toEqual([ONE])
  })

  test('after it sent the request on has spoken too', async () => {
    open([mayFail])
    const { done } = await callIntoSilence(BOB, ORIG)
    const [first] = opened.sender.sent
    if (first === undefined) throw new Error('nothing was sent')
    void back(first)
    await settled()
    opened.sender.clock.advance(millis(60_000))
    expect(first.cancelled).toBe(false)
    first.answer(503)
    expect((await done).statuses).toEqual([503])
  })

  test('and cannot be done without ends the session', async () => {
    open([mayNotFail])
    opened.sender.farSide = sent => sent.noAnswer('unreachable')
    expect((await call(BOB, ORIG)).statuses).toEqual([503])
    expect(sentTo()).toEqual([ONE])
  })

  test('a server that is silent is cancelled and passed over in time', async () => {
    open([mayFail])
    const { done } = await callIntoSilence(BOB, ORIG)
    opened.sender.clock.advance(millis(1999))
    expect(sentTo()).toEqual([ONE])
    opened.sender.farSide = sent => sent.answer(200)
    opened.sender.clock.advance(millis(1))
    expect((await done).statuses).toEqual([200])
    expect(sentTo()).toEqual([ONE, ICSCF])
    expect(opened.sender.sent[0]?.cancelled).toBe(true)
  })

  test('a silent server that cannot be done without: 408, later', async () => {
    open([mayNotFail])
    const { done } = await callIntoSilence(BOB, ORIG)
    opened.sender.clock.advance(millis(3999))
    await settled()
    expect(opened.sender.only.cancelled).toBe(false)
    opened.sender.clock.advance(millis(1))
    expect((await done).statuses).toEqual([408])
  })

  test('100 is a sign of life', async () => {
    open([mayFail])
    const { done } = await callIntoSilence(BOB, ORIG)
    opened.sender.only.answer(100)
    opened.sender.clock.advance(millis(60_000))
    opened.sender.only.answer(200)
    expect((await done).statuses).toEqual([200])
  })

  test('a server that sends the request on too late is told so', async () => {
    open([mayFail])
    const { done } = await callIntoSilence(BOB, ORIG)
    const [first] = opened.sender.sent
    if (first === undefined) throw new Error('nothing was sent')
    opened.sender.clock.advance(millis(2000))
    await settled()
    expect((await back(first)).statuses).toEqual([487])
    first.noAnswer('timeout')
    opened.sender.last.answer(200)
    expect((await done).statuses).toEqual([200])
    expect(opened.core.visits.size).toBe(0)
  })

  test('a server that answers too late is heard, and what rings instead is cancelled', async () => {
    open([mayFail])
    const { done } = await callIntoSilence(BOB, ORIG)
    opened.sender.clock.advance(millis(2000))
    await settled()
    opened.sender.sent[0]?.answer(200)
    const { last } = opened.sender
    expect([last.to, last.cancelled]).toEqual([ICSCF, true])
    last.answer(487)
    expect((await done).statuses[0]).toBe(200)
  })

  test('a caller that gives up is not sent elsewhere', async () => {
    open([mayFail])
    const exchange = new TestExchange((await opened.run(() => undefined, 'INVITE', BOB, [ORIG])).request)
    opened.sender.farSide = silent
    const done = session(exchange, opened.core)
    await settled()
    exchange.cancelled = exchange.request
    exchange.onCancel?.(exchange.request)
    expect(opened.sender.only.cancelled).toBe(true)
    opened.sender.clock.advance(millis(2000))
    await done
    expect(exchange.statuses).toEqual([487])
    expect(sentTo()).toEqual([ONE])
  })

  test('a response that a server gives twice goes out as far as it may', async () => {
    open([mayFail])
    opened.sender.farSide = sent => {
      sent.answer(200)
      sent.answer(200)
      sent.answer(503)
    }
    expect((await call(BOB, ORIG)).statuses).toEqual([200, 200])
    expect(responseTo(opened.sender.only.request, 200).status).toBe(200)
  })
})

describe('where every request has to meet a criterion', () => {
  const DIVERTED = 'sip:carol@example.com'
  const strict = { rejectIfNoMatchingIfcs: true, dummyAppServer: TWO }

  test.each([
    ['the caller has none', ORIG, BOB, [], 400],
    ['the callee has none', TERM, BOB, [], 400],
    ['one is for other methods', ORIG, BOB, [filterCriterion(ONE, { method: 'MESSAGE' })], 400],
    ['an emergency call is let through', ORIG, 'urn:service:sos', [], 404],
  ])('%s', async (_what, route, uri, criteria, status) => {
    open(criteria, strict)
    expect((await call(uri, route)).statuses).toEqual([status])
  })

  test('one for a server that nobody has to visit counts, and those behind it are visited', async () => {
    open([filterCriterion(TWO), filterCriterion(ONE)], strict)
    await call(BOB, ORIG)
    expect(sentTo()).toEqual([ONE])

    open([filterCriterion(TWO)], strict)
    await call(BOB, ORIG)
    expect(sentTo()).toEqual([ICSCF])
  })

  test('a call that the callee’s server diverts has met one', async () => {
    open([filterCriterion(ONE, { sessionCase: 1 })], strict)
    await call(BOB, TERM)
    const [atServer] = opened.sender.sent
    if (atServer === undefined) throw new Error('no server was visited')
    expect((await back(atServer, { uri: DIVERTED })).statuses).toEqual([200])
  })
})
