import { describe, expect, test } from 'vitest'
import { millis, seconds, TestClock } from '../kit/clock.ts'
import { noLog } from '../kit/log.ts'
import { Admission } from '../overload/admission.ts'
import type { ClientExchange, NextHop, NoAnswer, ServerExchange } from './exchange.ts'
import { H } from './header-names.ts'
import { hopsLeft } from './hop.ts'
import { LocalNet } from './local-net.ts'
import { responseTo, type SipRequest, type SipResponse } from './message.ts'
import { SipNode, type Service, type SipNodeOptions } from './node.ts'
import { param } from './params.ts'
import type { Target } from './resolver.ts'
import {
  FakeTransport,
  parsedRequest,
  parsedResponse,
  request,
  requestText,
  settled,
  startLines,
  type RequestParts,
} from './testing.ts'
import { RFC_TIMERS } from './transaction/timers.ts'
import type { TransportName } from './transport/flow.ts'
import { parseUri } from './uri.ts'

const POINT = { name: 'scscf', host: 'us.example.com', port: 5060 }

interface StartOptions extends Partial<SipNodeOptions> {
  readonly targets?: readonly Target[]
  readonly turnsAway?: Service['turnsAway']
}

async function start(options: StartOptions = {}) {
  const clock = new TestClock()
  const net = new LocalNet()
  const exchanges: ServerExchange[] = []
  const resolver = { resolve: () => Promise.resolve(options.targets ?? []) }
  const node = new SipNode({ clock, timers: RFC_TIMERS, log: noLog, net, resolver, ...options })
  const listen = async (name: TransportName): Promise<FakeTransport> => {
    let made: FakeTransport | undefined
    const service = {
      point: POINT,
      handle: (exchange: ServerExchange) => handle.with(exchange),
      ...(options.turnsAway === undefined ? {} : { turnsAway: options.turnsAway }),
    }
    await node.listen(async events => (made = new FakeTransport(name, events)), service, true)
    if (made === undefined) throw new Error('not opened')
    return made
  }
  /** What the function does with a request; a test may put another one here. */
  const handle: { with: (exchange: ServerExchange) => void | Promise<void> } = {
    with: exchange => void exchanges.push(exchange),
  }
  const udp = await listen('UDP')
  const tcp = await listen('TCP')
  const peer = udp.peer('192.0.2.1')
  const receive = (parts: RequestParts = {}): void => {
    peer.arrives(requestText(parts))
  }
  return {
    node,
    clock,
    net,
    udp,
    tcp,
    peer,
    handle,
    exchanges,
    receive,
    exchange: (): ServerExchange => {
      const newest = exchanges.at(-1)
      if (newest === undefined) throw new Error('nothing came to the function')
      return newest
    },
    /** Start lines of what was sent to the peer since the last look. */
    take: () => startLines(peer.take()),
  }
}

function answer(exchange: ServerExchange, status: number): void {
  exchange.respond(responseTo(exchange.request, status, { toTag: 'b1' }))
}

