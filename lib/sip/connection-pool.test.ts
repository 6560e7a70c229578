import { describe, expect, test } from 'vitest'
import { seconds, TestClock } from '../kit/clock.ts'
import { Graylist } from '../kit/graylist.ts'
import { ConnectionPool } from './connection-pool.ts'
import { PeerHealth } from './peer-health.ts'
import type { Target } from './resolver.ts'
import { FakeFlow, settled } from './testing.ts'
import type { Flow, ListeningPoint, OwnConnection } from './transport/flow.ts'
import { Recorder } from './transport/testing.ts'

const POINT: ListeningPoint = { transport: 'TCP', address: '192.0.2.100', port: 5058 }
const at = (host: number): Target => ({ transport: 'TCP', address: `192.0.2.${host}`, port: 5052 })

class FakeConnection extends FakeFlow implements OwnConnection {
  override ready = false
  heard = 0
  /** A server that is dead, or one that knows no keep-alives. */
  mute = false
  #onReady: (() => void) | undefined

  onReady(fn: () => void): void {
    this.#onReady = fn
  }

  probe(): void {
    if (!this.mute) this.heard++
  }

  abort(): void {
    this.close()
  }

  stands(): void {
    this.ready = true
    this.#onReady?.()
  }
}

async function open(size: number, hosts: number[]) {
  const clock = new TestClock()
  const made: FakeConnection[] = []
  const inUse = new Set<Flow>()
  const peers = new PeerHealth(new Graylist({ clock, blackFor: seconds(30) }))
  let next = 0
  let seed = 3
  const pool = new ConnectionPool({
    clock,
    size,
    lifetime: seconds(600),
    targets: async () => {
      const good = hosts.filter(host => !peers.isAvoided(at(host)))
      const host = good[next++ % Math.max(1, good.length)]
      return host === undefined ? [] : [at(host)]
    },
    connect: ({ address, port }) => {
      const connection = new FakeConnection(POINT, address, port, new Recorder())
      made.push(connection)
      return connection
    },
    peers,
    inUse: () => inUse,
    random: () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647,
  })
  await settled()
  const tick = async (count = 1): Promise<void> => {
    for (let i = 0; i < count; i++) {
      clock.advance(seconds(1))
      await settled()
    }
  }
  const stand = (): void => {
    for (const each of made) if (!each.closed && !each.ready) each.stands()
  }
  const living = (): readonly FakeConnection[] => made.filter(each => !each.closed)
  return { pool, made, inUse, peers, hosts, tick, stand, living }
}

test('connections are opened to all servers, and requests spread over those that stand', async () => {
  const { pool, made, stand } = await open(6, [1, 2, 3])
  expect(pool.pick()).toBeUndefined()
  stand()

  expect(made.map(each => each.remoteAddress).sort()).toEqual(
    [1, 1, 2, 2, 3, 3].map(host => `192.0.2.${host}`),
  )
  expect(new Set(Array.from({ length: 200 }, () => pool.pick()))).toEqual(new Set(made))
  pool.close()
})

test('a connection is made anew after its lifetime, not all of them at once', async () => {
  const { pool, made, stand, tick, living } = await open(10, [1])
  stand()
  await tick(479)
  expect(made).toHaveLength(10)
  const counts: number[] = []
  for (let s = 480; s < 725; s++) {
    await tick()
    stand()
    counts.push(made.length)
  }

  expect(made).toHaveLength(20)
  expect(living()).toHaveLength(10)
  expect(new Set(counts).size).toBeGreaterThan(6)
  pool.close()
})

test('a new server has its share after one lifetime, and one that left is without work', async () => {
  const { pool, hosts, stand, tick, living } = await open(8, [1, 2])
  stand()
  hosts.splice(0, 2, 2, 3)
  for (let s = 0; s < 725; s++) {
    await tick()
    stand()
  }

  expect(new Set(living().map(each => each.remoteAddress))).toEqual(new Set(['192.0.2.2', '192.0.2.3']))
  pool.close()
})

