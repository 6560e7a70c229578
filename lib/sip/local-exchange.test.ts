import { describe, expect, test } from 'vitest'
import type { NoAnswer } from './exchange.ts'
import { H } from './header-names.ts'
import { forInsideHop } from './hop.ts'
import { AckExchange, LocalExchange } from './local-exchange.ts'
import { responseTo, type SipRequest, type SipResponse } from './message.ts'
import { request } from './testing.ts'

const point = { name: 'scscf', host: 'scscf.example.com', port: 5054 }

function hand(method: string) {
  const original = request({ method, headers: ['Route: <sip:scscf.example.com;lr>', 'Supported: path'] })
  const heard: SipResponse[] = []
  const listener = {
    begun: () => undefined,
    response: (response: SipResponse) => void heard.push(response),
    noAnswer: (why: NoAnswer) => {
      throw new Error(why)
    },
  }
  const exchange = new LocalExchange(
    forInsideHop(original, 'us.example.com:5054', undefined),
    point,
    listener,
  )
  return {
    original,
    exchange,
    heard,
    statuses: () => heard.map(({ status }) => status),
    respond: (status: number) => exchange.respond(responseTo(exchange.request, status, { toTag: 'b1' })),
  }
}

describe('a request inside the process', () => {
  test('is answered with the Vias that its sender had', () => {
    const { original, heard, respond } = hand('INVITE')

    respond(180)

    expect(heard[0]?.headers.lines(H.Via)).toEqual(original.headers.lines(H.Via))
  })

  test('does not tell of a 100, which says something about one hop only', () => {
    const { statuses, respond } = hand('INVITE')

    respond(100)
    respond(183)

    expect(statuses()).toEqual([183])
  })

  test.each([
    ['INVITE', [200, 200]],
    ['MESSAGE', [200]],
  ])('%s: after a final response only a further 2xx to INVITE is told', (method, told) => {
    const { statuses, respond, exchange } = hand(method)

    respond(200)
    respond(180)
    respond(200)
    respond(486)

    expect(statuses()).toEqual(told)
    expect(exchange.open).toBe(false)
  })
})

describe('giving up', () => {
  test('is told once, as a CANCEL with the reasons', () => {
    const { exchange } = hand('INVITE')
    const cancels: SipRequest[] = []
    exchange.onCancel = cancel => void cancels.push(cancel)

    exchange.cancel(['SIP;cause=200'])
    exchange.cancel(['SIP;cause=487'])

    expect(cancels).toHaveLength(1)
    expect(exchange.cancelled).toBe(cancels[0])
    const [cancel] = cancels
    expect(cancel?.method).toBe('CANCEL')
    expect(cancel?.branch).toBe('z9hG4bK-test')
    expect(cancel?.cseq).toEqual({ number: 7, method: 'CANCEL' })
    expect(cancel?.headers.lines(H.Reason)).toEqual(['SIP;cause=200'])
    expect(cancel?.headers.has(H.Supported)).toBe(false)
  })

  test('is known to who sets to work later, and means nothing after the final response', () => {
    const early = hand('INVITE')
    early.exchange.cancel([])
    expect(early.exchange.cancelled?.method).toBe('CANCEL')

    const late = hand('INVITE')
    late.respond(200)
    late.exchange.cancel([])
    expect(late.exchange.cancelled).toBeUndefined()
  })
})

test('nobody answers an ACK', () => {
  const exchange = new AckExchange(request({ method: 'ACK' }), point, undefined)

  expect(() => {
    exchange.respond()
  }).not.toThrow()
  expect(exchange.cancelled).toBeUndefined()
})
