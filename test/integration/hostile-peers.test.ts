import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { callAndHangUp, phoneAt, registeredPhone } from '../support/calls.ts'
import { Core } from '../support/core.ts'
import type { Phone } from '../support/phone.ts'
import { residentMemory } from '../support/processes.ts'
import { answersOptions } from '../support/sip-probe.ts'
import { statusOf, writeSip } from '../support/sip-text.ts'
import { provision, subscriber } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'
import { openTcp, openUdp } from '../support/wire.ts'

const MEGABYTE = 1024 * 1024
/** What a flood may leave in memory: buffers and garbage not yet collected, but nothing that grows with the flood. */
const SPARE_MEGABYTES = 200
const IDLE_CONNECTIONS = 10_000
/** Peers that say nothing useful may stay for a while (RFC 3261 names no time), but not for ever. */
const SLOW_LORIS_PATIENCE_MS = 90_000

let core: Core
let ann: Phone
let bob: Phone
let quietBytes: number

beforeAll(async () => {
  core = await Core.start({ openFiles: 16_000 })
  for (const user of ['ann', 'bob']) await provision(core.port('provisioning'), subscriber(user))
  ann = await registeredPhone(core, 'ann')
  bob = await registeredPhone(core, 'bob', 'TCP')
  for (let call = 0; call < 20; call++) await callAndHangUp(ann, bob)
  quietBytes = residentMemory([core.pid]).bytes
})
afterAll(async () => {
  await ann[Symbol.asyncDispose]()
  await bob[Symbol.asyncDispose]()
  await core[Symbol.asyncDispose]()
})

// Whatever a test has done: the same process still carries a call, and has not grown with the abuse.
afterEach(async () => {
  expect(core.exit, core.log).toBeUndefined()
  await workedOff()
  await callAndHangUp(ann, bob)
  expect((residentMemory([core.pid]).bytes - quietBytes) / MEGABYTE).toBeLessThan(SPARE_MEGABYTES)
})

describe('connections that waste time', () => {
  test('half a message and then silence: 200 of them are all closed', { timeout: 120_000 }, async () => {
    await using peers = await Connections.open(core.port('client'), 200)
    peers.each(socket => socket.write('REGISTER sip:ims.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1'))

    await waitUntil('the core to close them', () => peers.open === 0, SLOW_LORIS_PATIENCE_MS)
  })

  test('one byte a moment does not keep a message alive for ever', { timeout: 120_000 }, async () => {
    await using peers = await Connections.open(core.port('client'), 5)
    const drip = setInterval(() => {
      peers.each(socket => socket.write('a'))
    }, 500)
    try {
      peers.each(socket => socket.write('REGISTER sip:ims.test SIP/2.0\r\nSubject: '))
      await waitUntil('the core to close them', () => peers.open === 0, SLOW_LORIS_PATIENCE_MS)
    } finally {
      clearInterval(drip)
    }
  })

  test('a body that never comes is not waited for', { timeout: 120_000 }, async () => {
    await using peers = await Connections.open(core.port('client'), 50)
    peers.each(socket =>
      socket.write(messageRequest('slow').replace('Content-Length: 0', 'Content-Length: 60000')),
    )

    await waitUntil('the core to close them', () => peers.open === 0, SLOW_LORIS_PATIENCE_MS)
  })

  test(`${IDLE_CONNECTIONS} idle connections leave room for phones`, { timeout: 120_000 }, async () => {
    await using idle = await Connections.open(core.port('client'), IDLE_CONNECTIONS)

    await using late = await registeredPhone(core, 'ann', 'TCP')
    await callAndHangUp(late, bob)

    // A core that sheds idle connections is within its rights; one that falls over is not.
    expect(idle.opened).toBe(IDLE_CONNECTIONS)
    expect(statusOf(await late.register({ expires: 0 }))).toBe(200)
  })

  test('HTTP on which nothing is said is closed', { timeout: 120_000 }, async () => {
    await using peers = await Connections.open(core.port('provisioning'), 100)
    peers.each(socket => socket.write('PUT /private/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n'))

    await waitUntil('the core to close them', () => peers.open === 0, SLOW_LORIS_PATIENCE_MS)
  })
})

describe('Content-Length over TCP', () => {
  test.for([
    ['negative', '-1'],
    ['not a number', 'lots'],
    ['larger than any message', '99999999'],
    ['larger than a number can hold', '99999999999999999999999999'],
    ['with a sign', '+10'],
    ['empty', ''],
    ['given twice, differing', '0\r\nContent-Length: 5'],
    ['hexadecimal', '0x10'],
  ] as const)('%s: refused or the connection closed', async ([, value]) => {
    await using peer = await openTcp(core.port('client'))
    const answers: string[] = []
    let closed = false
    peer.onMessage(text => answers.push(text))
    peer.onClose(() => (closed = true))

    peer.send(messageRequest('length').replace('Content-Length: 0', `Content-Length: ${value}`))

    await waitUntil('a 400 or the end of the connection', () => closed || answers.some(is400))
  })

  test('missing: the stream cannot be cut any more and is closed', async () => {
    await using peer = await openTcp(core.port('client'))
    let closed = false
    peer.onClose(() => (closed = true))

    peer.send(messageRequest('none').replace('Content-Length: 0\r\n', ''))

    await waitUntil('the end of the connection', () => closed)
  })
})

