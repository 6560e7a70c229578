import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { describe, expect, onTestFinished, test } from 'vitest'
import { CwError } from '../../kit/errors.ts'
import { Recorder, request, until } from './testing.ts'
import { UdpTransport } from './udp.ts'

async function open(options: { address?: string; port?: number; maxFlows?: number } = {}) {
  const events = new Recorder()
  const transport = await UdpTransport.open({
    address: '127.0.0.1',
    port: 0,
    name: 'untrusted',
    ...options,
    events,
  })
  onTestFinished(() => transport.close())
  return { events, transport, point: transport.point }
}

class Peer {
  readonly received: string[] = []
  readonly socket: Socket
  constructor(type: 'udp4' | 'udp6' = 'udp4') {
    this.socket = createSocket(type).on('message', datagram =>
      this.received.push(datagram.toString('latin1')),
    )
    onTestFinished(() => {
      this.socket.close()
    })
  }

  async send(datagram: string | Buffer, to: { address: string; port: number }): Promise<void> {
    const octets = typeof datagram === 'string' ? Buffer.from(datagram, 'latin1') : datagram
    await new Promise<void>((resolve, reject) => {
      this.socket.send(octets, to.port, to.address, error => {
        if (error === null) resolve()
        else reject(error)
      })
    })
  }
}

describe('SIP over UDP', () => {
  test('octets arrive and leave unchanged, and a peer stays one flow', async () => {
    const { events, point, transport } = await open()
    const peer = new Peer()
    const text = request(4, 'Subject: \xc3\xa9\xff\x00\r\n')
    events.onMessage = (answer, flow) => {
      flow.send(answer)
    }

    await peer.send(text, point)
    await peer.send(request(), point)
    await until(() => peer.received.length === 2, 'both answers')

    expect(events.texts).toEqual([text, request()])
    expect(peer.received).toEqual([text, request()])
    const [first, second] = events.messages
    expect(first?.flow).toBe(second?.flow)
    expect(first?.flow).toBe(transport.flowTo('127.0.0.1', peer.socket.address().port))
    expect(first?.flow).toMatchObject({
      transport: 'UDP',
      reliable: false,
      closed: false,
      local: { name: 'untrusted' },
    })
  })

  test('IPv6 works, in any spelling of the address', async () => {
    const { events, point, transport } = await open({ address: '::1' })
    const peer = new Peer('udp6')

    await peer.send(request(), point)
    await until(() => events.messages.length === 1, 'the request')

    const flow = transport.flowTo('0:0:0:0:0:0:0:1', peer.socket.address().port)
    expect(events.messages[0]?.flow).toBe(flow)
    flow.send('SIP/2.0 200 OK\r\n\r\n')
    await until(() => peer.received.length === 1, 'the answer')
  })

  test('a message of the largest datagram passes both ways; a larger one is told as lost', async () => {
    const { events, point } = await open()
    const peer = new Peer()
    const largest = request(65_507).slice(0, 65_507)
    events.onMessage = (text, flow) => {
      flow.send(text)
      flow.send(`${text}x`)
    }

    await peer.send(largest, point)
    await until(() => peer.received.length === 1 && events.failures.length === 1, 'echo and failure')

    expect(peer.received[0]).toBe(largest)
  })

  test('keep-alives are answered or ignored and never handed on', async () => {
    const { events, point } = await open()
    const peer = new Peer()
    const stun = Buffer.from('000100002112a442b7e7a701bc34d686fa87dfae', 'hex')

    for (const datagram of [
      '',
      '\r\n',
      '\0\0\0\0',
      '\r\n\r\n',
      stun,
      Buffer.from([0x00]),
      '\r\n' + request(),
    ]) {
      await peer.send(datagram, point)
    }
    await until(
      () => events.messages.length === 1 && peer.received.length === 2,
      'message, pong and STUN answer',
    )

    expect(events.texts).toEqual([request()])
    expect(peer.received[0]).toBe('\r\n')
    const mapped = Buffer.from(peer.received[1] ?? '', 'latin1').readUInt16BE(26) ^ 0x2112
    expect(mapped).toBe(peer.socket.address().port)
  })

  test('what cannot be sent is told after the call, whatever is wrong with the peer', async () => {
    const { events, transport } = await open()

    for (const [address, port] of [
      ['::1', 5060],
      ['no address', 5060],
      ['127.0.0.1', 0],
      ['127.0.0.1', 70_000],
    ] as const) {
      const before = events.failures.length
      transport.flowTo(address, port).send(request())
      expect(events.failures).toHaveLength(before)
      await until(() => events.failures.length === before + 1, `the failure of ${address}:${port}`)
    }
  })

  test('an exception out of a handler costs its own message only', async () => {
    const { events, point } = await open()
    const peer = new Peer()
    events.onMessage = text => {
      if (text === 'BAD') throw new Error('handler')
    }

    await peer.send('BAD', point)
    await peer.send('GOOD', point)
    await until(() => events.messages.length === 2, 'both')

    expect(events.errors).toHaveLength(1)
  })
})

describe('flows that are remembered', () => {
  test('the one silent longest is forgotten first, one that somebody listens to never', async () => {
    const { events, transport } = await open({ maxFlows: 2 })
    const pinned = transport.flowTo('127.0.0.1', 1)
    let released = 0
    const release = pinned.onClose(() => released++)
    const [a, b] = [transport.flowTo('127.0.0.1', 2), transport.flowTo('127.0.0.1', 3)]
    transport.flowTo('127.0.0.1', 2)

    transport.flowTo('127.0.0.1', 4)

    expect(events.ended).toEqual([b])
    expect(transport.flowTo('127.0.0.1', 1)).toBe(pinned)
    expect(transport.flowTo('127.0.0.1', 2)).toBe(a)

    release()
    expect(transport.flowCount).toBe(2)
    transport.flowTo('127.0.0.1', 5)
    transport.flowTo('127.0.0.1', 6)
    expect(pinned.closed).toBe(true)
    expect(released).toBe(0)
  })

  test('whoever listens hears of the end once, also when it comes late', async () => {
    const { transport, events } = await open()
    const flow = transport.flowTo('127.0.0.1', 1)
    let heard = 0
    flow.onClose(() => heard++)

    flow.close()
    flow.close()
    flow.onClose(() => heard++)
    await until(() => heard === 2, 'both listeners')

    expect(events.ended).toEqual([flow])
    expect(transport.flowTo('127.0.0.1', 1)).not.toBe(flow)
  })

  test('all end with the transport', async () => {
    const { transport, events } = await open()
    const flow = transport.flowTo('127.0.0.1', 1)

    await transport.close()

    expect(events.ended).toEqual([flow])
    flow.send(request())
    await until(() => events.failures.length === 1, 'the failure')
  })
})

describe('opening', () => {
  test('a port that is taken names who holds it', async () => {
    const taken = createSocket('udp4').bind(0, '127.0.0.1')
    await once(taken, 'listening')
    onTestFinished(() => {
      taken.close()
    })

    const error = await open({ port: taken.address().port }).catch((error: unknown) => error)

    expect(error).toBeInstanceOf(CwError)
    expect(error).toMatchObject({
      code: 'PORT_IN_USE',
      detail: { where: { address: `127.0.0.1:${taken.address().port}` }, changed: 'nothing' },
    })
    expect((error as CwError).detail.why).toContain(`process ${process.pid} (`)
  })

  test('an address of another machine is refused', async () => {
    await expect(open({ address: '192.0.2.1' })).rejects.toMatchObject({ code: 'ADDRESS_NOT_LOCAL' })
  })
})