describe('a request that arrives', () => {
  test('goes to the function of its point, and the answer back over the flow', async () => {
    const { node, peer, exchange, receive } = await start()

    receive({ method: 'OPTIONS' })
    expect(exchange().point).toBe(POINT)
    expect(exchange().flow).toBe(peer)
    expect(node.openRequests).toBe(1)
    answer(exchange(), 200)

    const response = parsedResponse(peer.take()[0] ?? '')
    expect(response.status).toBe(200)
    expect(response.toTag).toBe('b1')
    expect(node.openRequests).toBe(0)
  })

  test('is seen once however often it comes, and gets the last answer again', async () => {
    const { exchanges, exchange, receive, take } = await start()

    receive()
    receive()
    answer(exchange(), 180)
    receive()
    answer(exchange(), 486)
    receive()

    expect(exchanges).toHaveLength(1)
    expect(take()).toEqual([
      '100 Trying',
      '100 Trying',
      '180 Ringing',
      '180 Ringing',
      '486 Busy Here',
      '486 Busy Here',
    ])
  })

  test('is another one with another branch, sent-by or method (RFC 3261 §17.2.3)', async () => {
    const { exchanges, receive } = await start()

    receive({ branch: 'z9hG4bK-1' })
    receive({ branch: 'z9hG4bK-2' })
    receive({ branch: 'z9hG4bK-1', method: 'MESSAGE' })
    receive({ via: 'SIP/2.0/UDP 192.0.2.1:5061;branch=z9hG4bK-1' })

    expect(exchanges).toHaveLength(4)
  })

  test('without a branch of RFC 3261 is told apart by what it says', async () => {
    const { exchanges, receive } = await start()
    const via = 'SIP/2.0/UDP 192.0.2.1'

    receive({ via })
    receive({ via })
    receive({ via, uri: 'sip:carol@example.com' })

    expect(exchanges).toHaveLength(2)
  })

  test('is forgotten in time', async () => {
    const { clock, exchanges, exchange, receive, node } = await start()
    receive({ method: 'MESSAGE' })
    answer(exchange(), 200)

    clock.advance(seconds(32))
    expect(clock.pending).toBe(0)
    receive({ method: 'MESSAGE' })

    expect(exchanges).toHaveLength(2)
    expect(node.openRequests).toBe(1)
  })

  test('MESSAGE without an answer gets 100 after 3.5 s, and never 408 (RFC 4320)', async () => {
    const { clock, exchange, receive, take, node } = await start()
    receive({ method: 'MESSAGE' })

    clock.advance(millis(3500))
    expect(take()).toEqual(['100 Trying'])
    answer(exchange(), 408)

    expect(take()).toEqual([])
    expect(node.openRequests).toBe(0)
    expect(clock.pending).toBe(0)
  })
})

describe('where it came from', () => {
  const viaOf = async (via: string): Promise<string | undefined> => {
    const { peer, receive, exchange } = await start()
    receive({ via })
    expect(parsedResponse(peer.take()[0] ?? '').headers.top(H.Via)).toBe(
      exchange().request.headers.top(H.Via),
    )
    return exchange().request.topVia?.params
  }

  test('is noted in its Via (RFC 3261 §18.2.1, RFC 3581 §4)', async () => {
    const params = (await viaOf('SIP/2.0/UDP inside.example.com:5060;rport;branch=z9hG4bK-1')) ?? ''

    expect(param(params, 'received')).toBe('192.0.2.1')
    expect(param(params, 'rport')).toBe('5060')
    expect(param(params, 'branch')).toBe('z9hG4bK-1')
  })

  test('is not believed when the client says it', async () => {
    const params = (await viaOf('SIP/2.0/UDP x;received=203.0.113.9;rport=9;branch=z9hG4bK-1')) ?? ''

    expect(param(params, 'received')).toBe('192.0.2.1')
    expect(param(params, 'rport')).toBe('5060')
  })

  test('decides where the answer goes: with rport the source port', async () => {
    const { udp, exchange } = await start()
    const nat = udp.peer('192.0.2.1', 40_000)

    nat.arrives(requestText({ method: 'OPTIONS', via: 'SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bK-1' }))
    answer(exchange(), 200)

    expect(startLines(nat.sent)).toEqual(['200 OK'])
  })

  test.each([
    ['SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK-1', 5070],
    ['SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK-1', 5060],
  ])('%s: without rport it goes to the port the Via names, at the source address', async (via, port) => {
    const { udp, exchange } = await start()
    const nat = udp.peer('192.0.2.1', 40_000)

    nat.arrives(requestText({ method: 'OPTIONS', via }))
    answer(exchange(), 200)

    expect(nat.sent).toEqual([])
    expect(startLines(udp.peer('192.0.2.1', port).sent)).toEqual(['200 OK'])
  })

  test('a stream is answered over itself', async () => {
    const { tcp, exchange } = await start()
    const stream = tcp.peer('192.0.2.1', 40_000)

    stream.arrives(requestText({ method: 'OPTIONS', via: 'SIP/2.0/TCP 10.0.0.1:5070;branch=z9hG4bK-1' }))
    answer(exchange(), 200)

    expect(startLines(stream.sent)).toEqual(['200 OK'])
  })
})

