import { describe, expect, test } from 'vitest'
import { seconds, TestClock } from '../../lib/kit/clock.ts'
import { TestFlow } from '../../lib/ims/testing.ts'
import type { FlowIdentity } from '../../lib/store/flow-store.ts'
import { edgeExpiry, FlowTable, type ClientFlow } from './flows.ts'
import { MemoryFlowStore, openEdge } from './testing.ts'

const clock = new TestClock()

function table(store = new MemoryFlowStore()): FlowTable {
  const udpFlow = (_point: string, address: string, port: number) => new TestFlow('UDP', address, port)
  return new FlowTable({ clock, store, secret: 'kept', udpFlow })
}

function identity(client: ClientFlow, impu: string, lifetime = 600, isDefault = false): FlowIdentity {
  const { remoteAddress: address, remotePort: port } = client.flow
  const expiresAt = edgeExpiry(clock.now(), lifetime)
  const asserted = `<${impu}>`
  return {
    token: client.token,
    address,
    port,
    point: 'untrusted',
    impu,
    asserted,
    serviceRoute: [],
    expiresAt,
    isDefault,
  }
}

describe('a connection', () => {
  test('that has not registered leaves nothing behind', () => {
    const flows = table()
    const flow = new TestFlow()
    const { token } = flows.open(flow)
    expect(flows.open(flow).token).toBe(token)
    expect(flows.find(flow)).toBeUndefined()
    expect(flows.size).toBe(0)
  })

  test('is known by its flow and by its token until it closes', async () => {
    const flows = table()
    const flow = new TestFlow()
    const client = flows.open(flow)
    await flows.authorise(client, [identity(client, 'sip:a@x')])
    expect(flows.open(flow)).toBe(client)
    expect(flows.findByToken(client.token)).toBe(client)
    flow.close()
    expect(flows.find(flow)).toBeUndefined()
    expect(flows.findByToken(client.token)).toBeUndefined()
    expect(flows.size).toBe(0)
  })

  test('lives without an identity, and is not stored', async () => {
    const store = new MemoryFlowStore()
    const flows = table(store)
    const client = flows.open(new TestFlow())
    await flows.authorise(client, [identity(client, 'sip:a@x')])
    clock.advance(seconds(10_000))
    expect(flows.findByToken(client.token)).toBe(client)
    expect(store.rows.size).toBe(0)
  })
})

describe('identities', () => {
  test('the default one speaks for the flow, then any other, until they expire', async () => {
    const flows = table()
    const client = flows.open(new TestFlow())
    await flows.authorise(client, [identity(client, 'sip:b@x', 900), identity(client, 'sip:a@x', 60, true)])
    expect(client.defaultIdentity(clock.now())?.impu).toBe('sip:a@x')
    clock.advance(seconds(90))
    expect(client.defaultIdentity(clock.now())?.impu).toBe('sip:b@x')
    clock.advance(seconds(840))
    expect(client.defaultIdentity(clock.now())).toBeUndefined()
    expect(client.identities.size).toBe(0)
  })

  test('a revoked one is gone at once', async () => {
    const flows = table()
    const client = flows.open(new TestFlow())
    await flows.authorise(client, [identity(client, 'sip:a@x', 60, true)])
    await flows.revoke(client, ['sip:a@x'])
    expect(client.defaultIdentity(clock.now())).toBeUndefined()
  })

  test('share one array for the same Service-Route', () => {
    const flows = table()
    expect(flows.sharedRoute(['<sip:a>'])).toBe(flows.sharedRoute(['<sip:a>']))
    expect(flows.sharedRoute(['<sip:b>'])).not.toBe(flows.sharedRoute(['<sip:a>']))
  })
})

describe('a UDP client', () => {
  const address = ['UDP', '198.51.100.8', 5070] as const

  test('has the same token after a restart, and its identities', async () => {
    const store = new MemoryFlowStore()
    const before = table(store)
    const client = before.open(new TestFlow(...address))
    await before.authorise(client, [identity(client, 'sip:a@x', 600, true)])

    const after = table(store).find(new TestFlow(...address))
    expect(after?.token).toBe(client.token)
    expect(after?.defaultIdentity(clock.now())?.impu).toBe('sip:a@x')
  })

  test('is reached by its token after a restart, before it has said anything', async () => {
    const store = new MemoryFlowStore()
    const before = table(store)
    const client = before.open(new TestFlow(...address))
    await before.authorise(client, [identity(client, 'sip:a@x')])

    const after = table(store).findByToken(client.token)
    expect([after?.flow.remoteAddress, after?.flow.remotePort]).toEqual(['198.51.100.8', 5070])
  })

  test('that another address pretends to be is another client', async () => {
    const store = new MemoryFlowStore()
    const before = table(store)
    const client = before.open(new TestFlow(...address))
    await before.authorise(client, [identity(client, 'sip:a@x')])
    expect(table(store).find(new TestFlow('UDP', '198.51.100.9', 5070))).toBeUndefined()
    expect(table(store).find(new TestFlow('UDP', '198.51.100.8', 5071))).toBeUndefined()
  })

  test('is forgotten some time after its last identity', async () => {
    const flows = table()
    const flow = new TestFlow(...address)
    const client = flows.open(flow)
    await flows.authorise(client, [identity(client, 'sip:a@x', 700)])
    clock.advance(seconds(1199))
    expect(flows.find(flow)).toBe(client)
    clock.advance(seconds(1))
    expect(flows.find(flow)).toBeUndefined()
    expect(flow.closed).toBe(true)
  })

  test('the edge serves it after a restart as if nothing had been', async () => {
    const store = new MemoryFlowStore()
    const before = openEdge({}, store)
    const token = await before.register(new TestFlow(...address), ['<sip:alice@example.com>'])
    const after = openEdge({}, store)
    const from = await after.outside(new TestFlow(...address), 'MESSAGE', 'sip:bob@example.com')
    const to = await after.core('MESSAGE', 'sip:alice@10.0.0.1', [`Route: <sip:${token}@127.0.0.1:5058;lr>`])
    expect([from.statuses, to.statuses]).toEqual([[200], [200]])
  })
})
