import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { seconds, TestClock } from '../../kit/clock.ts'
import type { StreamLimits } from './stream-limits.ts'
import { TcpTransport } from './tcp.ts'
import { Recorder, request, until } from './testing.ts'

async function open(options: { address?: string; port?: number; limits?: Partial<StreamLimits> } = {}) {
  const events = new Recorder()
  const clock = new TestClock()
  const transport = await TcpTransport.open({ address: '127.0.0.1', port: 0, ...options, events, clock })
  onTestFinished(async () => {
    const closed = transport.close()
    const drained = setInterval(() => {
      clock.advance(seconds(5))
    }, 5)
    await closed
    clearInterval(drained)
  })
  return { events, clock, transport, point: transport.point }
}

interface Peer {
  readonly socket: Socket
  readonly received: () => string
  readonly ended: () => boolean
}

async function connectTo(point: { address: string; port: number }): Promise<Peer> {
  const socket = connect({ host: point.address, port: point.port, noDelay: true })
  let received = ''
  let ended = false
  socket.on('data', chunk => (received += chunk.toString('latin1')))
  socket.on('error', () => undefined)
  socket.on('close', () => (ended = true))
  onTestFinished(() => {
    socket.destroy()
  })
  await once(socket, 'connect')
  return { socket, received: () => received, ended: () => ended }
}

describe('SIP over TCP', () => {
  test('messages cut at every octet arrive whole, and answers leave on the same connection', async () => {
    const { events, point } = await open()
    const peer = await connectTo(point)
    const stream = request(3) + '\r\n' + request(0, 'Subject: \xff\r\n')
    events.onMessage = (text, flow) => {
      flow.send(text)
    }

    for (const octet of stream) {
      await new Promise(resolve => peer.socket.write(octet, 'latin1', resolve))
    }
    await until(() => events.messages.length === 2, 'both messages')

    expect(events.texts).toEqual([request(3), request(0, 'Subject: \xff\r\n')])
    expect(events.messages[0]?.flow).toBe(events.messages[1]?.flow)
    expect(events.messages[0]?.flow).toMatchObject({ transport: 'TCP', reliable: true, closed: false })
    await until(() => peer.received() === request(3) + request(0, 'Subject: \xff\r\n'), 'the echo')
  })

  test('a double CRLF is answered by one (RFC 5626 §4.4.1)', async () => {
    const { point } = await open()
    const peer = await connectTo(point)

    peer.socket.write('\r\n\r\n')

    await until(() => peer.received() === '\r\n', 'the pong')
  })

  test('a peer that says its last word and half-closes is still answered', async () => {
    const { events, point } = await open()
    events.onMessage = (_, flow) => {
      flow.send('SIP/2.0 200 OK\r\n\r\n')
    }
    const peer = await connectTo(point)

    peer.socket.end(request())

    await until(() => peer.ended(), 'the end')
    expect(peer.received()).toBe('SIP/2.0 200 OK\r\n\r\n')
    expect(events.failures).toEqual([])
    await until(() => events.ended.length === 1, 'the flow to end')
  })

  test('without Content-Length the peer gets an answer and the connection ends', async () => {
    const { events, point } = await open()
    events.onMalformed = flow => {
      flow.send('SIP/2.0 400 Content-Length missing\r\n\r\n')
    }
    const peer = await connectTo(point)

    peer.socket.write('OPTIONS sip:a SIP/2.0\r\n\r\n' + request())

    await until(() => peer.ended(), 'the end')
    expect(peer.received()).toBe('SIP/2.0 400 Content-Length missing\r\n\r\n')
    expect(events.faults).toEqual([{ fault: 'no-content-length', text: 'OPTIONS sip:a SIP/2.0\r\n\r\n' }])
    expect(events.messages).toEqual([])
  })

  test('too large a message ends the connection before its body is taken', async () => {
    const { events, point } = await open()
    const peer = await connectTo(point)

    peer.socket.write('OPTIONS sip:a SIP/2.0\r\nl: 70000\r\n\r\n')

    await until(() => peer.ended(), 'the end')
    expect(events.faults[0]?.fault).toBe('too-large')
  })
})