describe('what cannot be taken', () => {
  test.each([
    ['CSeq names another method', 'INVITE sip:b@b SIP/2.0', '400 CSeq names another method'],
    ['another version', 'OPTIONS sip:b@b SIP/7.0', '505 Version Not Supported'],
  ])('%s is answered', async (_, startLine, status) => {
    const { peer, node, take, exchanges } = await start()

    peer.arrives(requestText({ method: 'OPTIONS' }).replace(/^.*/, startLine))

    expect(take()).toEqual([status])
    expect(exchanges).toEqual([])
    expect(node.counts.malformed).toBe(1)
    expect(node.openRequests).toBe(0)
  })

  test('the answer is the same each time, back along the Via as it came', async () => {
    const { peer } = await start()
    const bad = requestText({ method: 'OPTIONS' }).replace('CSeq: 7', 'CSeq: x')

    peer.arrives(bad)
    peer.arrives(bad)

    const [first, second] = peer.take()
    expect(second).toBe(first)
    const response = parsedRequestOrResponse(first ?? '')
    expect(param(response, 'received')).toBe('192.0.2.1')
    expect(param(response, 'branch')).toBe('z9hG4bK-test')
  })

  /** The Via parameters of a response that need not be whole. */
  function parsedRequestOrResponse(text: string): string {
    return /^Via: [^;]*(.*)$/m.exec(text)?.[1] ?? ''
  }

  test.each([
    '',
    '\r\n\r\n',
    'nonsense',
    'SIP/2.0 999 X\r\n\r\n',
    requestText({ method: 'ACK' }).replace('CSeq: 7', 'CSeq: x'),
  ])('%j is dropped in silence', async text => {
    const { peer, node, take } = await start()

    peer.arrives(text)

    expect(take()).toEqual([])
    expect(node.counts.malformed).toBe(1)
  })

  test('a stream that broke the framing is answered before it closes', async () => {
    const { tcp, node } = await start()
    const stream = tcp.peer('192.0.2.1')

    tcp.events.malformed(stream, 'no-content-length', requestText({ method: 'OPTIONS' }))
    tcp.events.malformed(stream, 'too-large', '')

    expect(startLines(stream.sent)).toEqual(['400 Bad message framing'])
    expect(node.counts.malformed).toBe(2)
  })

  test('a response to nothing is counted and dropped', async () => {
    const { peer, node, take } = await start()

    peer.arrives(responseTo(request(), 200).format())

    expect(take()).toEqual([])
    expect(node.counts).toMatchObject({ responsesReceived: 1, strayResponses: 1 })
  })
})

describe('ACK', () => {
  test('of a failure stays here and stops its resends', async () => {
    const { clock, exchange, exchanges, receive, take } = await start()
    receive()
    answer(exchange(), 486)
    receive({ method: 'ACK' })
    take()

    clock.advance(seconds(40))

    expect(take()).toEqual([])
    expect(exchanges).toHaveLength(1)
    expect(clock.pending).toBe(0)
  })

  test('of a 2xx goes to the function, which cannot answer it', async () => {
    const { exchange, exchanges, receive, take } = await start()
    receive()
    answer(exchange(), 200)
    take()

    receive({ method: 'ACK', branch: 'z9hG4bK-ack' })
    answer(exchange(), 200)

    expect(exchanges.map(one => one.request.method)).toEqual(['INVITE', 'ACK'])
    expect(take()).toEqual([])
  })
})

