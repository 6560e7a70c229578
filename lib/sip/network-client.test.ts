import { describe, expect, test } from 'vitest'
import { millis, seconds, TestClock } from '../kit/clock.ts'
import { Graylist } from '../kit/graylist.ts'
import type { NoAnswer } from './exchange.ts'
import { H } from './header-names.ts'
import { responseTo, type SipResponse } from './message.ts'
import { NetworkClient, type ClientNode } from './network-client.ts'
import { PeerHealth } from './peer-health.ts'
import type { Target } from './resolver.ts'
import { FakeTransport, parsedRequest, request, settled, startLines, type RequestParts } from './testing.ts'
import { ClientTransaction } from './transaction/client.ts'
import { RFC_TIMERS } from './transaction/timers.ts'
import { Recorder } from './transport/testing.ts'

const A: Target = { transport: 'UDP', address: '192.0.2.10', port: 5060 }
const B: Target = { transport: 'UDP', address: '192.0.2.11', port: 5060 }
const TCP_A: Target = { ...A, transport: 'TCP' }

function begin(parts: RequestParts = {}) {
  const clock = new TestClock()
  const transports = {
    UDP: new FakeTransport('UDP', new Recorder()),
    TCP: new FakeTransport('TCP', new Recorder()),
  }
  const transactions: ClientTransaction[] = []
  const ended = new Set<ClientTransaction>()
  const graylist = new Graylist({ clock, blackFor: seconds(30) })
  const peers = new PeerHealth(graylist)
  const node: ClientNode = {
    clock,
    timers: RFC_TIMERS,
    peers,
    flowTo: target =>
      target.transport === 'WS'
        ? undefined
        : transports[target.transport].flowTo(target.address, target.port),
    sentBy: () => 'us.example.com:5060',
    begin: (sent, flow, user) => {
      const surroundings = {
        clock,
        timers: RFC_TIMERS,
        ended: (one: ClientTransaction) => void ended.add(one),
      }
      const transaction = new ClientTransaction(sent, flow, user, surroundings)
      transactions.push(transaction)
      transaction.start()
      return transaction
    },
  }
  const heard: (number | NoAnswer)[] = []
  const responses: SipResponse[] = []
  const original = request(parts)
  const client = new NetworkClient(
    node,
    original,
    { maxForwards: 69, maxBreadth: undefined },
    {
      begun: () => undefined,
      response: response => {
        heard.push(response.status)
        responses.push(response)
      },
      noAnswer: why => void heard.push(why),
    },
  )
  /** Start lines of what was sent to a target since the last look. */
  const take = (target: Target): string[] => startLines(texts(target).splice(0))
  const texts = (target: Target): string[] =>
    target.transport === 'WS' ? [] : transports[target.transport].peer(target.address, target.port).sent
  return {
    clock,
    client,
    peers,
    heard,
    responses,
    original,
    transports,
    transactions,
    take,
    texts,
    /** The transactions that are still there. */
    living: () => transactions.filter(one => !ended.has(one)),
    /** The request to a target is answered. */
    answer: (target: Target, status: number) => {
      const sent = texts(target).find(text => !text.startsWith('ACK'))
      if (sent === undefined) throw new Error('nothing was sent')
      const message = parsedRequest(sent)
      const transaction = transactions.findLast(
        one => one.branch === message.branch && one.method === message.method,
      )
      transaction?.receive(responseTo(message, status, { toTag: 'b1' }))
    },
  }
}

describe('a request over the network', () => {
  test('gets a Via of ours on top, which its responses lose again', () => {
    const { client, original, texts, answer, responses } = begin({ headers: ['Max-Forwards: 70'] })

    client.toTargets([A])
    answer(A, 180)

    const sent = parsedRequest(texts(A)[0] ?? '')
    const [ours, theirs] = sent.headers.list(H.Via)
    expect(ours).toMatch(/^SIP\/2\.0\/UDP us\.example\.com:5060;rport;branch=z9hG4bK/)
    expect(theirs).toBe(original.headers.top(H.Via))
    expect(sent.headers.get(H['Max-Forwards'])).toBe('69')
    expect(responses[0]?.headers.lines(H.Via)).toEqual(original.headers.lines(H.Via))
  })

  test('does not ask a stream for its port', () => {
    const { client, texts } = begin()

    client.toTargets([TCP_A])

    expect(parsedRequest(texts(TCP_A)[0] ?? '').topVia?.params).not.toContain('rport')
  })

  test('that loops is answered with 482 and not sent', async () => {
    const first = begin()
    first.client.toTargets([A])
    const back = first.texts(A)[0] ?? ''
    const sent = parsedRequest(back)
    const second = begin({ via: sent.headers.list(H.Via).join(', '), uri: sent.uri })

    second.client.toTargets([A])
    await settled()

    expect(second.heard).toEqual([482])
    expect(second.take(A)).toEqual([])
    expect(second.clock.pending).toBe(0)
  })
})