describe('Content-Length over UDP', () => {
  test('more than the datagram holds: 400', async () => {
    await using stranger = await phoneAt(core, 'ann')
    stranger.wire.send(messageRequest('more').replace('Content-Length: 0', 'Content-Length: 500'))

    await waitUntil('the 400', () => stranger.received.some(message => statusOf(message) === 400))
  })

  test('less than the datagram holds: the rest is ignored', async () => {
    const options = writeSip(`OPTIONS sip:127.0.0.1:${core.port('client')} SIP/2.0`, [
      ['Via', 'SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bKless'],
      ['From', '<sip:a@ims.test>;tag=1'],
      ['To', '<sip:ims.test>'],
      ['Call-ID', 'less'],
      ['CSeq', '1 OPTIONS'],
    ])
    await using stranger = await phoneAt(core, 'ann')
    stranger.wire.send(`${options}garbage beyond the end`)

    await waitUntil('the 200', () => stranger.received.some(message => statusOf(message) === 200))
  })
})

describe('messages beyond reason', () => {
  const bombs: Record<string, string> = {
    'a thousand Vias': messageRequest('vias', `Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n`.repeat(1000)),
    'one header of 60 kB': messageRequest('long', `Subject: ${'a'.repeat(60_000)}\r\n`),
    'fifteen thousand empty headers': messageRequest('empty', 'X:\r\n'.repeat(15_000)),
    'sixty kB of folded line': messageRequest('fold', `Subject: a\r\n${' a\r\n'.repeat(14_000)}`),
    'commas without end': messageRequest('commas', `Route: ${'<sip:a;lr>,'.repeat(5000)}<sip:b;lr>\r\n`),
    'parameters without end': messageRequest('params', `Contact: <sip:a>${';a=b'.repeat(14_000)}\r\n`),
    'quotes that do not close': messageRequest('quotes', `Contact: "${'\\"'.repeat(25_000)}\r\n`),
    'parentheses that do not close': messageRequest('nested', `Subject: ${'('.repeat(60_000)}\r\n`),
  }

  test.for(Object.entries(bombs))('%s, over UDP and TCP', async ([, bomb]) => {
    await using datagrams = await openUdp(core.port('client'))
    for (let sent = 0; sent < 200; sent++) datagrams.send(bomb)

    await using stream = await openTcp(core.port('client'))
    for (let sent = 0; sent < 20; sent++) stream.send(bomb.replaceAll('SIP/2.0/UDP', 'SIP/2.0/TCP'))
    await workedOff()
  })

  test('a MESSAGE of just under 64 KiB over TCP arrives whole', async () => {
    const body = 'x'.repeat(62_000)
    await using sender = await registeredPhone(core, 'ann', 'TCP')
    const sent = sender.send('MESSAGE', bob.aor, { headers: [['Content-Type', 'text/plain']], body })
    const arrived = await bob.request('MESSAGE')
    bob.reply(arrived, 200)

    expect(arrived.body).toBe(body)
    expect(statusOf(await sender.response(sent))).toBe(200)
    await sender.register({ expires: 0 })
  })

  test('a stream without any blank line is closed before it fills the memory', async () => {
    await using stream = await openTcp(core.port('client'))
    let closed = false
    stream.onClose(() => (closed = true))
    const flood = setInterval(() => {
      if (stream.socket.writableLength < MEGABYTE) stream.send('a: b\r\n'.repeat(10_000))
    }, 1)
    try {
      stream.send('REGISTER sip:ims.test SIP/2.0\r\n')
      await waitUntil('the end of the connection', () => closed)
    } finally {
      clearInterval(flood)
    }
  })

  test('a million line ends before a message are swallowed', async () => {
    await using stream = await openTcp(core.port('client'))
    const answers: string[] = []
    stream.onMessage(text => answers.push(text))
    stream.send('\r\n'.repeat(1_000_000))
    stream.send(
      writeSip(`OPTIONS sip:127.0.0.1:${core.port('client')};transport=tcp SIP/2.0`, [
        ['Via', 'SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKcrlf'],
        ['Max-Forwards', '70'],
        ['From', '<sip:a@ims.test>;tag=1'],
        ['To', '<sip:ims.test>'],
        ['Call-ID', 'crlf'],
        ['CSeq', '1 OPTIONS'],
      ]),
    )

    await waitUntil('the answer', () => answers.some(text => text.startsWith('SIP/2.0 200')))
  })
})

