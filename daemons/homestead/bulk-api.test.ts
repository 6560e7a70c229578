import { connect } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Impi, Impu } from '../../lib/ims/identity.ts'
import type { BulkResult } from './bulk-api.ts'
import { digestHa1 } from './provisioning.ts'
import { openTestHomestead, type TestHomestead } from './testing.ts'

let hs: TestHomestead
beforeEach(async () => {
  hs = await openTestHomestead()
})
afterEach(() => hs.stop())

async function load(lines: readonly (string | object)[]): Promise<BulkResult[]> {
  const text = lines.map(line => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n')
  const reply = await hs.provision('POST', '/bulk/subscribers', text)
  expect(reply.status).toBe(200)
  return reply.body
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as BulkResult)
}

const user = (n: number, change: object = {}) => ({
  public_id: `sip:${n}@example.com`,
  private_id: `${n}@example.com`,
  realm: 'example.com',
  digest_ha1: '939e7578ed9e3c518a452acee763bce9',
  ...change,
})

test('subscribers are created, known to homestead, and found unchanged when sent again', async () => {
  const users = Array.from({ length: 1200 }, (_, i) => user(i))

  expect(new Set((await load(users)).map(({ result }) => result))).toEqual(new Set(['created']))
  expect(new Set((await load(users)).map(({ result }) => result))).toEqual(new Set(['unchanged']))

  const impu = 'sip:1199@example.com' as Impu
  const vector = await hs.homestead.authVector({ impi: '1199@example.com' as Impi, impu })
  expect(vector).toMatchObject({ ok: true, value: { ha1: '939e7578ed9e3c518a452acee763bce9' } })
  const data = await hs.homestead.registrationData(impu, { type: 'call' })
  expect(data.ok && data.value.subscription?.profiles[0]?.filterCriteria[0]).toContain(
    '<ServerName>sip:mmtel.example.com</ServerName>',
  )
})

test('what was created by bulk is seen by the single requests, and the other way round', async () => {
  await load([user(1)])
  const at = '/public/sip%3A1%40example.com'
  const { location = '' } = await hs.provision('GET', `${at}/service_profile`)
  await hs.provision('PUT', `${location}/filter_criteria`, '<ServiceProfile/>')
  await hs.provision('PUT', '/private/1%40example.com', '{"plaintext_password":"new"}')

  const [result] = await load([user(1, { filter_criteria: '<ServiceProfile/>' })])

  expect(result).toEqual({ line: 1, public_id: 'sip:1@example.com', result: 'updated' })
  const { body } = await hs.provision('GET', '/private/1%40example.com')
  expect(JSON.parse(body)).toEqual({ digest_ha1: user(1).digest_ha1, realm: 'example.com' })
  expect((await hs.provision('GET', `${location}/filter_criteria`)).body).toBe('<ServiceProfile/>')
})

test('private id, realm and digest come from the public id and the password if they are left out', async () => {
  await load([{ public_id: 'sip:7@example.com', plaintext_password: 's3cret' }])

  expect(JSON.parse((await hs.provision('GET', '/private/7%40example.com')).body)).toEqual({
    digest_ha1: digestHa1('7@example.com', 'example.com', 's3cret'),
    realm: 'example.com',
    plaintext_password: 's3cret',
  })
})

test('bad lines are told by number, and the others stored', async () => {
  const results = await load([
    user(1),
    '',
    'not json',
    '[1]',
    { digest_ha1: 'x' },
    user(2, { public_id: 'mailto:x' }),
    user(3, { plaintext_password: 'both' }),
    user(4, { filter_criteria: '<a/>' }),
    'x'.repeat(200_000),
    user(5, { public_id: `sip:${'9'.repeat(600)}@x` }),
    user(1, { private_id: 'thief@example.com' }),
    user(6),
  ])

  expect(results.map(({ line, result }) => `${line} ${result}`)).toEqual([
    '1 created',
    '3 invalid',
    '4 invalid',
    '5 invalid',
    '6 invalid',
    '7 invalid',
    '8 invalid',
    '9 invalid',
    '10 invalid',
    '11 conflict',
    '12 created',
  ])
  for (const { result, reason } of results)
    expect(typeof reason).toBe(result === 'invalid' ? 'string' : 'undefined')
})

test('no body is no subscribers', async () => {
  expect(await load([])).toEqual([])
  expect((await hs.provision('GET', '/bulk/subscribers')).status).toBe(405)
})

test('a client that goes away in the middle leaves whole subscribers and a running service', async () => {
  const socket = connect(hs.provisioningPort, '127.0.0.1')
  const lines = Array.from({ length: 600 }, (_, i) => `${JSON.stringify(user(i))}\n`).join('')
  socket.write('POST /bulk/subscribers HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
  socket.write(`${Buffer.byteLength(lines).toString(16)}\r\n${lines}\r\n`)

  await vi.waitFor(async () => {
    expect((await hs.provision('GET', '/public/sip%3A499%40example.com/irs')).status).toBe(303)
  })
  socket.destroy()

  await vi.waitFor(async () => expect((await hs.provision('GET', '/ping')).status).toBe(200))
  expect((await hs.ask('GET', '/impu/sip%3A499%40example.com/location')).status).toBe(200)
})