describe('CANCEL', () => {
  test('is answered and told to whoever works on its INVITE', async () => {
    const { exchange, receive, take } = await start()
    const cancels: SipRequest[] = []
    receive()
    exchange().onCancel = cancel => void cancels.push(cancel)
    take()

    receive({ method: 'CANCEL', headers: ['Reason: SIP;cause=487'] })
    receive({ method: 'CANCEL', headers: ['Reason: SIP;cause=487'] })

    expect(take()).toEqual(['200 OK', '200 OK'])
    expect(cancels).toHaveLength(1)
    expect(exchange().cancelled?.headers.lines(H.Reason)).toEqual(['SIP;cause=487'])
  })

  test('of an INVITE that has its answer changes nothing', async () => {
    const { exchange, receive, take } = await start()
    receive()
    answer(exchange(), 486)
    take()

    receive({ method: 'CANCEL' })

    expect(take()).toEqual(['200 OK'])
    expect(exchange().cancelled).toBeUndefined()
  })

  test('of nothing is answered with 481', async () => {
    const { exchanges, receive, take } = await start()

    receive({ method: 'CANCEL' })
    receive({ method: 'MESSAGE' })
    receive({ method: 'CANCEL' })

    expect(take()).toEqual(['481 Call/Transaction Does Not Exist', '481 Call/Transaction Does Not Exist'])
    expect(exchanges).toHaveLength(1)
  })

  test('from another hop than the INVITE is answered with 403', async () => {
    const { udp, exchange, receive } = await start()
    receive()
    const stranger = udp.peer('203.0.113.9')

    stranger.arrives(requestText({ method: 'CANCEL' }))

    expect(startLines(stranger.sent)).toEqual(['403 Forbidden'])
    expect(exchange().cancelled).toBeUndefined()
  })
})

describe('load', () => {
  test('above the bound of open requests is refused with 503, what is known goes on', async () => {
    const { node, exchange, receive, take, peer } = await start({ mostOpenRequests: 1 })
    receive({ method: 'OPTIONS' })

    receive({ method: 'OPTIONS', branch: 'z9hG4bK-2' })
    expect(parsedResponse(peer.sent[0] ?? '').headers.get(H['Retry-After'])).toBe('0')
    expect(take()).toEqual(['503 Service Unavailable'])
    answer(exchange(), 200)
    receive({ method: 'OPTIONS' })
    receive({ method: 'OPTIONS', branch: 'z9hG4bK-3' })

    expect(take()).toEqual(['200 OK', '200 OK'])
    expect(node.openRequests).toBe(1)
    expect(node.counts.refusedForLoad).toBe(1)
  })

  test('closing takes nothing new, and waits for what is under way', async () => {
    const { node, clock, udp, exchange, receive, take } = await start()
    receive({ method: 'OPTIONS' })
    let closed = false
    const closing = node.close(clock.now() + 5000).then(() => (closed = true))

    receive({ method: 'OPTIONS', branch: 'z9hG4bK-2' })
    clock.advance(millis(50))
    await settled()
    expect(take()).toEqual(['503 Service Unavailable'])
    expect(closed).toBe(false)
    answer(exchange(), 200)
    clock.advance(millis(50))
    await closing

    expect(take()).toEqual(['200 OK'])
    expect(udp.closed).toBe(true)
  })

  test('closing lets those who are in a call end it', async () => {
    const { node, clock, exchange, receive, take } = await start()
    receive({ method: 'OPTIONS' })
    const closing = node.close(clock.now() + 5000)

    receive({ method: 'BYE', branch: 'z9hG4bK-2', toTag: 'b1' })
    expect(exchange().request.method).toBe('BYE')
    answer(exchange(), 200)

    expect(take()).toEqual(['200 OK'])
    clock.advance(millis(5050))
    await closing
  })

  test('closing does not wait longer than it was told', async () => {
    const { node, clock, udp, receive } = await start()
    receive({ method: 'OPTIONS' })
    const closing = node.close(clock.now() + 100)

    for (let i = 0; i < 2; i++) {
      clock.advance(millis(50))
      await settled()
    }
    await closing

    expect(udp.closed).toBe(true)
  })
})

test.each([
  [
    'throws',
    () => {
      throw new Error('bug')
    },
  ],
  ['rejects', () => Promise.reject(new Error('bug'))],
])('a function that %s is answered for with 500', async (_, broken) => {
  const { node, handle, receive, take } = await start()
  handle.with = broken

  receive()
  await settled()

  expect(take()).toEqual(['100 Trying', '500 Server Internal Error'])
  expect(node.openRequests).toBe(0)
})