describe('noise', () => {
  test('twenty thousand datagrams of noise', async () => {
    await using wire = await openUdp(core.port('client'))
    const random = noise(1)
    for (let sent = 0; sent < 20_000; sent++) {
      wire.send(random(1 + (sent % 700)))
      // Lets the core read: a datagram lost in the kernel tests nothing.
      if (sent % 100 === 99) await new Promise(resolve => setImmediate(resolve))
    }
  })

  test('datagrams that end anywhere inside a message', async () => {
    await using wire = await openUdp(core.port('client'))
    const message = messageRequest('cut', 'Route: <sip:a;lr>\r\nContact: "x" <sip:a@b>;q=0.5\r\n')
    for (let end = 0; end <= message.length; end++) wire.send(message.slice(0, end))
  })

  test.for(['homer', 'homestead', 'provisioning'] as const)('on the HTTP port of %s', async name => {
    const random = noise(2)
    const pieces = [
      random(5000),
      'GET / HTTP/9.9\r\n\r\n',
      'GET '.repeat(10_000),
      `GET /${'a'.repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: x\r\n${'X: y\r\n'.repeat(20_000)}\r\n`,
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n',
    ]
    for (const piece of pieces) {
      await using peers = await Connections.open(core.port(name), 1)
      peers.each(socket => socket.write(piece, 'latin1'))
      peers.each(socket => socket.end())
      await waitUntil('the connection to end', () => peers.open === 0)
    }
  })

  test('HTTP bodies that are too large, too deep or not what they say', async () => {
    const base = `http://127.0.0.1:${core.port('provisioning')}`
    const bodies = [
      '{',
      'null',
      '[]',
      '{"plaintext_password":5}',
      '{"plaintext_password":"a","digest_ha1":"b"}',
      '['.repeat(100_000),
      `{"plaintext_password":"${'a'.repeat(20 * MEGABYTE)}"}`,
      '{"__proto__":{"plaintext_password":"a"}}',
    ]
    for (const body of bodies) {
      const status = await fetch(`${base}/private/evil%40ims.test`, { method: 'PUT', body }).then(
        response => response.status,
        // A server may hang up on a body it will not read.
        () => 413,
      )
      expect(status, body.slice(0, 60)).toBeGreaterThanOrEqual(400)
      expect(status, body.slice(0, 60)).toBeLessThan(500)
    }
  })

  test('on WebSocket: frames that are binary noise, empty, too long, or hold two messages', async () => {
    const random = noise(3)
    const two = messageRequest('one') + messageRequest('two')
    for (const frame of [Buffer.from(random(3000), 'latin1'), '', 'x'.repeat(300_000), two, '\r\n\r\n']) {
      const socket = new WebSocket(`ws://127.0.0.1:${core.port('webSocket')}`, 'sip')
      socket.on('error', () => undefined)
      await once(socket, 'open')
      socket.send(frame)
      socket.close()
      await once(socket, 'close')
    }
  })

  test('on the WebSocket port: bytes that never become a WebSocket', async () => {
    for (const piece of [noise(4)(2000), 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', messageRequest('plain')]) {
      await using peers = await Connections.open(core.port('webSocket'), 1)
      peers.each(socket => socket.write(piece, 'latin1'))
      peers.each(socket => socket.end())
      await waitUntil('the connection to end', () => peers.open === 0)
    }
  })
})

/**
 * Waits until datagrams get through again: a flood on loopback fills the kernel's buffer, and our phones, which send
 * everything once, would take that loss for a fault.
 */
async function workedOff(): Promise<void> {
  await waitUntil('the core to answer again', () => answersOptions(core.port('client'), 1000))
}

/** Many plain TCP connections, counted while they live. */
class Connections implements AsyncDisposable {
  readonly #sockets: Socket[] = []
  opened = 0
  open = 0

  static async open(port: number, count: number): Promise<Connections> {
    const connections = new Connections()
    const batch = 250
    for (let begun = 0; begun < count; begun += batch) {
      const size = Math.min(batch, count - begun)
      await Promise.all(Array.from({ length: size }, () => connections.#connect(port)))
    }
    return connections
  }

  each(act: (socket: Socket) => void): void {
    for (const socket of this.#sockets) if (socket.writable) act(socket)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await waitUntil('our own sockets to close', () => this.open === 0)
  }

  async #connect(port: number): Promise<void> {
    const socket = connect({ port, host: '127.0.0.1' })
    this.#sockets.push(socket)
    socket.on('error', () => undefined)
    // Read what is said, so that the end of the stream is seen.
    socket.resume()
    await once(socket, 'connect')
    this.opened++
    this.open++
    socket.once('close', () => this.open--)
  }
}

function messageRequest(id: string, extraHeaders = ''): string {
  return (
    'MESSAGE sip:bob@ims.test SIP/2.0\r\n' +
    `Via: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bK${id}\r\n` +
    `${extraHeaders}Max-Forwards: 70\r\nFrom: <sip:ann@ims.test>;tag=1\r\nTo: <sip:bob@ims.test>\r\n` +
    `Call-ID: ${id}\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n`
  )
}

function is400(text: string): boolean {
  return text.startsWith('SIP/2.0 400')
}

/** Bytes without meaning, the same in every run (a linear congruential generator). */
function noise(seed: number): (length: number) => string {
  let state = seed
  return length => {
    let text = ''
    for (let index = 0; index < length; index++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      text += String.fromCharCode(state >>> 24)
    }
    return text
  }
}
