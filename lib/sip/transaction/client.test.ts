import { describe, expect, test } from 'vitest'
import { millis, seconds, TestClock } from '../../kit/clock.ts'
import { H } from '../header-names.ts'
import { responseTo, type SipResponse } from '../message.ts'
import { parsedRequest, request, startLines } from '../testing.ts'
import { ClientTransaction } from './client.ts'
import { RFC_TIMERS } from './timers.ts'

function begin(method: string, options: { reliable?: boolean; headers?: string[] } = {}) {
  const clock = new TestClock()
  const started = clock.now()
  const sent: { readonly at: number; readonly text: string }[] = []
  const heard: string[] = []
  let ended = 0
  const original = request({ method, headers: options.headers ?? [] })
  const outlet = {
    reliable: options.reliable ?? false,
    send: (text: string) => void sent.push({ at: clock.now() - started, text }),
  }
  const user = {
    response: (response: SipResponse) => void heard.push(String(response.status)),
    timedOut: () => void heard.push('timed out'),
    unreachable: () => void heard.push('unreachable'),
  }
  const surroundings = { clock, timers: RFC_TIMERS, ended: () => (ended += 1) }
  const transaction = new ClientTransaction(original, outlet, user, surroundings)
  transaction.start()
  return {
    clock,
    heard,
    transaction,
    original,
    times: () => sent.map(({ at }) => at),
    sent: () => sent.map(({ text }) => text),
    acks: () => sent.filter(({ text }) => text.startsWith('ACK')).map(({ text }) => parsedRequest(text)),
    ended: () => ended,
    answer: (status: number, toTag = 'b1') => transaction.receive(responseTo(original, status, { toTag })),
  }
}

describe('an INVITE', () => {
  test('is resent at doubling intervals and given up after 64·T1', () => {
    const { clock, times, sent, heard, ended } = begin('INVITE')

    clock.advance(seconds(40))

    expect(times()).toEqual([0, 500, 1500, 3500, 7500, 15_500, 31_500])
    expect(new Set(sent()).size).toBe(1)
    expect(heard).toEqual(['timed out'])
    expect(ended()).toBe(1)
    expect(clock.pending).toBe(0)
  })

  test('is not resent any more after a provisional response, and waits as long as it takes', () => {
    const { clock, times, heard, answer, transaction } = begin('INVITE')
    clock.advance(millis(600))

    answer(100)
    answer(180)
    clock.advance(seconds(600))

    expect(times()).toEqual([0, 500])
    expect(heard).toEqual(['100', '180'])
    expect(transaction.state).toBe('proceeding')
    expect(clock.pending).toBe(0)
  })

  test('over a reliable transport goes out once', () => {
    const { clock, times, heard, ended } = begin('INVITE', { reliable: true })

    clock.advance(seconds(40))

    expect(times()).toEqual([0])
    expect(heard).toEqual(['timed out'])
    expect(ended()).toBe(1)
    expect(clock.pending).toBe(0)
  })

  test('that failed is acknowledged each time the failure comes, and told once', () => {
    const { clock, heard, answer, acks, ended } = begin('INVITE')

    answer(486)
    answer(486)
    clock.advance(seconds(31))
    answer(486)

    expect(acks()).toHaveLength(3)
    expect(heard).toEqual(['486'])
    clock.advance(seconds(1))
    expect(ended()).toBe(1)
    answer(486)
    expect(acks()).toHaveLength(3)
    expect(clock.pending).toBe(0)
  })

  test('over a reliable transport ends with the ACK of its failure', () => {
    const { clock, heard, answer, acks, ended } = begin('INVITE', { reliable: true })

    answer(603)

    expect(acks()).toHaveLength(1)
    expect(heard).toEqual(['603'])
    expect(ended()).toBe(1)
    expect(clock.pending).toBe(0)
  })

  test('gets an ACK of the same branch, Routes and CSeq number, with the To tag of the response', () => {
    const { answer, acks, original } = begin('INVITE', {
      headers: [
        'Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK-below',
        'Max-Forwards: 69',
        'Route: <sip:p.example.com;lr>',
      ],
    })

    answer(404, 'callee')

    const [ack] = acks()
    expect(ack?.uri).toBe(original.uri)
    expect(ack?.branch).toBe(original.branch)
    expect(ack?.headers.list(H.Via)).toHaveLength(1)
    expect(ack?.headers.list(H.Route)).toEqual(['<sip:p.example.com;lr>'])
    expect(ack?.fromTag).toBe('a1')
    expect(ack?.toTag).toBe('callee')
    expect(ack?.callId).toBe(original.callId)
    expect(ack?.cseq).toEqual({ number: 7, method: 'ACK' })
    expect(ack?.body).toBe('')
  })

  test('hands repeated and further 2xx to its user for 64·T1 (RFC 6026 §8.4)', () => {
    const { clock, heard, answer, acks, transaction, ended } = begin('INVITE')

    answer(200)
    answer(200)
    clock.advance(seconds(31))
    answer(200, 'other-branch')

    expect(heard).toEqual(['200', '200', '200'])
    expect(acks()).toEqual([])
    expect(transaction.state).toBe('accepted')
    clock.advance(seconds(1))
    expect(ended()).toBe(1)
    expect(clock.pending).toBe(0)
  })

  test.each([true, false])(
    'in accepted absorbs failures and provisional responses (reliable: %s)',
    reliable => {
      const { heard, answer, acks } = begin('INVITE', { reliable })

      answer(200)
      answer(180)
      answer(500)

      expect(heard).toEqual(['200'])
      expect(acks()).toEqual([])
    },
  )

  test('that failed absorbs a later 2xx', () => {
    const { heard, answer } = begin('INVITE')

    answer(486)
    answer(200)

    expect(heard).toEqual(['486'])
  })

  test.each(['before an answer', 'while it rings'])(
    'that is not delivered, %s, is told as unreachable',
    when => {
      const { clock, heard, answer, transaction, ended } = begin('INVITE')
      if (when === 'while it rings') answer(180)

      transaction.transportFailed()

      expect(heard.at(-1)).toBe('unreachable')
      expect(ended()).toBe(1)
      expect(clock.pending).toBe(0)
    },
  )

  test('that nobody will answer any more can be abandoned', () => {
    const { clock, heard, answer, transaction, ended } = begin('INVITE')
    answer(180)

    transaction.abandon()
    transaction.abandon()
    answer(200)

    expect(heard).toEqual(['180'])
    expect(ended()).toBe(1)
    expect(clock.pending).toBe(0)
  })
})