describe('connections that we make', () => {
  test('one serves a peer in both directions, and what is sent at once waits for it', async () => {
    const a = await open()
    const b = await open()
    b.events.onMessage = (_, flow) => {
      flow.send('SIP/2.0 200 OK\r\nl: 0\r\n\r\n')
    }

    const flow = a.transport.flowTo(b.point.address, b.point.port)
    flow.send(request(1))
    flow.send(request(2))
    await until(() => a.events.messages.length === 2, 'both answers')

    expect(b.events.texts).toEqual([request(1), request(2)])
    expect(a.transport.flowTo(b.point.address, b.point.port)).toBe(flow)
    expect(a.events.messages[0]?.flow).toBe(flow)
    const back = b.events.messages[0]?.flow
    expect(b.transport.flowTo(back?.remoteAddress ?? '', back?.remotePort ?? 0)).toBe(back)
  })

  test('one that is asked for is another one, and tells when it stands', async () => {
    const near = await open()
    const far = await open()
    const { address, port } = far.point
    const shared = near.transport.flowTo(address, port)
    const own = near.transport.connect(address, port)
    let stands = false
    own.onReady(() => (stands = true))

    expect(own).not.toBe(shared)
    expect(own.ready).toBe(false)
    await until(() => stands, 'the connection')
    expect(own.ready).toBe(true)
    expect(near.transport.flowTo(address, port)).toBe(shared)
    own.close()
    expect(own.ready).toBe(false)
  })

  test('IPv6 works', async () => {
    const a = await open({ address: '::1' })
    const b = await open({ address: '::1' })

    a.transport.flowTo('0:0::1', b.point.port).send(request())

    await until(() => b.events.messages.length === 1, 'the request')
    expect(b.events.messages[0]?.flow.remoteAddress).toBe('::1')
  })

  test.each([
    ['a refusing peer', '127.0.0.1', 1],
    ['a name', 'example.invalid', 5060],
    ['port 0', '127.0.0.1', 0],
  ])('%s is told as lost and then closed, and tried afresh', async (_, address, port) => {
    const { events, transport } = await open()

    const flow = transport.flowTo(address, port)
    flow.send(request())
    expect(events.failures).toEqual([])
    await until(() => events.ended.length === 1, 'the end')

    expect(events.failures).toHaveLength(1)
    expect(events.ended).toEqual([flow])
    expect(flow.closed).toBe(true)
    expect(transport.flowTo(address, port)).not.toBe(flow)
  })

  test('a peer that does not answer is given two seconds', async () => {
    const { events, transport, clock } = await open()
    // A listener whose queue is full leaves further connections without an answer.
    const deaf = createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 })
    await once(deaf, 'listening')
    onTestFinished(() => {
      deaf.close()
    })
    const flow = transport.flowTo('127.0.0.1', (deaf.address() as { port: number }).port)
    flow.send(request())

    // Before this turn ends the connection cannot have been made.
    clock.advance(seconds(2))
    await until(() => events.ended.length === 1, 'the end')

    expect(events.failures[0]?.message).toBe('no connection within 2000 ms')
  })
})