describe('several addresses (RFC 3263 §4.3)', () => {
  test('the next one is tried when one answers 503, which is not told', () => {
    const { client, take, answer, heard, clock } = begin({ method: 'MESSAGE' })
    client.toTargets([A, B])
    expect(take(B)).toEqual([])

    answer(A, 503)
    expect(take(B)).toEqual(['MESSAGE sip:bob@example.com'])

    expect(heard).toEqual([])
    clock.advance(seconds(6))
  })

  test('each attempt has a branch of its own', () => {
    const { client, texts, answer } = begin()
    client.toTargets([A, B])

    answer(A, 503)

    const [a, b] = [texts(A)[0], texts(B)[0]].map(text => parsedRequest(text ?? '').branch)
    expect(a).not.toBe(b)
  })

  test('the last 503 is told', () => {
    const { client, answer, heard } = begin()
    client.toTargets([A, B])

    answer(A, 503)
    answer(B, 503)

    expect(heard).toEqual([503])
  })

  test('any other failure is told at once', () => {
    const { client, take, answer, heard } = begin()
    client.toTargets([A, B])

    answer(A, 500)

    expect(heard).toEqual([500])
    expect(take(B)).toEqual([])
  })

  test('the next one is tried when sending fails or there is no way to it', () => {
    const { client, take, heard, transactions, transports, clock } = begin({ method: 'OPTIONS' })
    const C: Target = { transport: 'UDP', address: '192.0.2.12', port: 5060 }
    transports.UDP.unreachable.add('192.0.2.11:5060')

    client.toTargets([A, B, C])
    transactions[0]?.transportFailed()

    expect(take(C)).toEqual(['OPTIONS sip:bob@example.com'])
    expect(heard).toEqual([])
    transactions[1]?.transportFailed()
    expect(heard).toEqual(['unreachable'])
    expect(clock.pending).toBe(0)
  })

  test('one whose connection stood, and turns out to be broken, is tried once more over a new one', () => {
    const { client, heard, transactions, transports, peers } = begin({ method: 'OPTIONS' })
    const stale = transports.TCP.peer('192.0.2.10')
    stale.ready = true

    client.toTargets([TCP_A])
    stale.close()
    transactions[0]?.transportFailed()

    const fresh = transports.TCP.peer('192.0.2.10')
    expect(fresh).not.toBe(stale)
    expect(startLines(fresh.take())).toEqual(['OPTIONS sip:bob@example.com'])
    expect(peers.troubled).toBe(0)
    transactions[1]?.transportFailed()
    expect(heard).toEqual(['unreachable'])
    expect(peers.troubled).toBe(1)
  })

  test('one that has answered before its connection broke has the request already', () => {
    const { client, heard, answer, transactions, transports } = begin()
    const stale = transports.TCP.peer('192.0.2.10')
    stale.ready = true
    client.toTargets([TCP_A])
    answer(TCP_A, 100)

    stale.close()
    transactions[0]?.transportFailed()

    expect(transports.TCP.peer('192.0.2.10').sent).toEqual([])
    expect(heard).toEqual([100, 'unreachable'])
  })

  test.each<[string, Target[]]>([
    ['no address', []],
    ['an address of a transport that is not there', [{ ...A, transport: 'WS' }]],
  ])('%s is unreachable, but not before the caller has its client', async (_, targets) => {
    const { client, heard } = begin()

    client.toTargets(targets)

    expect(heard).toEqual([])
    await settled()
    expect(heard).toEqual(['unreachable'])
  })

  test('five are tried', () => {
    const { client, heard, transactions } = begin({ method: 'OPTIONS' })

    client.toTargets(Array.from({ length: 8 }, (_, i) => ({ ...A, port: 6000 + i })))
    for (let i = 0; i < 8; i++) transactions[i]?.transportFailed()

    expect(transactions).toHaveLength(5)
    expect(heard).toEqual(['unreachable'])
  })

  test('no answer in time is told', () => {
    const { client, clock, heard } = begin()

    client.toTargets([A])
    clock.advance(seconds(32))

    expect(heard).toEqual(['timeout'])
    expect(clock.pending).toBe(0)
  })
})

