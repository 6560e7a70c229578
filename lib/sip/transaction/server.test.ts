import { describe, expect, test } from 'vitest'
import { millis, seconds, TestClock } from '../../kit/clock.ts'
import type { SipRequest } from '../message.ts'
import { responseTo } from '../message.ts'
import { request, startLines } from '../testing.ts'
import { ServerTransaction } from './server.ts'
import { RFC_TIMERS } from './timers.ts'

function begin(method: string, options: { reliable?: boolean } = {}) {
  const clock = new TestClock()
  let mark = clock.now()
  const sent: { readonly at: number; readonly text: string }[] = []
  const told: string[] = []
  const received = request({ method })
  const outlet = {
    reliable: options.reliable ?? false,
    send: (text: string) => void sent.push({ at: clock.now() - mark, text }),
  }
  const surroundings = {
    clock,
    timers: RFC_TIMERS,
    answered: () => void told.push('answered'),
    ended: () => void told.push('ended'),
    ack: (_: ServerTransaction, ack: SipRequest) => void told.push(ack.method),
  }
  const transaction = new ServerTransaction('key', method, outlet, surroundings)
  return {
    clock,
    told,
    transaction,
    /** Start lines of what went out since the last look. */
    take: () => startLines(sent.splice(0).map(({ text }) => text)),
    times: () => sent.map(({ at }) => at),
    /** Counts times from now on. */
    zero: () => {
      mark = clock.now()
      sent.length = 0
    },
    respond: (status: number) => transaction.respond(responseTo(received, status, { toTag: 'b1' })),
    ack: () => transaction.receiveAck(request({ method: 'ACK' })),
  }
}

describe('an INVITE', () => {
  test('that comes again gets the last provisional response again', () => {
    const { transaction, take, respond } = begin('INVITE')

    transaction.repeated()
    expect(take()).toEqual([])
    respond(100)
    transaction.repeated()
    respond(180)
    transaction.repeated()

    expect(take()).toEqual(['100 Trying', '100 Trying', '180 Ringing', '180 Ringing'])
  })

  test('has its failure resent from T1 on up to T2 until 64·T1 (timers G and H)', () => {
    const { clock, told, times, zero, respond } = begin('INVITE')
    respond(100)
    respond(180)
    clock.advance(seconds(5))

    zero()
    respond(486)
    clock.advance(seconds(40))

    expect(times()).toEqual([0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500])
    expect(told).toEqual(['answered', 'ended'])
    expect(clock.pending).toBe(0)
  })

  test('that comes again gets its failure at once, which does not slow timer G', () => {
    const { clock, transaction, times, zero, respond } = begin('INVITE')
    zero()
    respond(486)

    clock.advance(millis(100))
    transaction.repeated()
    transaction.repeated()
    clock.advance(seconds(4))

    expect(times()).toEqual([0, 100, 100, 500, 1500, 3500])
  })

  test('is at rest after the ACK of its failure, and absorbs what comes again for T4', () => {
    const { clock, told, transaction, take, respond, ack } = begin('INVITE')
    respond(404)
    clock.advance(millis(600))
    expect(take()).toEqual(['404 Not Found', '404 Not Found'])

    ack()
    ack()
    transaction.repeated()
    clock.advance(seconds(4))
    expect(transaction.state).toBe('confirmed')
    clock.advance(seconds(1))

    expect(take()).toEqual([])
    expect(told).toEqual(['answered', 'ended'])
    expect(clock.pending).toBe(0)
  })

  test('over a reliable transport has its failure sent once, and still waits 64·T1 for the ACK', () => {
    const { clock, told, transaction, take, respond } = begin('INVITE', { reliable: true })

    respond(500)
    clock.advance(seconds(31))
    expect(transaction.state).toBe('completed')
    clock.advance(seconds(1))

    expect(take()).toEqual(['500 Server Internal Error'])
    expect(told).toEqual(['answered', 'ended'])
    expect(clock.pending).toBe(0)
  })

  test('over a reliable transport ends with the ACK', () => {
    const { clock, told, respond, ack } = begin('INVITE', { reliable: true })

    respond(486)
    ack()

    expect(told).toEqual(['answered', 'ended'])
    expect(clock.pending).toBe(0)
  })

  test.each([true, false])(
    'accepted: repeats are absorbed, further 2xx go out, for 64·T1 (reliable: %s)',
    reliable => {
      const { clock, told, transaction, take, respond } = begin('INVITE', { reliable })

      respond(200)
      transaction.repeated()
      clock.advance(seconds(10))
      expect(take()).toEqual(['200 OK'])
      respond(200)
      expect(take()).toEqual(['200 OK'])
      respond(180)
      respond(486)
      expect(take()).toEqual([])

      clock.advance(seconds(22))
      expect(told).toEqual(['answered', 'ended'])
      respond(200)
      expect(take()).toEqual([])
      expect(clock.pending).toBe(0)
    },
  )

  test('accepted: an ACK of the same branch is passed on', () => {
    const { told, respond, ack } = begin('INVITE')

    ack()
    respond(200)
    ack()

    expect(told).toEqual(['answered', 'ACK'])
  })

  test('gets one final response only', () => {
    const { told, take, respond } = begin('INVITE')

    respond(486)
    respond(200)
    respond(603)

    expect(take()).toEqual(['486 Busy Here'])
    expect(told).toEqual(['answered'])
  })
})

describe('another request', () => {
  test('that comes again gets nothing, then the last response', () => {
    const { transaction, take, respond } = begin('OPTIONS')

    transaction.repeated()
    expect(take()).toEqual([])
    respond(100)
    transaction.repeated()
    respond(404)
    transaction.repeated()

    expect(take()).toEqual(['100 Trying', '100 Trying', '404 Not Found', '404 Not Found'])
  })

  test('has its answer kept for 64·T1, and not resent by itself', () => {
    const { clock, told, take, respond } = begin('REGISTER')

    respond(200)
    respond(500)
    clock.advance(seconds(31))
    expect(told).toEqual(['answered'])
    clock.advance(seconds(1))

    expect(take()).toEqual(['200 OK'])
    expect(told).toEqual(['answered', 'ended'])
    expect(clock.pending).toBe(0)
  })

  test('over a reliable transport ends with its answer', () => {
    const { clock, told, respond } = begin('REGISTER', { reliable: true })

    respond(200)

    expect(told).toContain('ended')
    expect(clock.pending).toBe(0)
  })

  test('that may not be answered any more is abandoned in silence (RFC 4320 §4.2)', () => {
    const { told, transaction, take, respond } = begin('REGISTER')

    transaction.abandon()
    transaction.abandon()
    respond(200)

    expect(take()).toEqual([])
    expect(told).toEqual(['ended'])
    expect(transaction.open).toBe(false)
  })
})
