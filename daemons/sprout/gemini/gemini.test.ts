import { beforeEach, describe, expect, test } from 'vitest'
import { sipRequest, TestExchange, type SentRequest } from '../../../lib/ims/testing.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { Invocation } from '../as/invocation.ts'
import { openCore, type TestCore } from '../testing.ts'
import { gemini } from './gemini.ts'

const BOB = 'sip:6505550002@example.com'
const NATIVE_BOB = 'sip:1116505550002@example.com'
const TERM = `P-Served-User: <${BOB}>;sescase=term;regstate=reg`
const BACK = '<sip:odi_x@127.0.0.1:5054;lr;service=scscf>'
const ICS = '*;+g.3gpp.ics="server,principal"'
const TWIN = '*;+sip.with-twin'

let tested: TestCore
beforeEach(() => {
  tested = openCore()
})

function begin(
  method: string,
  lines: readonly string[] = [],
  { uri = BOB, params = ';twin-prefix=111' } = {},
): { readonly exchange: TestExchange; readonly done: Promise<void> } {
  const own = `<sip:mobile-twinned@gemini.example.com;lr${params}>`
  const exchange = new TestExchange(
    sipRequest(method, uri, [
      `Route: ${own}, ${BACK}`,
      ...(lines.some(line => line.startsWith('P-Served-User')) ? [] : [TERM]),
      ...lines,
    ]),
  )
  const isOwn = ({ host }: { host: string }): boolean => host === 'gemini.example.com'
  const done = Promise.resolve(gemini(new Invocation('gemini', exchange, isOwn, tested.core)))
  return { exchange, done }
}

async function send(...call: Parameters<typeof begin>): Promise<TestExchange> {
  const { exchange, done } = begin(...call)
  await done
  return exchange
}

function described({ request }: SentRequest) {
  return {
    uri: request.uri,
    accept: request.headers.lines(H['Accept-Contact']),
    reject: request.headers.lines(H['Reject-Contact']),
  }
}

const CLIENTS = { uri: BOB, accept: [], reject: [TWIN, ICS] }
const NATIVE = { uri: NATIVE_BOB, accept: [`${ICS};require;explicit`], reject: [TWIN] }
const TWINNED = { uri: BOB, accept: [`${TWIN};require;explicit`], reject: [] }

/** What the far side answers, by the place of the request. */
function answering(...statuses: (number | undefined)[]): void {
  tested.sender.farSide = sent => {
    const status = statuses[tested.sender.sent.indexOf(sent)]
    if (status !== undefined) sent.answer(status)
  }
}

const sentOut = () => tested.sender.sent.map(described)

describe.each(['INVITE', 'SUBSCRIBE'])('%s', method => {
  test('goes to the VoIP clients and to the phone at once, both back to the S-CSCF', async () => {
    answering(undefined, 200)
    const exchange = await send(method)
    expect(sentOut()).toEqual([CLIENTS, NATIVE])
    expect(tested.sender.sent.map(({ to }) => to)).toEqual(Array(2).fill(BACK.slice(1, -1)))
    expect(exchange.statuses).toEqual([200])
    expect(tested.sender.sent[0]?.cancelled).toBe(true)
  })

  test('for one device goes to it, unchanged', async () => {
    await send(method, [], { uri: `${BOB};gr=x` })
    expect(sentOut()).toEqual([{ uri: `${BOB};gr=x`, accept: [], reject: [] }])
  })

  test.each([ICS, '*;+g.3gpp.ics="principal"', '*;audio, *;g.3gpp.ics="server"'])(
    'that asks for the phone (%s) goes to it alone',
    async accept => {
      answering(480)
      const exchange = await send(method, [`Accept-Contact: ${accept}`])
      expect(sentOut()).toEqual([{ ...NATIVE, accept: [accept, ...NATIVE.accept] }])
      expect(exchange.statuses).toEqual([480])
    },
  )

  test.each(['*;audio', '*;+g.3gpp.ics="other"', '*;+g.3gpp.icsx="server"'])(
    'that asks for something else (%s) is twinned',
    async accept => {
      await send(method, [`Accept-Contact: ${accept}`])
      expect(tested.sender.sent).toHaveLength(2)
    },
  )

  test('to a number: 480', async () => {
    expect((await send(method, [], { uri: 'tel:+16505550002' })).statuses).toEqual([480])
  })
})

describe('when the phone is not there', () => {
  test('its own client is called in its place, and 480 is not heard of', async () => {
    answering(486, 480, 200)
    const exchange = await send('INVITE')
    expect(sentOut()).toEqual([CLIENTS, NATIVE, TWINNED])
    expect(exchange.statuses).toEqual([200])
  })

  test('and neither is its client, the best of all failures is told', async () => {
    answering(486, 480, 404)
    expect((await send('INVITE')).statuses).toEqual([404])
  })

  test('a subscription is not tried again', async () => {
    answering(404, 480)
    expect((await send('SUBSCRIBE')).statuses).toEqual([404])
    expect(tested.sender.sent).toHaveLength(2)
  })

  test('after the caller has given up, nobody else is called', async () => {
    tested.sender.farSide = () => undefined
    const { exchange, done } = begin('INVITE')
    exchange.onCancel?.(sipRequest('CANCEL', BOB))
    const [clients, native] = tested.sender.sent
    native?.answer(480)
    clients?.answer(487)
    await done
    expect(tested.sender.sent).toHaveLength(2)
    expect(exchange.final.status).toBe(487)
  })

  test('while it is cancelled, as somebody has answered elsewhere, nobody else is called', async () => {
    answering(200)
    const exchange = await send('INVITE')
    const [, native] = tested.sender.sent
    expect(native?.cancelled).toBe(true)
    native?.answer(480)
    expect(tested.sender.sent).toHaveLength(2)
    expect(exchange.statuses).toEqual([200])
  })
})

test.each([
  ['another failure of the phone', 404],
  ['a busy phone', 486],
])('%s is final for it', async (_what, status) => {
  answering(503, status)
  expect((await send('INVITE')).statuses).toEqual([status])
  expect(tested.sender.sent).toHaveLength(2)
})

describe('passes unchanged', () => {
  const unchanged = { uri: BOB, accept: [], reject: [] }

  test.each(['MESSAGE', 'OPTIONS', 'REFER', 'PUBLISH'])('%s', async method => {
    await send(method)
    expect(sentOut()).toEqual([unchanged])
  })

  test('what the user sends himself, or has diverted', async () => {
    for (const role of [';sescase=orig;regstate=reg', ';orig-cdiv'])
      await send('INVITE', [`P-Served-User: <${BOB}>${role}`])
    expect(sentOut()).toEqual([unchanged, unchanged])
  })

  test('a request within a dialog', async () => {
    await send('INVITE', [`To: <${BOB}>;tag=b`])
    expect(sentOut()).toEqual([unchanged])
  })

  test.each(['', ';twin-prefix', ';twin-prefix=', ';twin-prefix=a[b', `;twin-prefix=${'1'.repeat(40)}`])(
    'a call whose criterion gives no prefix that can be used (%s)',
    async params => {
      await send('INVITE', [], { params })
      expect(sentOut()).toEqual([unchanged])
    },
  )
})