describe('a request larger than 1300 octets (RFC 3261 §18.1.1)', () => {
  const large = { method: 'MESSAGE', body: 'x'.repeat(1300) }

  test('goes by TCP to the same address', () => {
    const { client, take } = begin(large)

    client.toTargets([A])

    expect(take(TCP_A)).toEqual(['MESSAGE sip:bob@example.com'])
    expect(take(A)).toEqual([])
  })

  test('goes by UDP when TCP does not get there', () => {
    const { client, take, transactions, heard } = begin(large)

    client.toTargets([A])
    transactions[0]?.transportFailed()

    expect(take(A)).toEqual(['MESSAGE sip:bob@example.com'])
    expect(heard).toEqual([])
  })

  test('stays on the flow that it is meant for', () => {
    const { client, take, transports } = begin(large)

    client.overFlow(transports.UDP.peer(A.address))

    expect(take(A)).toHaveLength(1)
  })
})

test('a flow that has closed is unreachable', async () => {
  const { client, transports, heard } = begin()
  const flow = transports.TCP.peer(A.address)
  flow.close()

  client.overFlow(flow)
  expect(heard).toEqual([])
  await settled()

  expect(heard).toEqual(['unreachable'])
})

describe('giving up', () => {
  test('waits for the first provisional response (RFC 3261 §9.1)', () => {
    const { client, answer, texts } = begin()
    client.toTargets([A])

    client.cancel(['SIP;cause=200'])
    expect(texts(A)).toHaveLength(1)
    answer(A, 100)

    const [invite, cancel] = texts(A).map(text => parsedRequest(text))
    expect(cancel?.method).toBe('CANCEL')
    expect(cancel?.branch).toBe(invite?.branch)
    expect(cancel?.headers.lines(H.Reason)).toEqual(['SIP;cause=200'])
  })

  test('after a provisional response sends one CANCEL; the final response still comes', () => {
    const { client, take, answer, heard } = begin()
    client.toTargets([A])
    answer(A, 180)

    client.cancel([])
    client.cancel([])
    answer(A, 180)
    expect(take(A)).toEqual(['INVITE sip:bob@example.com', 'CANCEL sip:bob@example.com'])
    expect(heard).toEqual([180, 180])
  })

  test('a 2xx after CANCEL is told', () => {
    const { client, answer, heard } = begin()
    client.toTargets([A])
    answer(A, 180)
    client.cancel([])

    answer(A, 200)

    expect(heard).toEqual([180, 200])
  })

  test('on a peer that answers nothing more, all is over after 64·T1, and nothing is left', () => {
    const { client, clock, answer, heard, living } = begin()
    client.toTargets([A])
    answer(A, 180)

    client.cancel([])
    clock.advance(seconds(32))
    expect(heard).toEqual([180, 'timeout'])
    clock.advance(seconds(60))

    expect(living()).toEqual([])
    expect(clock.pending).toBe(0)
  })

  test('tries no further address', () => {
    const { client, answer, heard, take } = begin()
    client.toTargets([A, B])
    answer(A, 100)
    client.cancel([])

    answer(A, 503)

    expect(heard).toEqual([100, 503])
    expect(take(B)).toEqual([])
  })

  test('before the addresses are known sends nothing', async () => {
    const { client, heard, take } = begin()

    client.cancel([])
    client.toTargets([A])
    await settled()

    expect(take(A)).toEqual([])
    expect(heard).toEqual(['unreachable'])
  })

  test('sends no CANCEL for another request than INVITE, which ends by itself', () => {
    const { client, clock, answer, take, heard } = begin({ method: 'MESSAGE' })
    client.toTargets([A])
    answer(A, 100)

    client.cancel([])
    expect(take(A)).toEqual(['MESSAGE sip:bob@example.com'])
    clock.advance(seconds(32))

    expect(heard).toEqual([100, 'timeout'])
    expect(clock.pending).toBe(0)
  })
})

