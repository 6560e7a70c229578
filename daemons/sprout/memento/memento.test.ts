import { beforeEach, describe, expect, test } from 'vitest'
import type { Impu } from '../../../lib/ims/identity.ts'
import { sipRequest, TestExchange } from '../../../lib/ims/testing.ts'
import { minutes, seconds } from '../../../lib/kit/clock.ts'
import { noLog } from '../../../lib/kit/log.ts'
import { Admission } from '../../../lib/overload/admission.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { CallFragment, CallListStore } from '../../../lib/store/call-list-store.ts'
import { Invocation } from '../as/invocation.ts'
import { openCore, type TestCore } from '../testing.ts'
import { formatDialogId, parseDialogId } from './dialog.ts'
import { memento } from './memento.ts'
import { Recorder } from './recorder.ts'

const ALICE = 'sip:alice@example.com'
const BOB = 'sip:bob@example.com'
const ORIG = `P-Served-User: <${ALICE}>;sescase=orig;regstate=reg`
const TERM = `P-Served-User: <${BOB}>;sescase=term;regstate=reg`
const ASSERTED = `P-Asserted-Identity: "Alice" <${ALICE}>`
const BACK = '<sip:odi_x@127.0.0.1:5054;lr;service=scscf>'

interface Written {
  readonly impu: Impu
  readonly fragment: CallFragment
}

let tested: TestCore
let recorder: Recorder
let written: Written[]

beforeEach(() => {
  tested = openCore()
  written = []
  const store: CallListStore = {
    add: async (impu, fragment) => void written.push({ impu, fragment }),
    fragments: async () => [],
    remove: async () => undefined,
  }
  recorder = recorderOn(store)
})

function recorderOn(store: CallListStore, tokens = 100): Recorder {
  return new Recorder({
    clock: tested.sender.clock,
    log: noLog,
    store,
    ttl: minutes(1),
    maxLength: 0,
    writers: 1,
    admission: new Admission(
      { targetLatencyUs: 1_000_000, maxTokens: tokens, initTokenRate: 0, minTokenRate: 0 },
      performance.now(),
    ),
  })
}

async function send(method: string, lines: readonly string[], own = 'lr'): Promise<TestExchange> {
  const { core } = tested
  const route = `Route: <sip:memento.sprout.example.com;${own}>, ${BACK}`
  const exchange = new TestExchange(sipRequest(method, BOB, [route, ...lines]))
  const isOwn = ({ host }: { host: string }): boolean => host === 'memento.sprout.example.com'
  await memento(recorder)(new Invocation('memento', exchange, isOwn, core))
  await new Promise(resolve => setImmediate(resolve))
  return exchange
}

function only(): Written {
  const [first] = written
  if (first === undefined || written.length > 1) throw new Error(`${written.length} fragments were written`)
  return first
}

/** The element of the one fragment, with its children as they are written. */
function element(name: string): string | undefined {
  return new RegExp(`<${name}>(.*)</${name}>`).exec(only().fragment.xml)?.[1]
}

describe('a call that the user makes', () => {
  test('and that is answered is written down for him, with who answered', async () => {
    tested.sender.farSide = sent => {
      tested.sender.clock.advance(seconds(7))
      sent.answer(200, edit => edit.append(H['P-Asserted-Identity'], `"Bobby" <${BOB}>, <tel:+15550002>`))
    }
    const exchange = await send('INVITE', [ORIG, ASSERTED, `To: "Bob" <${BOB}>`, 'From: "x" <sip:x@x>;tag=1'])

    expect(exchange.statuses).toEqual([200])
    expect(only()).toMatchObject({ impu: ALICE, fragment: { kind: 'begin' } })
    expect(element('from')).toBe(`<URI>${ALICE}</URI><name>Alice</name>`)
    expect(element('to')).toBe(`<URI>${BOB}</URI><name>Bob</name>`)
    expect(element('answerer')).toBe(`<URI>${BOB}</URI><name>Bobby</name>`)
    expect([element('outgoing'), element('answered')]).toEqual(['1', '1'])
    const [start, answer] = ['start-time', 'answer-time'].map(name => Date.parse(element(name) ?? ''))
    expect((answer ?? 0) - (start ?? 0)).toBe(7000)
    expect(only().fragment.timestamp).toBe((element('start-time') ?? '').replace(/\D/g, ''))
  })

  test.each([486, 404, 603, 487, 302])('and that ends with %d is written down as rejected', async status => {
    tested.sender.farSide = sent => sent.answer(status)
    const exchange = await send('INVITE', [ORIG, ASSERTED])

    expect(exchange.final.status).toBe(status)
    expect(only()).toMatchObject({ impu: ALICE, fragment: { kind: 'rejected' } })
    expect(element('answered')).toBe('0')
    expect(only().fragment.xml).not.toMatch(/answer-time|answerer/)
  })

  test('that nobody answers at all is rejected too', async () => {
    tested.sender.farSide = sent => sent.noAnswer('timeout')
    expect((await send('INVITE', [ORIG, ASSERTED])).final.status).toBe(408)
    expect(only().fragment.kind).toBe('rejected')
  })

  test('does not tell who answered, if that is to be private', async () => {
    tested.sender.farSide = sent =>
      sent.answer(200, edit => {
        edit.append(H['P-Asserted-Identity'], `<${BOB}>`).append(H.Privacy, 'user;id')
      })
    await send('INVITE', [ORIG, ASSERTED])
    expect(element('answerer')).toBeUndefined()
  })

  test('is not written down for somebody who is not asserted', async () => {
    expect((await send('INVITE', [ORIG])).statuses).toEqual([200])
    expect(tested.sender.only.request.headers.has(H['Record-Route'])).toBe(false)
    expect(written).toEqual([])
  })
})

