import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { decode, encode, type Answer as Row, type DecodedPacket, type Packet } from 'dns-packet'
import { afterEach, expect, test } from 'vitest'
import { freePort } from '../../test/support/ports.ts'
import { TimerWheel } from '../kit/clock.ts'
import { DnsStub } from './stub.ts'

const opened: { close(): void }[] = []
afterEach(() => {
  for (const each of opened.splice(0)) each.close()
})

type Reply = (question: DecodedPacket) => Packet | Buffer | undefined | readonly Packet[]

/** A name server on a port of its own that counts what it is asked. */
async function serve(
  reply: Reply,
  overTcp?: Reply,
): Promise<{ readonly name: string; readonly count: () => number }> {
  const socket: Socket = createSocket('udp4')
  let count = 0
  socket.on('message', (octets, from) => {
    count++
    const replies = reply(decode(octets))
    for (const each of replies === undefined ? [] : Array.isArray(replies) ? replies : [replies]) {
      socket.send(Buffer.isBuffer(each) ? each : encode(each as Packet), from.port, from.address)
    }
  })
  const port = await freePort()
  socket.bind(port, '127.0.0.1')
  await once(socket, 'listening')
  opened.push(socket)
  if (overTcp !== undefined) {
    const server: Server = createServer(connection => {
      connection.on('error', () => undefined)
      connection.on('data', octets => {
        const answer = overTcp(decode(octets.subarray(2)))
        if (answer === undefined) connection.destroy()
        else {
          const bytes = Buffer.isBuffer(answer) ? answer : encode(answer as Packet)
          const prefix = Buffer.alloc(2)
          prefix.writeUInt16BE(bytes.length)
          for (const octet of Buffer.concat([prefix, bytes])) connection.write(Buffer.of(octet))
        }
      })
    })
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    opened.push(server)
  }
  return { name: `127.0.0.1:${port}`, count: () => count }
}

function replying(rows: (name: string) => Row[], more: Partial<Packet> = {}): Reply {
  return ({ id, questions = [] }) => ({
    type: 'response',
    id: id ?? 0,
    questions,
    answers: rows(questions[0]?.name ?? ''),
    ...more,
  })
}

function open(...servers: string[]): DnsStub {
  const clock = new TimerWheel(() => undefined)
  opened.push(clock)
  return new DnsStub({ servers, clock })
}

const a = (name: string, data = '192.0.2.1'): Row => ({ type: 'A', name, data, ttl: 60 })
const FOUND = { kind: 'records', records: ['192.0.2.1'], ttl: 60 }

test('the first server that answers is believed', async () => {
  const first = await serve(replying(name => [a(name)]))
  const second = await serve(replying(name => [a(name, '192.0.2.2')]))

  expect(await open(first.name, second.name).find('A', 'Host.Example.com.')).toEqual(FOUND)
  expect(second.count()).toBe(0)
})

test('the next server is asked when one is not there, fails or stays silent', async () => {
  const closed = createSocket('udp4').bind(0, '127.0.0.1')
  await once(closed, 'listening')
  const nobody = `127.0.0.1:${closed.address().port}`
  closed.close()
  const silent = await serve(() => undefined)
  const failing = await serve(replying(() => [], { flags: 2 }))
  const good = await serve(replying(name => [a(name)]))

  expect(await open(nobody, failing.name, silent.name, good.name).find('A', 'h')).toEqual(FOUND)
  expect(failing.count()).toBe(1)
  expect(silent.count()).toBe(1)
})

test('a single server is asked again, since a datagram may get lost', async () => {
  let lost = 0
  const server = await serve(question => (lost++ === 0 ? undefined : replying(name => [a(name)])(question)))

  expect(await open(server.name).find('A', 'h')).toEqual(FOUND)
})

test('that no server answers is no exception', async () => {
  const silent = await serve(() => undefined)

  expect(await open(silent.name).find('A', 'h')).toMatchObject({ kind: 'failed' })
})

test('an answer that is cut is asked for over TCP', async () => {
  const many = Array.from({ length: 200 }, (_, i) => `192.0.2.${i}`)
  const server = await serve(
    replying(() => [], { flags: 0x0200 }),
    replying(name => many.map(each => a(name, each))),
  )

  const found = await open(server.name).find('A', 'h')

  expect(found).toEqual({ kind: 'records', records: many, ttl: 60 })
})

test('a server that breaks off over TCP has failed', async () => {
  const server = await serve(
    replying(() => [], { flags: 0x0200 }),
    () => undefined,
  )

  expect(await open(server.name).find('A', 'h')).toMatchObject({ kind: 'failed' })
})

test('forged answers and garbage before the answer change nothing', async () => {
  const server = await serve(question => {
    const real = replying(name => [a(name)])(question) as Packet
    return [
      { ...real, id: (question.id ?? 0) ^ 1, answers: [a('h', '203.0.113.1')] },
      { ...real, questions: [{ type: 'A', name: 'other' }], answers: [a('h', '203.0.113.1')] },
      Buffer.from('no DNS at all') as unknown as Packet,
      real,
    ]
  })

  expect(await open(server.name).find('A', 'h')).toEqual(FOUND)
})

test('an alias is asked for where the server did not follow it, and one without end is not for ever', async () => {
  const server = await serve(
    replying(name => {
      if (name === 'h') return [{ type: 'CNAME', name, data: 'i', ttl: 5 }]
      if (name === 'i') return [a(name)]
      return [{ type: 'CNAME', name, data: `x${name}`, ttl: 5 }]
    }),
  )

  expect(await open(server.name).find('A', 'h')).toEqual({ ...FOUND, ttl: 5 })
  expect(await open(server.name).find('A', 'x')).toEqual({ kind: 'none', ttl: undefined })
  expect(server.count()).toBeLessThan(20)
})

test('two thousand questions at once are all answered', async () => {
  const server = await serve(replying(name => [a(name)]))
  const stub = open(server.name)

  const found = await Promise.all(Array.from({ length: 2000 }, (_, i) => stub.find('A', `h${i}`)))

  expect(found.every(each => each.kind === 'records')).toBe(true)
})
