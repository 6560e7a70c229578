import { once } from 'node:events'
import { get, request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { seconds, TestClock } from '../../kit/clock.ts'
import type { StreamLimits } from './stream-limits.ts'
import { Recorder, request, until } from './testing.ts'
import { WsTransport } from './ws.ts'

async function open(options: { port?: number; limits?: Partial<StreamLimits>; paths?: string[] } = {}) {
  const events = new Recorder()
  const clock = new TestClock()
  const transport = await WsTransport.open({ address: '127.0.0.1', port: 0, ...options, events, clock })
  onTestFinished(async () => {
    const closed = transport.close()
    const drained = setInterval(() => {
      clock.advance(seconds(5))
    }, 5)
    await closed
    clearInterval(drained)
  })
  return { events, clock, transport, point: transport.point, url: `ws://127.0.0.1:${transport.point.port}/` }
}

class Client {
  readonly received: string[] = []
  readonly binary: boolean[] = []
  closeCode: number | undefined
  readonly socket: WebSocket

  constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data, binary) => {
      this.received.push((data as Buffer).toString('latin1'))
      this.binary.push(binary)
    })
    socket.on('error', () => undefined)
    socket.on('close', code => (this.closeCode = code))
    onTestFinished(() => {
      socket.terminate()
    })
  }
}

async function client(url: string, protocols: string[] = ['sip']): Promise<Client> {
  const made = new Client(new WebSocket(url, protocols, { perMessageDeflate: false }))
  await once(made.socket, 'open')
  return made
}

/** A client that has shaken hands and then writes what it likes. */
async function rawClient(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  onTestFinished(() => {
    socket.destroy()
  })
  socket.write(
    'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  )
  await once(socket, 'data')
  return socket
}

describe('SIP over WebSocket (RFC 7118)', () => {
  test.each([
    ['sip is chosen where it is offered', ['chat', 'sip'], 'sip'],
    ['none is chosen where none is offered', [], ''],
  ])('sub-protocol: %s', async (_, offered, chosen) => {
    const { url, events } = await open()
    const peer = await client(url, offered)

    expect(peer.socket.protocol).toBe(chosen)
    peer.socket.send(request())
    await until(() => events.messages.length === 1, 'the request')
  })

  test('octets pass unchanged, as text where they are UTF-8 and binary where not', async () => {
    const { url, events } = await open()
    const peer = await client(url)
    const utf8 = Buffer.from(request(0, 'Subject: é€\r\n'), 'utf8')
    const other = Buffer.from(request(0, 'Subject: \xff\r\n'), 'latin1')
    events.onMessage = (text, flow) => {
      flow.send(text)
    }

    peer.socket.send(utf8, { binary: false })
    peer.socket.send(other, { binary: true })
    await until(() => peer.received.length === 2, 'both answers')

    expect(events.texts).toEqual([utf8.toString('latin1'), other.toString('latin1')])
    expect(peer.received).toEqual(events.texts)
    expect(peer.binary).toEqual([false, true])
    expect(events.messages[0]?.flow).toMatchObject({ transport: 'WS', reliable: true, closed: false })
  })

  test('a client is found again by its address while it is there, and never called', async () => {
    const { url, events, transport } = await open()
    const peer = await client(url)
    peer.socket.send(request())
    await until(() => events.messages.length === 1, 'the request')
    const flow = events.messages[0]?.flow
    const [address, port] = [flow?.remoteAddress ?? '', flow?.remotePort ?? 0]

    expect(transport.flowTo(address, port)).toBe(flow)
    peer.socket.close()
    await until(() => events.ended.length === 1, 'the end')

    expect(transport.flowTo(address, port)).toBeUndefined()
    expect(flow?.closed).toBe(true)
    flow?.send(request())
    await until(() => events.failures.length === 1, 'the failure')
  })

  test('Content-Length may be left out', async () => {
    const { url, events } = await open()
    const peer = await client(url)

    peer.socket.send('MESSAGE sip:a SIP/2.0\r\nTo: x\r\n\r\nhello')

    await until(() => events.messages.length === 1, 'the request')
  })

  test.each([
    ['two messages', request() + request(), 'not-one-message'],
    ['part of one', request(5).slice(0, -1), 'not-one-message'],
    ['no blank line', 'OPTIONS sip:a SIP/2.0\r\n', 'not-one-message'],
    ['a bad length', 'OPTIONS sip:a SIP/2.0\r\nl: -1\r\n\r\n', 'bad-content-length'],
  ])('%s in a frame is refused and the next frame is taken', async (_, text, fault) => {
    const { url, events } = await open()
    const peer = await client(url)

    peer.socket.send(text)
    peer.socket.send(request())
    await until(() => events.messages.length === 1, 'the good request')

    expect(events.faults).toEqual([{ fault, text }])
    expect(events.texts).toEqual([request()])
  })

  test('keep-alives are answered: CRLF, and the ping of WebSocket', async () => {
    const { url, events } = await open()
    const peer = await client(url)
    let ponged = false
    peer.socket.on('pong', () => (ponged = true))

    peer.socket.send('\r\n\r\n')
    peer.socket.send('\r\n')
    peer.socket.ping()
    await until(() => ponged && peer.received.length === 1, 'both pongs')

    expect(peer.received).toEqual(['\r\n'])
    expect(events.messages).toEqual([])
    expect(events.faults).toEqual([])
  })

  test('frames cut at every octet arrive whole', async () => {
    const { point, events } = await open()
    const socket = await rawClient(point.port)
    const payload = Buffer.from(request(3), 'latin1')
    const mask = Buffer.alloc(4)
    const frame = Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), mask, payload])

    for (const octet of frame) await new Promise(resolve => socket.write(Buffer.of(octet), resolve))
    await until(() => events.messages.length === 1, 'the request')

    expect(events.texts).toEqual([request(3)])
  })
})

