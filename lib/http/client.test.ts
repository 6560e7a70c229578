import { createServer, type RequestListener, type Server } from 'node:http'
import { once } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import { millis, seconds, TestClock } from '../kit/clock.ts'
import { Graylist } from '../kit/graylist.ts'
import { HttpClient, type HttpServers } from './client.ts'

const opened: (Server | HttpClient)[] = []
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) {
    if (each instanceof HttpClient) await each.close()
    else {
      each.closeAllConnections()
      each.close()
    }
  }
})

/** Servers on addresses of their own and one port, since one name has one port. */
async function serve(listeners: Readonly<Record<string, RequestListener>>): Promise<number> {
  let port = 0
  for (const [address, listener] of Object.entries(listeners)) {
    const server = createServer(listener)
    server.listen(port, address)
    await once(server, 'listening')
    const bound = server.address()
    if (typeof bound === 'object' && bound !== null) port = bound.port
    opened.push(server)
  }
  return port
}

function open(port: number, addresses: readonly string[], onOverload?: () => void) {
  const clock = new TestClock()
  const graylist = new Graylist({ clock, blackFor: seconds(30) })
  const servers: HttpServers = {
    lookup: async () => addresses,
    graylist,
    ...(onOverload === undefined ? {} : { onOverload }),
  }
  const client = new HttpClient({
    origin: `http://hs.example.com:${port}`,
    timeout: millis(400),
    connectTimeout: millis(200),
    servers,
  })
  opened.push(client)
  return { client, clock, graylist }
}

const answering =
  (status: number, note: (host: string | undefined) => void = () => undefined): RequestListener =>
  (request, response) => {
    note(request.headers.host)
    response.writeHead(status).end(String(status))
  }

test('servers of one name share the requests, each asked by that name', async () => {
  const hosts = new Set<string>()
  const count = { a: 0, b: 0 }
  const port = await serve({
    '127.0.0.1': answering(200, host => {
      count.a++
      hosts.add(host ?? '')
    }),
    '127.0.0.2': answering(200, () => count.b++),
  })
  const { client } = open(port, ['127.0.0.1', '127.0.0.2'])
  for (let i = 0; i < 60; i++) await client.request({ method: 'GET', path: '/' })

  expect(count.a).toBeGreaterThan(5)
  expect(count.b).toBeGreaterThan(5)
  expect([...hosts]).toEqual([`hs.example.com:${port}`])
})

describe('a server that fails', () => {
  test('has its request answered by another, and is passed over from then on', async () => {
    let asked = 0
    const port = await serve({ '127.0.0.1': answering(200, () => asked++) })
    const { client, graylist } = open(port, ['127.0.0.2', '127.0.0.3', '127.0.0.1'])
    for (let i = 0; i < 20; i++) {
      expect(await client.request({ method: 'POST', path: '/', body: '{}' })).toMatchObject({ status: 200 })
    }

    expect(asked).toBe(20)
    expect(graylist.size).toBe(2)
  })

  test('by silence costs one timeout', async () => {
    let silent = 0
    const port = await serve({ '127.0.0.1': answering(200), '127.0.0.2': () => silent++ })
    const { client } = open(port, ['127.0.0.1', '127.0.0.2'])
    for (let i = 0; i < 30; i++) {
      expect(await client.request({ method: 'GET', path: '/' })).toMatchObject({ status: 200 })
    }

    expect(silent).toBe(1)
  })

  test('is tried again after its time, by one request', async () => {
    let isUp = false
    let asked = 0
    const port = await serve({
      '127.0.0.1': answering(200),
      '127.0.0.2': (request, response) => {
        asked++
        if (isUp) response.end('up')
        else request.socket.destroy()
      },
    })
    const { client, clock, graylist } = open(port, ['127.0.0.1', '127.0.0.2'])
    const ask = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) await client.request({ method: 'GET', path: '/' })
    }
    await ask(30)
    expect(graylist.size).toBe(1)
    // A kept connection may just have been closed, so it was asked twice.
    expect(asked).toBe(2)

    isUp = true
    clock.advance(seconds(31))
    await ask(30)
    expect(asked).toBeGreaterThan(3)
    expect(graylist.size).toBe(0)
  })

  test('is asked when there is no other', async () => {
    const port = await serve({ '127.0.0.1': answering(200) })
    const { client, graylist } = open(port, ['127.0.0.1'])
    graylist.failed(`127.0.0.1 ${port}`)

    expect(await client.request({ method: 'GET', path: '/' })).toMatchObject({ status: 200 })
    expect(graylist.size).toBe(0)
  })
})

test('a server that has too much to do passes the request on, and is only avoided when it asks for that', async () => {
  let overloads = 0
  const port = await serve({ '127.0.0.1': answering(503), '127.0.0.2': answering(503) })
  const { client, graylist } = open(port, ['127.0.0.1', '127.0.0.2', '127.0.0.3'], () => overloads++)

  expect(await client.request({ method: 'GET', path: '/' })).toMatchObject({ status: 503 })
  expect(overloads).toBe(2)
  expect(graylist.size).toBeLessThan(2)
})

test('a request that may have had an effect is not made twice where that would matter', async () => {
  let asked = 0
  const breaking: RequestListener = request => {
    asked++
    request.socket.destroy()
  }
  const port = await serve({ '127.0.0.1': breaking, '127.0.0.2': breaking })
  const { client } = open(port, ['127.0.0.1', '127.0.0.2'])

  expect(await client.request({ method: 'POST', path: '/', body: '{}' })).toMatchObject({ kind: 'broken' })
  expect(asked).toBe(1)
})

test('a name without an address is unreachable', async () => {
  const { client } = open(80, [])

  expect(await client.request({ method: 'GET', path: '/' })).toMatchObject({ kind: 'unreachable' })
})
