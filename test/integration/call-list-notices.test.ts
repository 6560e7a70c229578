import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { callAndHangUp, registeredPhone } from '../support/calls.ts'
import { filterCriterion } from '../support/filter-criteria.ts'
import { Nodes } from '../support/nodes.ts'
import type { Phone } from '../support/phone.ts'
import { provision, provisionCriteria, subscriber } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'

interface Told {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly type: string | undefined
  readonly body: string
}

let nodes: Nodes
let caller: Phone
let callee: Phone
let server: Server
const told: Told[] = []
/** Whether requests are answered. */
let isSilent = false

beforeAll(async () => {
  server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const { method, url, headers } = request
      told.push({ method, url, type: headers['content-type'], body: Buffer.concat(pieces).toString() })
      if (!isSilent) response.writeHead(204).end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  nodes = await Nodes.start()
  await nodes.bootAgain('sprout', {
    memento: '5056',
    memento_notify_url: `http://127.0.0.1:${port}/changed?from=sprout`,
  })
  const [host, provisioning] = [nodes.address('homestead'), nodes.port('provisioning')]
  const criterion = filterCriterion('sip:memento.ims.test')
  for (const user of ['6505550001', '6505550002']) {
    await provision(provisioning, subscriber(user), host)
    await provisionCriteria(provisioning, subscriber(user), criterion, host)
  }
  caller = await registeredPhone(nodes, '6505550001')
  callee = await registeredPhone(nodes, '6505550002')
})
afterEach(() => {
  told.length = 0
})
afterAll(async () => {
  server.closeAllConnections()
  server.close()
  for (const phone of [caller, callee]) await phone[Symbol.asyncDispose]()
  await nodes[Symbol.asyncDispose]()
})

/** A figure of sprout's, by its whole name. */
async function figure(name: string): Promise<number> {
  const response = await fetch(`http://${nodes.address('sprout')}:${nodes.port('sproutHttp')}/metrics`)
  const line = (await response.text()).split('\n').find(each => each.startsWith(`${name} `))
  return Number(line?.split(' ')[1])
}

const recorded = () => figure('clearwater_memento_fragments_total{kind="end"}')

test('each change of a call list is posted, for whom it is', async () => {
  await callAndHangUp(caller, callee)

  // Its beginning and its end, at both.
  await waitUntil('four changes to be told', () => told.length >= 4)
  const impus = told.map(({ body }) => (JSON.parse(body) as { impu: string }).impu)
  expect(impus.toSorted()).toEqual([caller.aor, caller.aor, callee.aor, callee.aor])
  for (const { method, url, type } of told)
    expect([method, url, type]).toEqual(['POST', '/changed?from=sprout', 'application/json'])
})

test('a server that does not answer costs no call, and no record of one', async () => {
  isSilent = true
  const before = await recorded()
  await callAndHangUp(caller, callee)
  await callAndHangUp(caller, callee)
  await waitUntil('the calls to be recorded', async () => (await recorded()) === before + 4)
})

test('neither does one that is not there', async () => {
  server.closeAllConnections()
  server.close()
  const before = await recorded()
  const failed = await figure('clearwater_memento_notifications_total{outcome="failed"}')
  await callAndHangUp(caller, callee)
  await waitUntil('the call to be recorded', async () => (await recorded()) === before + 2)
  await waitUntil('the failure to be counted', async () => {
    return (await figure('clearwater_memento_notifications_total{outcome="failed"}')) >= failed + 4
  })
})