describe('hostile peers', () => {
  test('a message that does not end in ten seconds ends the connection, drop by drop or silent', async () => {
    const { events, point, clock, transport } = await open()
    const [slow, silent, idle] = [await connectTo(point), await connectTo(point), await connectTo(point)]
    silent.socket.write('OPTIONS sip:a')
    idle.socket.write(request())
    await until(() => events.messages.length === 1 && transport.flowCount === 3, 'all to arrive')

    for (let second = 0; second < 15; second++) {
      slow.socket.write('x')
      await new Promise(resolve => setImmediate(resolve))
      clock.advance(seconds(1))
    }
    await until(() => slow.ended() && silent.ended(), 'the end of the slow')

    clock.advance(seconds(3600))
    await new Promise(resolve => setImmediate(resolve))
    expect(idle.ended()).toBe(false)
    expect(transport.flowCount).toBe(1)
  })

  test('messages that each end in time do not add up', async () => {
    const { events, point, clock } = await open()
    const peer = await connectTo(point)
    const text = request(10)
    peer.socket.write(text.slice(0, 20))

    for (let i = 1; i <= 5; i++) {
      peer.socket.write(text.slice(20) + text.slice(0, 20))
      await until(() => events.messages.length === i, `message ${i}`)
      clock.advance(seconds(4))
    }

    expect(peer.ended()).toBe(false)
  })

  test('a peer that does not read is closed when too much waits for it', async () => {
    const { events, point, transport } = await open({ limits: { maxQueued: 100_000 } })
    const peer = await connectTo(point)
    peer.socket.pause()
    await until(() => transport.flowCount === 1, 'the connection')
    peer.socket.write(request())
    await until(() => events.messages.length === 1, 'the request')
    const flow = events.messages[0]?.flow

    // The kernel takes some megabytes before it begins to refuse.
    for (let i = 0; i < 5000 && flow?.closed === false; i++) {
      flow.send('x'.repeat(20_000))
      await new Promise(resolve => setImmediate(resolve))
    }
    await until(() => events.ended.length === 1, 'the end')

    expect(events.failures[0]?.message).toContain('the peer does not read')
  })

  test('a peer that leaves a little unread for long is closed too', async () => {
    const { events, point, clock } = await open()
    const peer = await connectTo(point)
    peer.socket.pause()
    peer.socket.write(request())
    await until(() => events.messages.length === 1, 'the request')
    const flow = events.messages[0]?.flow
    for (let i = 0; i < 5000 && flow?.closed === false; i++) {
      flow.send('x'.repeat(20_000))
      await new Promise(resolve => setImmediate(resolve))
      clock.advance(seconds(1))
    }

    await until(() => events.ended.length === 1, 'the end')
    expect(events.failures[0]?.message).toBe('the peer does not read')
  })

  test('above the limits of one source new connections are refused and old ones stay', async () => {
    const { transport, point } = await open({ limits: { perSource: 2 } })
    const first = [await connectTo(point), await connectTo(point)]

    // The refusal may come while the peer still connects.
    const third = await connectTo(point).catch(() => undefined)
    await until(() => third === undefined || third.ended(), 'the refusal')

    expect(first.some(peer => peer.ended())).toBe(false)
    first[0]?.socket.destroy()
    await until(() => transport.flowCount === 1, 'a place')
    await connectTo(point)
    await until(() => transport.flowCount === 2, 'the next')
  })

  test('memory for incomplete messages is bounded over all connections', async () => {
    const { events, point } = await open({ limits: { maxHeld: 5000 } })
    const peers = [await connectTo(point), await connectTo(point)]

    for (const peer of peers) peer.socket.write('x'.repeat(3000))
    await until(() => events.ended.length === 1, 'one to end')

    expect(peers.filter(peer => peer.ended())).toHaveLength(1)
  })

  test('2,000 idle connections leave one that talks alone', async () => {
    const { events, point, clock, transport } = await open()
    const idle = await Promise.all(Array.from({ length: 2000 }, () => connectTo(point)))
    const peer = await connectTo(point)
    await until(() => transport.flowCount === 2001, 'all connections')

    clock.advance(seconds(600))
    peer.socket.write(request())
    await until(() => events.messages.length === 1, 'the request')

    expect(idle.some(({ ended }) => ended())).toBe(false)
    // One timer for all.
    expect(clock.pending).toBe(1)
  })
})

describe('closing', () => {
  test('what was sent goes out before the connection ends', async () => {
    const { events, point, transport } = await open()
    const peer = await connectTo(point)
    peer.socket.write(request())
    await until(() => events.messages.length === 1, 'the request')
    const flow = events.messages[0]?.flow
    let released = false
    flow?.onClose(() => (released = true))

    flow?.send('x'.repeat(500_000))
    await transport.close()

    await until(() => peer.ended(), 'the end')
    expect(peer.received()).toHaveLength(500_000)
    expect(released).toBe(true)
    expect(events.failures).toEqual([])
  })

  test('a peer that does not close its side is not waited for long', async () => {
    const { events, point, transport, clock } = await open()
    const peer = connect({ host: point.address, port: point.port, allowHalfOpen: true })
    onTestFinished(() => {
      peer.destroy()
    })
    await until(() => transport.flowCount === 1, 'the connection')

    const closed = transport.close()
    clock.advance(seconds(4))
    await closed

    expect(events.ended).toHaveLength(1)
    expect(clock.pending).toBe(0)
  })
})

test('a port that is taken names who holds it', async () => {
  const { point } = await open()

  await expect(open({ port: point.port })).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    detail: { why: expect.stringContaining(`process ${process.pid} (`) as string },
  })
})
