import { describe, expect, test } from 'vitest'
import { sipRequest, TestExchange, type SentRequest } from '../../../lib/ims/testing.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { SipResponse } from '../../../lib/sip/message.ts'
import { BACK, visit } from '../as/testing.ts'
import { Invocation } from '../as/invocation.ts'
import { openCore } from '../testing.ts'
import { mangelwurzel } from './mangelwurzel.ts'

const EDGE = '<sip:token@edge.example.com;lr>'

async function sentFor(
  params: string,
  lines: readonly string[] = [],
  method = 'INVITE',
): Promise<SentRequest> {
  const visited = visit('mangelwurzel', mangelwurzel, { method, params, lines })
  await visited.done
  return visited.sender.only
}

/** A request within the dialog that a first one has begun, as one of both sides sends it. */
async function within(
  first: SentRequest,
  method: string,
  lines: readonly string[],
): Promise<{ readonly sent: SentRequest['request']; readonly exchange: TestExchange }> {
  const { core, sender } = openCore()
  const own = first.request.headers.list(H['Record-Route'])[0] ?? ''
  const exchange = new TestExchange(
    sipRequest(method, 'sip:bob@192.0.2.2', [`Route: ${own}, ${EDGE}`, ...lines]),
  )
  const isOwn = ({ host }: { host: string }): boolean => host === 'mangelwurzel.sprout.example.com'
  await mangelwurzel(new Invocation('mangelwurzel', exchange, isOwn, core))
  const sent = method === 'ACK' ? sender.acks[0]?.request : sender.only.request
  if (sent === undefined) throw new Error('nothing was sent')
  return { sent, exchange }
}

describe('what a call goes on with', () => {
  test('without a parameter: as it was, but as a call of its own, in which the server stays', async () => {
    const { request } = await sentFor('')
    expect(request.headers.has(H.Via)).toBe(false)
    expect([request.uri, request.callId, request.fromTag]).toEqual([
      'sip:bob@example.com',
      'call@192.0.2.1',
      'a1',
    ])
    expect(request.headers.list(H['Record-Route'])).toEqual([
      '<sip:mangelwurzel.sprout.example.com;transport=TCP;lr;dialog_id=rot13_YTE>',
    ])
    expect(request.headers.get(H['Max-Forwards'])).toBe('69')
    expect(request.headers.list(H.Route)).toEqual([`<${BACK}>`])
  })

  test.each<[string, (request: SentRequest['request']) => unknown, unknown]>([
    [';dialog', r => [r.callId, r.fromTag], ['pnyy@647.5.7.6', 'n6']],
    [';to', r => r.to?.uri, 'sip:obo@example.com'],
    [';to;change-domain', r => r.to?.uri, 'sip:obo@rknzcyr.pbz'],
    [';req-uri', r => [r.uri, r.headers.get(H.Contact)], ['sip:obo@example.com', '<sip:nyvpr@192.0.2.1>']],
    [';routes', r => r.headers.list(H['Record-Route']).at(-1), '<sip:gbxra@rqtr.rknzcyr.pbz;lr>'],
    [';orig', r => r.headers.top(H.Route), `<${BACK};orig>`],
    [';ootb', r => r.headers.top(H.Route), `<${BACK.replace('odi_x@', '')}>`],
    [';ootb;orig', r => r.headers.top(H.Route), `<${BACK.replace('odi_x@', '')};orig>`],
  ])('with %s', async (params, seen, expected) => {
    const lines = [`Record-Route: ${EDGE}`, 'Contact: <sip:alice@192.0.2.1>']
    expect(seen((await sentFor(params, lines)).request)).toEqual(expected)
  })

  test('an orig that the S-CSCF wrote is taken off where none is asked for', async () => {
    const { core, sender } = openCore()
    const own = '<sip:mangelwurzel.sprout.example.com;lr>'
    const exchange = new TestExchange(
      sipRequest('MESSAGE', 'sip:bob@example.com', [`Route: ${own}, <${BACK};orig>`]),
    )
    const isOwn = ({ host }: { host: string }): boolean => host === 'mangelwurzel.sprout.example.com'
    await mangelwurzel(new Invocation('mangelwurzel', exchange, isOwn, core))
    expect(sender.only.request.headers.top(H.Route)).toBe(`<${BACK}>`)
    // A MESSAGE begins no dialog.
    expect(sender.only.request.headers.has(H['Record-Route'])).toBe(false)
  })
})

