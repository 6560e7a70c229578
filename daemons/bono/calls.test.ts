import { describe, expect, test } from 'vitest'
import { sipRequest } from '../../lib/ims/testing.ts'
import { responseTo } from '../../lib/sip/message.ts'
import { Calls, concernsCall } from './calls.ts'

const DAY = 86_400_000

function noted(
  calls: Calls,
  method: string,
  status: number,
  parts: { lines?: readonly string[]; answer?: string; at?: number } = {},
): void {
  const request = sipRequest(method, 'sip:bob@example.com', parts.lines ?? [])
  const expires = parts.answer
  const edit =
    expires === undefined
      ? {}
      : { edit: (h: { add(n: string, v: string): unknown }) => void h.add('Session-Expires', expires) }
  const response = responseTo(request, status, { toTag: 'b1', ...edit })
  if (concernsCall(request, response)) calls.note(request, response, parts.at ?? 0)
}

const WITHIN = ['To: <sip:bob@example.com>;tag=b1']
const FROM_CALLEE = ['From: <sip:bob@example.com>;tag=b1', 'To: <sip:alice@example.com>;tag=a1']

describe('a call', () => {
  test.each([
    ['caller', WITHIN],
    ['callee', FROM_CALLEE],
  ])('goes on from its 2xx to the BYE of the %s', (_, lines) => {
    const calls = new Calls()
    noted(calls, 'INVITE', 180)
    expect(calls.areOpen(0)).toBe(false)

    noted(calls, 'INVITE', 200)
    expect(calls.areOpen(0)).toBe(true)

    noted(calls, 'BYE', 200, { lines })
    expect(calls.areOpen(0)).toBe(false)
  })

  test.each([
    [200, false],
    [481, false],
    [408, false],
    [401, true],
    [407, true],
  ])('whose BYE is answered with %i goes on: %s', (status, goesOn) => {
    const calls = new Calls()
    noted(calls, 'INVITE', 200)
    noted(calls, 'BYE', status, { lines: WITHIN })
    expect(calls.areOpen(0)).toBe(goesOn)
  })

  test('that is not answered, and a request that is no call, is none', () => {
    const calls = new Calls()
    noted(calls, 'INVITE', 486)
    noted(calls, 'MESSAGE', 200)
    noted(calls, 'INVITE', 200, { lines: WITHIN })
    expect(calls.areOpen(0)).toBe(false)
  })

  test('two answers are two calls, each with its own end', () => {
    const calls = new Calls()
    noted(calls, 'INVITE', 200)
    const invite = sipRequest('INVITE', 'sip:bob@example.com')
    calls.note(invite, responseTo(invite, 200, { toTag: 'b2' }), 0)
    noted(calls, 'BYE', 200, { lines: WITHIN })
    expect(calls.areOpen(0)).toBe(true)
  })

  test('that is never hung up ends with its session timer, which a refresh prolongs', () => {
    const calls = new Calls()
    noted(calls, 'INVITE', 200, { answer: '600;refresher=uac' })
    expect(calls.areOpen(599_000)).toBe(true)
    noted(calls, 'UPDATE', 200, { lines: WITHIN, answer: '600', at: 500_000 })
    expect(calls.areOpen(1_099_000)).toBe(true)
    expect(calls.areOpen(1_101_000)).toBe(false)
  })

  test('without a timer is forgotten after a day', () => {
    const calls = new Calls()
    noted(calls, 'INVITE', 200)
    expect(calls.areOpen(DAY - 1)).toBe(true)
    expect(calls.areOpen(DAY + 1)).toBe(false)
  })

  test('of which there are more than anybody has is forgotten, the older ones first', () => {
    const calls = new Calls()
    const begun = (index: number): void => {
      const invite = sipRequest('INVITE', 'sip:bob@example.com', [`Call-ID: ${index}`])
      calls.note(invite, responseTo(invite, 200, { toTag: 'b1' }), 0)
    }
    const hungUp = (index: number): void => {
      noted(calls, 'BYE', 200, { lines: [...WITHIN, `Call-ID: ${index}`] })
    }
    for (let index = 0; index <= 10_000; index++) begun(index)
    for (let index = 5000; index <= 10_000; index++) hungUp(index)
    expect(calls.areOpen(0)).toBe(false)
  })
})