describe('CANCEL (RFC 3261 §9.1)', () => {
  test('is of the same branch, target, Routes and CSeq number, and carries the reasons', () => {
    const { answer, transaction, original } = begin('INVITE', {
      headers: [
        'Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK-below',
        'Route: <sip:p.example.com;lr>',
        'Require: 100rel',
      ],
    })
    answer(180)

    const cancel = transaction.cancelRequest(['SIP;cause=200', 'Q.850;cause=16'])

    expect(cancel?.uri).toBe(original.uri)
    expect(cancel?.branch).toBe(original.branch)
    expect(cancel?.headers.list(H.Via)).toHaveLength(1)
    expect(cancel?.headers.list(H.Route)).toEqual(['<sip:p.example.com;lr>'])
    expect(cancel?.headers.has(H.Require)).toBe(false)
    expect(cancel?.toTag).toBeUndefined()
    expect(cancel?.cseq).toEqual({ number: 7, method: 'CANCEL' })
    expect(cancel?.headers.lines(H.Reason)).toEqual(['SIP;cause=200', 'Q.850;cause=16'])
  })

  test('is only possible between a provisional and the final response', () => {
    const { answer, transaction } = begin('INVITE')

    expect(transaction.cancelRequest([])).toBeUndefined()
    answer(183)
    expect(transaction.cancelRequest([])).toBeDefined()
    answer(200)
    expect(transaction.cancelRequest([])).toBeUndefined()
  })
})

describe('another request', () => {
  test('is resent at intervals up to T2 and given up after 64·T1', () => {
    const { clock, times, heard, ended } = begin('MESSAGE')

    clock.advance(seconds(40))

    expect(times()).toEqual([0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500])
    expect(heard).toEqual(['timed out'])
    expect(ended()).toBe(1)
    expect(clock.pending).toBe(0)
  })

  test('is resent every T2 after a provisional response, and still given up (§17.1.2.2)', () => {
    const { clock, times, heard, answer } = begin('OPTIONS')
    clock.advance(millis(400))

    answer(100)
    clock.advance(seconds(13))
    expect(times()).toEqual([0, 500, 4500, 8500, 12_500])
    clock.advance(seconds(40))

    expect(heard).toEqual(['100', 'timed out'])
    expect(clock.pending).toBe(0)
  })

  test.each([200, 404])('tells its %i once and absorbs repetitions for T4', status => {
    const { clock, heard, answer, sent, ended } = begin('BYE')

    answer(status)
    answer(status)
    clock.advance(seconds(4))
    expect(ended()).toBe(0)
    clock.advance(seconds(1))

    expect(heard).toEqual([String(status)])
    expect(startLines(sent())).toEqual(['BYE sip:bob@example.com'])
    expect(ended()).toBe(1)
    expect(clock.pending).toBe(0)
  })

  test('over a reliable transport goes out once and ends with its answer', () => {
    const { clock, times, heard, answer, ended } = begin('REGISTER', { reliable: true })
    clock.advance(seconds(10))

    answer(401)

    expect(times()).toEqual([0])
    expect(heard).toEqual(['401'])
    expect(ended()).toBe(1)
    expect(clock.pending).toBe(0)
  })

  test('that is not delivered is told as unreachable', () => {
    const { clock, heard, transaction } = begin('REGISTER')

    transaction.transportFailed()
    transaction.transportFailed()

    expect(heard).toEqual(['unreachable'])
    expect(clock.pending).toBe(0)
  })
})