test('a call that the user gets is written down for him, from the caller as he calls himself', async () => {
  await send('INVITE', [TERM, ASSERTED, `From: "Ali" <sip:ali@elsewhere.example>;tag=1`, 'To: <sip:x@y>'])

  expect(only()).toMatchObject({ impu: BOB, fragment: { kind: 'begin' } })
  expect(element('from')).toBe('<URI>sip:ali@elsewhere.example</URI><name>Ali</name>')
  expect(element('to')).toBe(`<URI>${BOB}</URI>`)
  expect(element('outgoing')).toBe('0')
})

describe('the end of a call', () => {
  test('is written down beside its beginning, by the name that its dialog got', async () => {
    await send('INVITE', [ORIG, ASSERTED])
    const begin = only()
    const recordRoute = tested.sender.only.request.headers.top(H['Record-Route']) ?? ''
    expect(recordRoute).toMatch(
      /^<sip:memento\.sprout\.example\.com;transport=TCP;lr;dialog_id=\d{14}_\d+_[\w-]+>$/,
    )
    const name = /dialog_id=([^;>]+)/.exec(recordRoute)?.[1] ?? ''
    written = []

    const exchange = await send('BYE', [`To: <${BOB}>;tag=b`], `lr;dialog_id=${name}`)

    expect(exchange.statuses).toEqual([200])
    const { timestamp, id } = begin.fragment
    expect(only()).toMatchObject({ impu: ALICE, fragment: { timestamp, id, kind: 'end' } })
    expect(only().fragment.xml).toMatch(/^<end-time>[\dT:-]{19}<\/end-time>$/)
  })

  test.each(['', ';dialog_id=', ';dialog_id=x', ';dialog_id=20260101000000_1_%3C', ';dialog_id=1_2_3'])(
    'by a Route that has no name of ours (%s) goes on unrecorded',
    async id => {
      const exchange = await send('BYE', [`To: <${BOB}>;tag=b`], `lr${id}`)
      expect(exchange.statuses).toEqual([200])
      expect(written).toEqual([])
    },
  )

  test('is told by BYE and by nothing else in the dialog', async () => {
    const call = { timestamp: '20260101000000', id: '7', impu: ALICE as Impu }
    const name = formatDialogId(call)
    for (const method of ['INVITE', 'UPDATE', 'INFO', 'ACK'])
      await send(method, [`To: <${BOB}>;tag=b`], `lr;dialog_id=${name}`)
    expect(written).toEqual([])
    expect(parseDialogId(name)).toEqual(call)
  })
})

test.each(['MESSAGE', 'SUBSCRIBE', 'REGISTER', 'OPTIONS'])('%s passes by', async method => {
  const exchange = await send(method, [ORIG, ASSERTED])
  expect(exchange.statuses).toEqual([200])
  expect(tested.sender.only.request.headers.has(H['Record-Route'])).toBe(false)
  expect(written).toEqual([])
})

describe('a store that cannot take more', () => {
  test('costs a call its record and nothing else', async () => {
    recorder = recorderOn(
      { add: async () => undefined, fragments: async () => [], remove: async () => undefined },
      0,
    )
    const exchange = await send('INVITE', [ORIG, ASSERTED])
    expect(exchange.statuses).toEqual([200])
    expect(recorder.counts.unrecorded).toBe(1)
  })

  test('does not hold up a call, nor its end, by never answering', async () => {
    const never = new Promise<never>(() => undefined)
    recorder = recorderOn({ add: () => never, fragments: () => never, remove: () => never })
    expect((await send('INVITE', [ORIG, ASSERTED])).statuses).toEqual([200])
    expect((await send('INVITE', [TERM])).statuses).toEqual([200])
    expect(recorder.waiting).toBe(2)
  })
})
