import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { millis } from '../kit/clock.ts'
import { CwError } from '../kit/errors.ts'
import { noLog } from '../kit/log.ts'
import { Admission } from '../overload/admission.ts'
import { HttpClient } from './client.ts'
import { crestShape } from './crest.ts'
import { empty, encodePathPart, json, refuse, text } from './message.ts'
import { HttpServer } from './server.ts'

let server: HttpServer
let origin: string
let port: number

async function start(options: Partial<ConstructorParameters<typeof HttpServer>[0]> = {}): Promise<void> {
  server = new HttpServer({ log: noLog, ...options })
  server.route('/users/:id', {
    GET: request => json({ id: request.params.id, query: request.query }),
    PUT: request => text(`${request.body.length}`),
    POST: () => Promise.reject(new Error('a fault of ours')),
    DELETE: () => refuse(404, 'no such user'),
  })
  port = await server.listen('127.0.0.1', 0)
  origin = `http://127.0.0.1:${port}`
}

beforeEach(() => start())
afterEach(() => server.close())

describe('the server', () => {
  test('answers a ping', async () => {
    const response = await fetch(`${origin}/ping`, { headers: { 'x-sas-http-branch-id': 'x' } })

    expect(response.status).toBe(200)
    expect(await response.text()).toBe('OK')
  })

  test('decodes path parts after routing, and a plus is a plus', async () => {
    for (const id of ['sip:a/b@x;user=phone', 'tel:+1650', '100%', '%2F', 'ü ?#&']) {
      const response = await fetch(`${origin}/users/${encodePathPart(id)}?impu=${encodePathPart(id)}&plus=+1`)

      expect(await response.json()).toEqual({ id, query: { impu: id, plus: '+1' } })
    }
  })

  test('answers an unknown path 404, an unsupported method 405, both without a body', async () => {
    const unknown = await fetch(`${origin}/nothing`)
    const patch = await fetch(`${origin}/users/a`, { method: 'PATCH', body: 'x' })

    expect([unknown.status, await unknown.text()]).toEqual([404, ''])
    expect([patch.status, await patch.text()]).toEqual([405, ''])
    expect(patch.headers.get('allow')).toBe('GET, PUT, POST, DELETE')
  })

  test('refuses a body above its bound, whether its length is told or not', async () => {
    const big = 'x'.repeat(1024 * 1024 + 1)
    const told = await fetch(`${origin}/users/a`, { method: 'PUT', body: big })
    const chunked = await fetch(`${origin}/users/a`, {
      method: 'PUT',
      body: new Blob([big]).stream(),
      duplex: 'half',
    })
    const fits = await fetch(`${origin}/users/a`, { method: 'PUT', body: big.slice(1) })

    expect([told.status, chunked.status, fits.status]).toEqual([413, 413, 200])
  })

  test('takes bodies of any content type, and of none', async () => {
    for (const type of ['application/json', 'text/xml; charset=utf-8', 'x', '']) {
      const response = await fetch(`${origin}/users/a`, {
        method: 'PUT',
        body: '{',
        headers: { 'content-type': type },
      })
      expect(await response.text()).toBe('1')
    }
  })

  test('answers 500 to a fault of its own and goes on', async () => {
    expect((await fetch(`${origin}/users/a`, { method: 'POST', body: 'x' })).status).toBe(500)
    expect((await fetch(`${origin}/ping`)).status).toBe(200)
  })

  test.each([
    ['nonsense', 'hello\r\n\r\n'],
    ['a bad escape', 'GET /users/%zz HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a header bomb', `GET /ping HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(20_000)}\r\n`],
    ['an over-long identity', `GET /users/${'a'.repeat(8000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
    ['two lengths', 'PUT /users/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
  ])('answers %s with a 4xx', async (_, request) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write(request)
    const [data] = (await once(socket, 'data')) as [Buffer]
    socket.destroy()

    expect(data.toString()).toMatch(/^HTTP\/1\.1 4\d\d /)
    expect((await fetch(`${origin}/ping`)).status).toBe(200)
  })

  test('names a port that is taken', async () => {
    const second = new HttpServer({ log: noLog })
    const error = await second.listen('127.0.0.1', port).catch((reason: unknown) => reason)
    await second.close()

    expect(error).toBeInstanceOf(CwError)
    expect(error).toMatchObject({
      code: 'PORT_IN_USE',
      detail: { where: { address: `127.0.0.1:${port}` } },
    })
  })

  test('finishes requests at work when it closes', async () => {
    const own = new HttpServer({ log: noLog })
    const begun = Promise.withResolvers<undefined>()
    const release = Promise.withResolvers<undefined>()
    own.route('/slow', {
      GET: async () => {
        begun.resolve(undefined)
        await release.promise
        return text('done')
      },
    })
    const ownPort = await own.listen('127.0.0.1', 0)
    const answer = fetch(`http://127.0.0.1:${ownPort}/slow`)
    await begun.promise

    const closed = own.close()
    release.resolve(undefined)

    expect(await (await answer).text()).toBe('done')
    await closed
  })
})

describe('the crest habits', () => {
  beforeEach(async () => {
    await server.close()
    await start({ shape: crestShape, ignoreTrailingSlash: true, gzip: true })
  })

  test('an error explains itself', async () => {
    const response = await fetch(`${origin}/users/a`, { method: 'DELETE' })

    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({
      error: true,
      status: 404,
      message: 'Not Found',
      reason: 'no such user',
      detail: {},
    })
    expect(await (await fetch(`${origin}/nothing`)).json()).toMatchObject({ reason: 'Not Found' })
  })

  test('an error may go to another page', async () => {
    const response = await fetch(`${origin}/nothing?onfailure=http%3A%2F%2Fx%2Fy%3Fa%3D1`, {
      redirect: 'manual',
    })

    expect(response.status).toBe(302)
    expect(response.headers.get('location')).toBe(
      'http://x/y?a=1&error=true&status=404&message=Not%20Found&reason=Not%20Found&detail=%7B%7D',
    )
  })

  test('a trailing slash does not matter', async () => {
    expect((await fetch(`${origin}/users/a/`)).status).toBe(200)
  })

  test('JSON comes as MessagePack for who asks for it', async () => {
    const response = await fetch(`${origin}/users/a`, { headers: { accept: 'application/x-msgpack' } })

    expect(response.headers.get('content-type')).toBe('application/x-msgpack')
    expect(Buffer.from(await response.arrayBuffer()).toString('latin1')).toBe('\x82\xa2id\xa1a\xa5query\x80')
  })

  test('long answers are compressed for who accepts it', async () => {
    const id = 'a'.repeat(1200)
    const response = await fetch(`${origin}/users/${id}`)

    expect(response.headers.get('content-encoding')).toBe('gzip')
    expect(await response.json()).toMatchObject({ id })
  })
})

test('a client that never finishes its request does not keep a server from closing', async () => {
  const stuck = new HttpServer({ log: noLog })
  stuck.route('/take', { PUT: () => empty(200) })
  const port = await stuck.listen('127.0.0.1', 0)
  const socket = connect(port, '127.0.0.1')
  socket.write('PUT /take HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf')
  await once(socket, 'connect')
  const gone = new Promise(resolve =>
    socket
      .on('error', () => undefined)
      .once('close', resolve)
      .resume(),
  )

  await stuck.close()

  await gone
})

describe('the client', () => {
  const timing = { timeout: millis(200), connectTimeout: millis(50) }

  test('tells an answer from a refusal to connect and from silence', async () => {
    const client = new HttpClient({ origin, ...timing })
    expect(await client.request({ method: 'GET', path: '/ping' })).toEqual({
      kind: 'answer',
      status: 200,
      body: 'OK',
    })
    expect(await client.request({ method: 'GET', path: '/nothing' })).toMatchObject({
      kind: 'answer',
      status: 404,
    })

    await server.close()
    expect(await client.request({ method: 'GET', path: '/ping' })).toMatchObject({ kind: 'unreachable' })
    await client.close()

    server = new HttpServer({ log: noLog })
    server.route('/silence', { GET: () => new Promise(() => undefined) })
    const silent = await server.listen('127.0.0.1', 0)
    const waiting = new HttpClient({ origin: `http://127.0.0.1:${silent}`, ...timing })
    expect(await waiting.request({ method: 'GET', path: '/silence' })).toMatchObject({ kind: 'timeout' })
    await waiting.close()
  })
})

describe('a server with more requests than it can answer in time', () => {
  const full = (): Admission =>
    new Admission({ targetLatencyUs: 100_000, maxTokens: 2, initTokenRate: 0, minTokenRate: 0 })

  test('refuses them with 503, and goes on to answer those who watch it', async () => {
    await server.close()
    const admission = full()
    await start({ admission })
    const statuses: number[] = []
    for (let i = 0; i < 4; i++) {
      const response = await fetch(`${origin}/users/a`)
      statuses.push(response.status)
      if (response.status === 503) expect(response.headers.get('retry-after')).toBe('0')
      await response.text()
    }

    expect(statuses).toEqual([200, 200, 503, 503])
    expect((await fetch(`${origin}/ping`)).status).toBe(200)
    expect(admission.figures.refused).toBe(2)
  })

  test('sees how long its answers take', async () => {
    await server.close()
    const admission = new Admission({
      targetLatencyUs: 1,
      maxTokens: 100,
      initTokenRate: 100,
      minTokenRate: 10,
    })
    await start({ admission })
    for (let i = 0; i < 20; i++) await (await fetch(`${origin}/users/a`)).text()
    await waitUntilSeen(admission)

    expect(admission.figures.latencyUs).toBeGreaterThan(1)
    expect(admission.figures.rate).toBeLessThan(100)
  })
})

/** An answer is counted when its last octet has been handed over, a moment after the client may have it. */
async function waitUntilSeen(admission: Admission): Promise<void> {
  const deadline = performance.now() + 5000
  while (admission.figures.latencyUs === 0 && performance.now() < deadline) {
    await new Promise(resolve => setImmediate(resolve))
  }
}