test('a function that fails on an ACK is not answered for', async () => {
  const { handle, receive, take } = await start()
  handle.with = () => Promise.reject(new Error('bug'))

  receive({ method: 'ACK', branch: 'z9hG4bK-ack' })
  await settled()

  expect(take()).toEqual([])
})

// Sending

function hopTo(text: string): NextHop {
  const uri = parseUri(text)
  if (uri?.kind !== 'sip') throw new Error(text)
  return { via: 'uri', uri }
}

class Heard {
  readonly responses: SipResponse[] = []
  readonly ends: NoAnswer[] = []
  client: ClientExchange | undefined

  begun(client: ClientExchange): void {
    this.client = client
  }

  response(response: SipResponse): void {
    this.responses.push(response)
  }

  noAnswer(why: NoAnswer): void {
    this.ends.push(why)
  }

  get statuses(): number[] {
    return this.responses.map(({ status }) => status)
  }
}

const LIMITS = { maxForwards: 69, maxBreadth: undefined }

describe('a request that is sent', () => {
  test('over a flow has the Via of its point, and hears its response', async () => {
    const { node, peer } = await start()
    const heard = new Heard()

    node.send(request({ method: 'OPTIONS' }), { via: 'flow', flow: peer }, 'us', LIMITS, heard)
    const sent = parsedRequest(peer.take()[0] ?? '')
    peer.arrives(responseTo(sent, 200, { toTag: 'b1' }).format())

    expect(sent.topVia).toMatchObject({ transport: 'UDP', host: 'us.example.com', port: 5060 })
    expect(heard.statuses).toEqual([200])
    expect(heard.responses[0]?.headers.list(H.Via)).toHaveLength(1)
  })

  test.each([
    ['sip:192.0.2.7', 'UDP', 5060],
    ['sip:192.0.2.7:5070;transport=udp', 'UDP', 5070],
    ['sip:192.0.2.7;transport=TCP', 'TCP', 5060],
    ['sip:[2001:db8::7]', 'UDP', 5060],
  ] as const)('to %s goes there by %s, without a question to DNS', async (uri, transport, port) => {
    const { node, udp, tcp } = await start()

    node.send(request(), hopTo(uri), 'us', LIMITS, new Heard())
    await settled()

    const address = uri.includes('[') ? '2001:db8::7' : '192.0.2.7'
    expect((transport === 'UDP' ? udp : tcp).peer(address, port).sent).toHaveLength(1)
  })

  test('to a name goes where it leads, to the next address on 503', async () => {
    const targets: Target[] = [
      { transport: 'UDP', address: '192.0.2.7', port: 5060 },
      { transport: 'TCP', address: '192.0.2.8', port: 5062 },
    ]
    const { node, udp, tcp } = await start({ targets })
    const heard = new Heard()

    node.send(request(), hopTo('sip:p.example.com'), 'us', LIMITS, heard)
    await settled()
    const first = udp.peer('192.0.2.7')
    first.arrives(responseTo(parsedRequest(first.sent[0] ?? ''), 503, { toTag: 'x' }).format())

    expect(startLines(first.sent)).toEqual(['INVITE sip:bob@example.com', 'ACK sip:bob@example.com'])
    expect(startLines(tcp.peer('192.0.2.8', 5062).sent)).toEqual(['INVITE sip:bob@example.com'])
    expect(heard.statuses).toEqual([])
  })

  test('goes to the next address when its connection fails or closes', async () => {
    const targets = [7, 8, 9].map((last): Target => ({
      transport: 'TCP',
      address: `192.0.2.${last}`,
      port: 5060,
    }))
    const { node, tcp } = await start({ targets })
    const heard = new Heard()

    node.send(request(), hopTo('sip:p.example.com'), 'us', LIMITS, heard)
    await settled()
    tcp.peer('192.0.2.7').loses()
    tcp.peer('192.0.2.8').close()

    expect(tcp.peer('192.0.2.9').sent).toHaveLength(1)
    expect(heard.ends).toEqual([])
    tcp.peer('192.0.2.9').loses()
    expect(heard.ends).toEqual(['unreachable'])
  })

  test('over 1300 octets goes by TCP, and by UDP when that fails', async () => {
    const { node, udp, tcp, clock } = await start()
    const large = request({ method: 'MESSAGE', body: 'x'.repeat(1300) })

    node.send(large, hopTo('sip:192.0.2.7'), 'us', LIMITS, new Heard())
    await settled()
    expect(startLines(tcp.peer('192.0.2.7').sent)).toEqual(['MESSAGE sip:bob@example.com'])
    expect(udp.peer('192.0.2.7').sent).toEqual([])
    tcp.peer('192.0.2.7').loses()

    expect(startLines(udp.peer('192.0.2.7').sent)).toEqual(['MESSAGE sip:bob@example.com'])
    clock.advance(seconds(40))
    expect(clock.pending).toBe(0)
  })

  test('and comes back unchanged is a loop: 482', async () => {
    const { node, peer, exchange } = await start()
    node.send(request(), { via: 'flow', flow: peer }, 'us', LIMITS, new Heard())
    const heard = new Heard()

    peer.arrives(peer.take()[0] ?? '')
    peer.take()
    node.send(exchange().request, { via: 'flow', flow: peer }, 'us', LIMITS, heard)
    await settled()

    expect(heard.statuses).toEqual([482])
    expect(peer.sent).toEqual([])
  })

  test('is cancelled after its first provisional response, and the CANCEL hears its own answer', async () => {
    const { node, peer, clock } = await start()
    const heard = new Heard()
    node.send(request(), { via: 'flow', flow: peer }, 'us', LIMITS, heard)
    const invite = parsedRequest(peer.take()[0] ?? '')

    heard.client?.cancel(['SIP;cause=487'])
    expect(peer.sent).toEqual([])
    peer.arrives(responseTo(invite, 180, { toTag: 'b1' }).format())
    const cancel = parsedRequest(peer.take()[0] ?? '')
    peer.arrives(responseTo(cancel, 200, { toTag: 'b1' }).format())
    peer.arrives(responseTo(invite, 487, { toTag: 'b1' }).format())

    expect(cancel.method).toBe('CANCEL')
    expect(heard.statuses).toEqual([180, 487])
    expect(startLines(peer.sent)).toEqual(['ACK sip:bob@example.com'])
    clock.advance(seconds(40))
    expect(node.counts.strayResponses).toBe(0)
    expect(clock.pending).toBe(0)
  })

  test('that nobody answers after its CANCEL is forgotten', async () => {
    const { node, peer, clock } = await start()
    const heard = new Heard()
    node.send(request(), { via: 'flow', flow: peer }, 'us', LIMITS, heard)
    const invite = parsedRequest(peer.take()[0] ?? '')
    peer.arrives(responseTo(invite, 180, { toTag: 'b1' }).format())

    heard.client?.cancel([])
    clock.advance(seconds(40))
    peer.arrives(responseTo(invite, 200, { toTag: 'b1' }).format())

    expect(heard.ends).toEqual(['timeout'])
    expect(node.counts.strayResponses).toBe(1)
    expect(clock.pending).toBe(0)
  })
})