test('a REGISTER is answered 200', async () => {
  const { exchange, done, sender } = visit('mangelwurzel', mangelwurzel, { method: 'REGISTER' })
  await done
  expect(exchange.statuses).toEqual([200])
  expect(sender.sent).toHaveLength(0)
})

describe('an answer', () => {
  async function answered(params: string, status = 200): Promise<SipResponse> {
    const visited = visit('mangelwurzel', mangelwurzel, {
      params,
      lines: [`Record-Route: ${EDGE}`],
      farSide: sent => sent.answer(status, headers => void headers.set(H.Contact, '<sip:bob@192.0.2.2>')),
    })
    await visited.done
    const final = visited.exchange.responses.at(-1)
    if (final === undefined) throw new Error('it was not answered')
    return final
  }

  test('comes in the dialog that the caller knows', async () => {
    const response = await answered(';dialog;to;req-uri;routes')
    expect(response.headers.get(H['Call-ID'])).toBe('call@192.0.2.1')
    expect(response.headers.get(H.From)).toBe('<sip:alice@example.com>;tag=a1')
    expect(response.headers.get(H.To)).toBe('<sip:bob@example.com>;tag=sne')
    expect(response.headers.get(H.Contact)).toBe('<sip:obo@192.0.2.2>')
    expect(response.headers.lines(H.Via)).toHaveLength(1)
    expect(response.headers.list(H['Record-Route']).at(-1)).toBe(EDGE)
  })

  test('that is a failure is passed on too', async () => {
    const response = await answered(';dialog', 486)
    expect([response.status, response.headers.get(H['Call-ID'])]).toEqual([486, 'call@192.0.2.1'])
  })
})

describe('within the dialog', () => {
  const PARAMS = ';dialog;to;req-uri;routes'

  test('the caller’s requests are changed as the first one was', async () => {
    const first = await sentFor(PARAMS)
    const { sent, exchange } = await within(first, 'BYE', ['To: <sip:bob@example.com>;tag=o6'])
    expect([sent.callId, sent.fromTag, sent.toTag]).toEqual(['pnyy@647.5.7.6', 'n6', 'b1'])
    expect(sent.to?.uri).toBe('sip:obo@example.com')
    expect(sent.uri).toBe('sip:obo@192.0.2.2')
    expect(sent.headers.list(H.Route)).toEqual(['<sip:gbxra@rqtr.rknzcyr.pbz;lr>'])
    expect(exchange.responses.at(-1)?.headers.get(H.To)).toBe('<sip:bob@example.com>;tag=o6')
  })

  test('the callee’s are changed back', async () => {
    const first = await sentFor(PARAMS)
    const { sent } = await within(first, 'BYE', [
      'Call-ID: pnyy@647.5.7.6',
      'From: <sip:obo@example.com>;tag=b1',
      'To: <sip:alice@example.com>;tag=n6',
    ])
    expect([sent.callId, sent.fromTag, sent.toTag]).toEqual(['call@192.0.2.1', 'o6', 'a1'])
    expect([sent.from?.uri, sent.to?.uri]).toEqual(['sip:bob@example.com', 'sip:alice@example.com'])
  })

  test('an ACK goes the same way', async () => {
    const { sent } = await within(await sentFor(PARAMS), 'ACK', ['To: <sip:bob@example.com>;tag=o6'])
    expect([sent.callId, sent.toTag]).toEqual(['pnyy@647.5.7.6', 'b1'])
  })

  test.each(['nonsense', 'rot13.all_YTE', ''])(
    'a name of a dialog that is none of ours, %j, is not acted upon',
    async name => {
      const { core, sender } = openCore()
      const own = `<sip:mangelwurzel.sprout.example.com;lr;dialog_id=${name}>`
      const exchange = new TestExchange(
        sipRequest('BYE', 'sip:bob@192.0.2.2', [
          `Route: ${own}, ${EDGE}`,
          'To: <sip:bob@example.com>;tag=b1',
        ]),
      )
      const isOwn = ({ host }: { host: string }): boolean => host === 'mangelwurzel.sprout.example.com'
      await mangelwurzel(new Invocation('mangelwurzel', exchange, isOwn, core))
      expect(sender.only.request.callId).toBe('call@192.0.2.1')
      expect(exchange.statuses).toEqual([200])
    },
  )
})