describe('hostile peers', () => {
  test.each([
    [
      'a frame above 65,536 octets',
      (peer: Client) => {
        peer.socket.send('x'.repeat(65_537))
      },
      1009,
    ],
    [
      'a text frame that is not UTF-8',
      (peer: Client) => {
        peer.socket.send(Buffer.of(0xff), { binary: false })
      },
      1007,
    ],
  ])('%s ends that connection only', async (_, act, code) => {
    const { url, events } = await open()
    const [bad, good] = [await client(url), await client(url)]

    act(bad)
    await until(() => bad.closeCode !== undefined, 'the end')
    good.socket.send(request())
    await until(() => events.messages.length === 1, 'the good request')

    expect(bad.closeCode).toBe(code)
  })

  test('octets that are no frame end the connection', async () => {
    const { point, events } = await open()
    const socket = await rawClient(point.port)

    socket.write(request())

    await until(() => events.ended.length === 1, 'the end')
  })

  test('a frame that does not end in ten seconds ends the connection', async () => {
    const { point, events, clock } = await open()
    const socket = await rawClient(point.port)
    socket.write(Buffer.from([0x81]))

    for (let second = 0; second < 20 && events.ended.length === 0; second++) {
      await new Promise(resolve => setTimeout(resolve, 5))
      clock.advance(seconds(1))
    }

    await until(() => events.ended.length === 1, 'the end')
  })

  test('a client that has gone without a word is found out by a ping; a living one stays', async () => {
    const { point, url, events, clock, transport } = await open()
    await rawClient(point.port)
    const living = await client(url)
    let pinged = false
    living.socket.on('ping', () => (pinged = true))
    await until(() => transport.flowCount === 2, 'both')

    clock.advance(seconds(32))
    await until(() => pinged, 'the ping')
    // It comes after the pong, so that the pong has come too.
    living.socket.send(request())
    await until(() => events.messages.length === 1, 'the request')
    clock.advance(seconds(12))
    await until(() => events.ended.length === 1, 'the end of one')

    expect(living.closeCode).toBeUndefined()
    expect(transport.flowCount).toBe(1)
  })

  test('a peer that does not read is closed when too much waits for it', async () => {
    const { url, events } = await open({ limits: { maxQueued: 100_000 } })
    const peer = await client(url)
    peer.socket.send(request())
    await until(() => events.messages.length === 1, 'the request')
    peer.socket.pause()
    const flow = events.messages[0]?.flow

    for (let i = 0; i < 5000 && flow?.closed === false; i++) {
      flow.send('x'.repeat(20_000))
      await new Promise(resolve => setImmediate(resolve))
    }
    await until(() => events.ended.length === 1, 'the end')

    expect(events.failures[0]?.message).toContain('the peer does not read')
  })

  test('above the limit new connections are refused and old ones stay', async () => {
    const { url, transport } = await open({ limits: { total: 1 } })
    const first = await client(url)

    await expect(client(url)).rejects.toThrow()

    expect(first.closeCode).toBeUndefined()
    expect(transport.flowCount).toBe(1)
  })
})

describe('plain HTTP', () => {
  test('GET is told to upgrade, anything else is refused', async () => {
    const { point } = await open()
    const status = async (method: string): Promise<number | undefined> => {
      const sent = method === 'GET' ? get({ port: point.port }) : httpRequest({ port: point.port, method })
      sent.end()
      const [response] = (await once(sent, 'response')) as [{ statusCode?: number; resume(): void }]
      response.resume()
      return response.statusCode
    }

    expect(await status('GET')).toBe(426)
    expect(await status('POST')).toBe(400)
  })

  test('an upgrade on a path that is not ours is refused', async () => {
    const { url } = await open({ paths: ['/ws'] })

    await expect(client(url)).rejects.toThrow('400')
    await client(`${url}ws?x=1`)
  })
})

test('closing tells clients and releases what was kept for them', async () => {
  const { url, events, transport } = await open()
  const peer = await client(url)
  peer.socket.send(request())
  await until(() => events.messages.length === 1, 'the request')
  const flow = events.messages[0]?.flow
  let released = false
  flow?.onClose(() => (released = true))

  flow?.send('x'.repeat(200_000))
  await transport.close()

  await until(() => peer.closeCode !== undefined, 'the end')
  expect(peer.received[0]).toHaveLength(200_000)
  expect(peer.closeCode).toBe(1001)
  expect(released).toBe(true)
})

test('a port that is taken names who holds it', async () => {
  const { point } = await open()

  await expect(open({ port: point.port })).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    detail: { why: expect.stringContaining(`process ${process.pid} (`) as string },
  })
})