describe('the ACK of a 2xx', () => {
  const ack = request({ method: 'ACK', headers: ['Max-Forwards: 70'] })

  test('goes out once, with a Via and one hop less', async () => {
    const { node, peer, udp, clock } = await start({
      targets: [{ transport: 'UDP', address: '192.0.2.7', port: 5060 }],
    })

    node.sendAck(ack, { via: 'flow', flow: peer }, 'us', LIMITS)
    node.sendAck(ack, hopTo('sip:p.example.com'), 'us', LIMITS)
    await settled()
    clock.advance(seconds(40))

    for (const flow of [peer, udp.peer('192.0.2.7')]) {
      const [sent, ...more] = flow.take().map(parsedRequest)
      expect(more).toEqual([])
      expect(sent?.headers.list(H.Via)).toHaveLength(2)
      expect(sent?.headers.get(H['Max-Forwards'])).toBe('69')
    }
  })

  test('goes to the next server when the connection to the first one comes to nothing', async () => {
    const targets = ['192.0.2.7', '192.0.2.8'].map(
      address => ({ transport: 'TCP', address, port: 5054 }) as const,
    )
    const { node, tcp, clock } = await start({ targets })

    node.sendAck(ack, hopTo('sip:p.example.com'), 'us', LIMITS)
    await settled()
    expect(startLines(tcp.peer('192.0.2.7', 5054).take())).toEqual(['ACK sip:bob@example.com'])
    tcp.peer('192.0.2.7', 5054).close()

    expect(startLines(tcp.peer('192.0.2.8', 5054).take())).toEqual(['ACK sip:bob@example.com'])
    clock.advance(seconds(10))
    tcp.peer('192.0.2.8', 5054).close()
    expect(clock.pending).toBe(0)
  })

  test('is lost without a word where there is no way', async () => {
    const { node, peer } = await start()
    peer.close()

    node.sendAck(ack, { via: 'flow', flow: peer }, 'us', LIMITS)
    node.sendAck(ack, hopTo('sip:nowhere.example.com'), 'us', LIMITS)
    await settled()

    expect(peer.sent).toEqual([])
  })
})

