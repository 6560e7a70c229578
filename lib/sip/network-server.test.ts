import { describe, expect, test } from 'vitest'
import { millis, seconds, TestClock } from '../kit/clock.ts'
import { responseTo, type SipRequest } from './message.ts'
import { NetworkServer } from './network-server.ts'
import { FakeTransport, request, startLines } from './testing.ts'
import { ServerTransaction } from './transaction/server.ts'
import { RFC_TIMERS } from './transaction/timers.ts'
import { Recorder } from './transport/testing.ts'

function begin(method: string) {
  const clock = new TestClock()
  const flow = new FakeTransport('UDP', new Recorder()).peer('192.0.2.1')
  const ends: string[] = []
  const surroundings = {
    clock,
    timers: RFC_TIMERS,
    answered: () => void ends.push('answered'),
    ended: () => void ends.push('ended'),
    ack: () => undefined,
  }
  const transaction = new ServerTransaction('key', method, flow, surroundings)
  const received = request({ method })
  const exchange = new NetworkServer(received, { name: 'p', host: 'us', port: 5060 }, flow, transaction)
  exchange.begin()
  exchange.wait(clock)
  return {
    clock,
    ends,
    exchange,
    transaction,
    take: () => startLines(flow.take()),
    respond: (status: number) => exchange.respond(responseTo(received, status, { toTag: 'b1' })),
  }
}

describe('an INVITE', () => {
  test('is answered with 100 at once, and 100 from further on stops here', () => {
    const { take, respond } = begin('INVITE')

    expect(take()).toEqual(['100 Trying'])
    respond(100)
    respond(180)
    expect(take()).toEqual(['180 Ringing'])
  })

  test('tells once that the caller gave up, and not after its final response', () => {
    const cancels: SipRequest[] = []
    const cancel = request({ method: 'CANCEL' })
    const early = begin('INVITE')
    early.exchange.onCancel = one => void cancels.push(one)

    early.exchange.cancel(cancel)
    early.exchange.cancel(cancel)
    expect(cancels).toEqual([cancel])
    expect(early.exchange.cancelled).toBe(cancel)

    const late = begin('INVITE')
    late.respond(200)
    late.exchange.cancel(cancel)
    expect(late.exchange.cancelled).toBeUndefined()
  })
})

describe('another request (RFC 4320)', () => {
  test('is answered with 100 when 3.5 s have passed without an answer', () => {
    const { clock, take } = begin('MESSAGE')

    clock.advance(millis(3499))
    expect(take()).toEqual([])
    clock.advance(millis(1))

    expect(take()).toEqual(['100 Trying'])
  })

  test('is not answered with 100 once it has its answer', () => {
    const { clock, take, respond } = begin('MESSAGE')

    respond(200)
    clock.advance(seconds(60))

    expect(take()).toEqual(['200 OK'])
    expect(clock.pending).toBe(0)
  })

  test('has no other provisional response', () => {
    const { take, respond } = begin('MESSAGE')

    respond(180)

    expect(take()).toEqual([])
  })

  test('is never answered with 408: it ends in silence', () => {
    const { clock, ends, take, respond, exchange } = begin('MESSAGE')

    respond(408)
    respond(200)

    expect(take()).toEqual([])
    expect(ends).toEqual(['ended'])
    expect(exchange.open).toBe(false)
    expect(clock.pending).toBe(0)
  })

  test('that nobody answers is forgotten when the client has given up', () => {
    const { clock, ends, take } = begin('MESSAGE')

    clock.advance(seconds(60))

    expect(take()).toEqual(['100 Trying'])
    expect(ends).toEqual(['ended'])
    expect(clock.pending).toBe(0)
  })
})

test('only the first final answer goes out', () => {
  const failed = begin('INVITE')
  failed.respond(500)
  failed.respond(500)
  expect(failed.take()).toEqual(['100 Trying', '500 Server Internal Error'])

  const done = begin('INVITE')
  done.respond(486)
  done.respond(500)
  expect(done.take()).toEqual(['100 Trying', '486 Busy Here'])
})

describe('the hop that sent the request (RFC 3261 §22.1)', () => {
  const exchangeOver = (transport: FakeTransport, port: number): NetworkServer => {
    const flow = transport.peer('192.0.2.1', port)
    const surroundings = {
      clock: new TestClock(),
      timers: RFC_TIMERS,
      answered: () => undefined,
      ended: () => undefined,
      ack: () => undefined,
    }
    const transaction = new ServerTransaction('key', 'INVITE', flow, surroundings)
    return new NetworkServer(request(), { name: 'p', host: 'us', port: 5060 }, flow, transaction)
  }

  test('over UDP is the same socket', () => {
    const udp = new FakeTransport('UDP', new Recorder())
    const exchange = exchangeOver(udp, 40_000)

    expect(exchange.isFrom(udp.peer('192.0.2.1', 40_000))).toBe(true)
    expect(exchange.isFrom(udp.peer('192.0.2.1', 40_001))).toBe(false)
  })

  test('over streams is the same address: the connection may be a new one', () => {
    const tcp = new FakeTransport('TCP', new Recorder())
    const exchange = exchangeOver(tcp, 40_000)

    expect(exchange.isFrom(tcp.peer('192.0.2.1', 40_001))).toBe(true)
    expect(exchange.isFrom(tcp.peer('192.0.2.2', 40_000))).toBe(false)
    expect(exchange.isFrom(new FakeTransport('UDP', new Recorder()).peer('192.0.2.1', 40_000))).toBe(false)
  })
})