describe('timer C (RFC 3261 §16.8)', () => {
  test('cancels an INVITE that rings too long, each provisional response gives it more time', () => {
    const { client, clock, answer, texts, take } = begin()
    client.toTargets([A])
    answer(A, 180)
    clock.advance(seconds(179))
    answer(A, 180)
    clock.advance(seconds(179))
    expect(texts(A)).toHaveLength(1)

    clock.advance(seconds(1))

    const cancel = parsedRequest(texts(A)[1] ?? '')
    expect(cancel.headers.lines(H.Reason)).toEqual(['SIP;cause=408;text="Request Timeout"'])
    expect(take(A)).toEqual(['INVITE sip:bob@example.com', 'CANCEL sip:bob@example.com'])
  })

  test('is not set for another request, and gone after the final response', () => {
    const { client, clock, answer } = begin()
    client.toTargets([A])
    answer(A, 180)
    answer(A, 486)

    clock.advance(millis(RFC_TIMERS.d))

    expect(clock.pending).toBe(0)
  })
})

describe('a target that fails (sip.md §2.6)', () => {
  test('is avoided from then on when it cannot be reached', () => {
    const { client, peers, transactions } = begin()
    client.toTargets([A, B])
    transactions[0]?.transportFailed()

    expect(peers.isAvoided(A)).toBe(true)
    expect(peers.isAvoided(B)).toBe(false)
  })

  test('is avoided when it shows no sign of life', () => {
    const { client, peers, clock, heard } = begin()
    client.toTargets([A])
    clock.advance(seconds(32))

    expect(heard).toEqual(['timeout'])
    expect(peers.isAvoided(A)).toBe(true)
  })

  test('is not avoided when it is somebody behind it who does not answer', () => {
    const { client, peers, clock, heard, answer } = begin({ method: 'MESSAGE' })
    client.toTargets([A])
    answer(A, 100)
    clock.advance(seconds(32))

    expect(heard).toEqual([100, 'timeout'])
    expect(peers.isAvoided(A)).toBe(false)
  })

  test('is not avoided for its silence when it is a stateless proxy', () => {
    const { client, peers, clock } = begin()
    client.toTargets([A], true)
    clock.advance(seconds(32))

    expect(peers.isAvoided(A)).toBe(false)
  })

  test('is not avoided for a 503', () => {
    const { client, peers, answer } = begin()
    client.toTargets([A, B])
    answer(A, 503)

    expect(peers.troubled).toBe(0)
  })

  test('counts as well again with its first answer', () => {
    const { client, peers, answer } = begin()
    peers.failed(A)
    client.toTargets([A])
    answer(A, 100)

    expect(peers.troubled).toBe(0)
  })

  test('by stream is not tried so again for the next large request', () => {
    const body = 'x'.repeat(1500)
    const first = begin({ method: 'MESSAGE', body })
    first.peers.failed(TCP_A)

    first.client.toTargets([A])

    expect(first.take(TCP_A)).toEqual([])
    expect(first.take(A)).toHaveLength(1)
  })
})

describe('over a connection of a pool', () => {
  const open = (): ReturnType<typeof begin> & { asked: () => number } => {
    const attempt = begin({ method: 'MESSAGE' })
    let asked = 0
    attempt.client.overFlow(attempt.transports.TCP.peer(A.address), () => {
      asked++
      attempt.client.toTargets([B])
    })
    return { ...attempt, asked: () => asked }
  }

  test('a request goes nowhere else when it is answered', () => {
    const { answer, heard, asked } = open()
    answer(TCP_A, 404)

    expect(heard).toEqual([404])
    expect(asked()).toBe(0)
  })

  test('a request goes elsewhere when the connection breaks, or leads to one who has too much to do', () => {
    const broken = open()
    broken.transactions[0]?.transportFailed()
    const busy = open()
    busy.answer(TCP_A, 503)

    for (const attempt of [broken, busy]) {
      expect(attempt.asked()).toBe(1)
      expect(attempt.take(B)).toHaveLength(1)
      expect(attempt.heard).toEqual([])
    }
    // The connection stood: nothing is held against its server.
    expect(broken.peers.troubled).toBe(0)
  })

  test('a request that was cancelled meanwhile goes nowhere else', () => {
    const attempt = open()
    attempt.client.cancel([])
    attempt.transactions[0]?.transportFailed()

    expect(attempt.asked()).toBe(0)
    expect(attempt.heard).toEqual(['unreachable'])
  })
})