test('a connection over which answers are awaited is used no more, and closed when they have come', async () => {
  const { pool, made, inUse, stand, tick } = await open(1, [1])
  stand()
  const [first] = made
  if (first === undefined) throw new Error('no connection')
  inUse.add(first)
  await tick(722)
  stand()

  expect(first.closed).toBe(false)
  expect(pool.pick()).toBe(made[1])
  inUse.clear()
  await tick()
  expect(first.closed).toBe(true)
  pool.close()
})

describe('a connection that ends', () => {
  test('before it stood has its server avoided, and the next one goes elsewhere', async () => {
    const { pool, made, peers, tick, stand } = await open(1, [1, 2])
    made[0]?.close()
    expect(peers.isAvoided(at(1))).toBe(true)
    await tick()
    stand()

    expect(pool.pick()?.remoteAddress).toBe('192.0.2.2')
    pool.close()
  })

  test('after it stood is replaced, and its server blamed for nothing', async () => {
    const { pool, made, peers, tick, stand } = await open(1, [1])
    stand()
    made[0]?.close()
    expect(pool.pick()).toBeUndefined()
    await tick()
    stand()

    expect(peers.troubled).toBe(0)
    expect(pool.pick()).toBe(made[1])
    pool.close()
  })
})

test('a name that leads nowhere is asked again each second', async () => {
  const { pool, hosts, tick, stand } = await open(2, [])
  hosts.push(1)
  await tick()
  stand()

  expect(pool.pick()).toBeDefined()
  pool.close()
})

test('a server that has given signs of life and gives none any more loses its connections', async () => {
  const { pool, made, peers, stand, tick, living } = await open(4, [1, 2])
  stand()
  await tick(12)
  expect(living()).toHaveLength(4)

  for (const each of made) if (each.remoteAddress === '192.0.2.1') each.mute = true
  await tick(10)
  stand()

  expect(peers.isAvoided(at(1))).toBe(true)
  expect(living().map(each => each.remoteAddress)).toEqual(new Array(4).fill('192.0.2.2'))
  pool.close()
})

test('so does a connection that was made just before its server died', async () => {
  const { pool, made, hosts, stand, tick, living } = await open(2, [1])
  stand()
  await tick(12)
  made[0]?.close()
  await tick()
  stand()
  expect(living()).toHaveLength(2)

  for (const each of made) each.mute = true
  hosts.splice(0, 1, 2)
  await tick(8)
  stand()

  expect(living().map(each => each.remoteAddress)).toEqual(['192.0.2.2', '192.0.2.2'])
  pool.close()
})

test('a server that knows no keep-alives keeps its connections', async () => {
  const { pool, made, stand, tick, living } = await open(3, [1])
  stand()
  for (const each of made) each.mute = true
  await tick(60)

  expect(living()).toEqual(made)
  pool.close()
})

test('a server that stands in for another is left as soon as that is back', async () => {
  const clock = new TestClock()
  const made: FakeConnection[] = []
  const [near, far] = [at(1), { ...at(2), priority: 1 }]
  let isNearThere = false
  const pool = new ConnectionPool({
    clock,
    size: 2,
    lifetime: seconds(600),
    targets: async () => (isNearThere ? [near, far] : [far]),
    connect: ({ address, port }) => {
      const connection = new FakeConnection(POINT, address, port, new Recorder())
      made.push(connection)
      return connection
    },
    peers: new PeerHealth(new Graylist({ clock, blackFor: seconds(30) })),
    inUse: () => new Set(),
  })
  await settled()
  const living = (): readonly string[] => made.filter(each => !each.closed).map(each => each.remoteAddress)
  for (const each of made) each.stands()
  expect(living()).toEqual(['192.0.2.2', '192.0.2.2'])

  isNearThere = true
  for (let second = 0; second < 7; second++) {
    clock.advance(seconds(1))
    await settled()
    for (const each of made) if (!each.closed && !each.ready) each.stands()
  }

  expect(living()).toEqual(['192.0.2.1', '192.0.2.1'])
  expect(pool.pick()?.remoteAddress).toBe('192.0.2.1')
  pool.close()
})