describe('a hop inside the process', () => {
  const local = { name: 'icscf', host: 'icscf.example.com', port: 5052 }

  test('shows in the Vias of a request that leaves the process, and its response comes back without', async () => {
    const { node, net, peer } = await start()
    const original = request({ headers: ['Max-Forwards: 70'] })
    net.announce('icscf.example.com', 5052, {
      point: local,
      handle: one => {
        expect(one.point).toBe(local)
        expect(one.flow).toBeUndefined()
        const limits = { maxForwards: hopsLeft(one.request), maxBreadth: undefined }
        node.send(one.request, { via: 'flow', flow: peer }, 'icscf:5052', limits, {
          begun: () => undefined,
          response: response => one.respond(response),
          noAnswer: () => undefined,
        })
      },
    })
    const heard = new Heard()

    node.send(original, hopTo('sip:ICSCF.example.com:5052'), 'us:5060', LIMITS, heard)
    const left = parsedRequest(peer.take()[0] ?? '')
    peer.arrives(responseTo(left, 200, { toTag: 'b1' }).format())

    const vias = left.headers.list(H.Via)
    expect(vias).toHaveLength(3)
    expect(vias[1]).toMatch(/^SIP\/2.0\/TCP us:5060;branch=z9hG4bK/)
    expect(vias[2]).toBe(original.headers.get(H.Via))
    expect(left.headers.get(H['Max-Forwards'])).toBe('68')
    expect(heard.statuses).toEqual([200])
    expect(heard.responses[0]?.headers.list(H.Via)).toEqual(original.headers.list(H.Via))
  })

  test('is answered with 500 by a function that fails', async () => {
    const { node, net } = await start()
    net.announce('icscf.example.com', 0, { point: local, handle: () => Promise.reject(new Error('bug')) })
    const heard = new Heard()

    node.send(request(), hopTo('sip:icscf.example.com'), 'us', LIMITS, heard)
    await settled()

    expect(heard.statuses).toEqual([500])
  })

  test('takes ACKs too', async () => {
    const { node, net } = await start()
    const arrived: string[] = []
    net.announce('icscf.example.com', 0, {
      point: local,
      handle: one => void arrived.push(one.request.method),
    })

    node.sendAck(request({ method: 'ACK' }), hopTo('sip:icscf.example.com'), 'us', LIMITS)
    await settled()

    expect(arrived).toEqual(['ACK'])
  })
})

describe('more requests than can be answered in time', () => {
  const full = () =>
    new Admission({ targetLatencyUs: 100_000, maxTokens: 1, initTokenRate: 0, minTokenRate: 0 })

  test('are refused with 503 and no transaction, each the same way however often it comes', async () => {
    const { node, receive, take, peer, exchanges, clock } = await start({ admission: full() })
    receive({ branch: 'z9hG4bK-first' })
    peer.take()
    const before = clock.pending

    receive({ branch: 'z9hG4bK-second' })
    receive({ branch: 'z9hG4bK-second' })
    const [first, again] = peer.take()

    expect(parsedResponse(first ?? '').status).toBe(503)
    expect(parsedResponse(first ?? '').headers.get(H['Retry-After'])).toBe('0')
    expect(again).toBe(first)
    expect(exchanges).toHaveLength(1)
    expect(node.openRequests).toBe(1)
    expect(clock.pending).toBe(before)
    expect(node.counts.refusedForLoad).toBe(2)
    expect(node.load?.refused).toBe(2)
    expect(take()).toEqual([])
  })

  test('do not keep out what is urgent', async () => {
    const { receive, take, exchanges } = await start({ admission: full() })
    receive({ branch: 'z9hG4bK-first' })
    take()

    receive({ branch: 'z9hG4bK-poll', method: 'OPTIONS' })
    receive({ branch: 'z9hG4bK-sos', uri: 'urn:service:sos' })

    expect(exchanges.map(({ request: { method, uri } }) => `${method} ${uri}`)).toEqual([
      'INVITE sip:bob@example.com',
      'OPTIONS sip:bob@example.com',
      'INVITE urn:service:sos',
    ])
  })

  test('have their ACK dropped, which is nobody else’s', async () => {
    const { receive, peer, exchanges } = await start({ admission: full() })
    receive({ branch: 'z9hG4bK-first' })
    peer.take()
    receive({ branch: 'z9hG4bK-second' })
    const tag = parsedResponse(peer.take()[0] ?? '').toTag ?? ''
    const ack = (toTag: string): string =>
      requestText({ method: 'ACK', branch: 'z9hG4bK-second' }).replace(
        'To: <sip:bob@example.com>',
        `To: <sip:bob@example.com>;tag=${toTag}`,
      )

    peer.arrives(ack(tag))
    expect(exchanges).toHaveLength(1)
    // One that only looks like it belongs to a dialog.
    peer.arrives(ack('r-0123456789'))
    expect(exchanges).toHaveLength(2)
  })

  test('are seen as load: the latency of requests is measured', async () => {
    const admission = new Admission({
      targetLatencyUs: 100_000,
      maxTokens: 1000,
      initTokenRate: 100,
      minTokenRate: 10,
    })
    const { receive, handle } = await start({ admission })
    handle.with = () => {
      const until = performance.now() + 2
      while (performance.now() < until);
    }
    for (let i = 0; i < 60; i++) receive({ branch: `z9hG4bK-${i}`, method: 'MESSAGE' })
    while (admission.figures.latencyUs === 0) await settled()

    expect(admission.figures.latencyUs).toBeGreaterThan(2000)
  })
})

describe('who is turned away', () => {
  const turnsAway: Service['turnsAway'] = arrived => (arrived.method === 'INVITE' ? 403 : undefined)

  test('is answered once, however long the ACK does not come, and nothing is kept', async () => {
    const { peer, clock, exchanges, receive, node } = await start({ turnsAway })

    receive()
    clock.advance(seconds(40))

    expect(startLines(peer.sent)).toEqual(['403 Forbidden'])
    expect(exchanges).toEqual([])
    expect(node.openRequests).toBe(0)
  })

  test('is given the same answer for the same request, and its ACK goes nowhere', async () => {
    const { peer, exchanges, receive } = await start({ turnsAway })

    receive()
    receive()
    const [first = '', second] = peer.sent
    receive({ method: 'ACK', headers: [`To: ${parsedResponse(first).headers.get(H.To) ?? ''}`] })

    expect(second).toBe(first)
    expect(exchanges).toEqual([])
  })

  test('others are handled', async () => {
    const { exchanges, receive } = await start({ turnsAway })

    receive({ method: 'MESSAGE' })

    expect(exchanges).toHaveLength(1)
  })
})
