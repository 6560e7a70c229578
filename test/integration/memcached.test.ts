import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { TestClock, TimerWheel, type Clock } from '../../lib/kit/clock.ts'
import { startAstaire, type RunningAstaire } from '../../daemons/astaire/astaire.ts'
import { openLog } from '../../lib/kit/log.ts'
import type { ClusterView } from '../../lib/store/memcached/cluster-settings.ts'
import { challengeOf, challengeStoreContract } from '../../lib/store/contract/challenge-store.ts'
import { chargingSessionStoreContract } from '../../lib/store/contract/charging-session-store.ts'
import { recordUntil, registrationStoreContract } from '../../lib/store/contract/registration-store.ts'
import { MemcachedChallengeStore } from '../../lib/store/memcached/challenges.ts'
import { MemcachedChargingSessionStore } from '../../lib/store/memcached/charging-sessions.ts'
import { MemcachedCluster } from '../../lib/store/memcached/cluster.ts'
import { MemcachedConnection } from '../../lib/store/memcached/connection.ts'
import { replicasOf, vbucketOf } from '../../lib/store/memcached/placement.ts'
import { MemcachedRegistrationStore } from '../../lib/store/memcached/registrations.ts'
import { fullKey } from '../../lib/store/memcached/table.ts'
import { MemcachedServers } from '../support/memcached.ts'
import { waitUntil } from '../support/wait.ts'

const ALICE = 'sip:alice@example.com'
const DEADLINE_MS = 200

let servers: MemcachedServers

beforeAll(async () => {
  servers = await MemcachedServers.start(3)
})

afterAll(async () => {
  await servers[Symbol.asyncDispose]()
})

function clusterOf(clock: Clock, addresses: readonly string[] = servers.addresses): MemcachedCluster {
  const cluster = new MemcachedCluster({ view: { servers: addresses }, clock, deadlineMs: DEADLINE_MS })
  onTestFinished(() => cluster.close())
  return cluster
}

/** What a store is opened with on servers that have been emptied. */
async function emptied(clock: Clock): Promise<MemcachedCluster> {
  await Promise.all(servers.addresses.map(address => tell(address, 'flush_all\r\n')))
  return new MemcachedCluster({ view: { servers: servers.addresses }, clock, deadlineMs: DEADLINE_MS })
}

async function tell(address: string, command: string): Promise<void> {
  const [host = '', port] = address.split(':')
  const socket = connect(Number(port), host)
  socket.write(command)
  await once(socket, 'data')
  socket.destroy()
}

registrationStoreContract('memcached', async clock => {
  const cluster = await emptied(clock)
  const store = new MemcachedRegistrationStore({ cluster, clock, onForeign: () => undefined })
  return { store, close: async () => cluster.close() }
})

challengeStoreContract('memcached', async clock => {
  const cluster = await emptied(clock)
  const store = new MemcachedChallengeStore({
    ...{ cluster, clock, onForeign: () => undefined },
    onError: error => expect.fail(String(error)),
  })
  return { store, close: async () => cluster.close() }
})

chargingSessionStoreContract(
  'memcached',
  async clock => {
    const cluster = await emptied(clock)
    const store = new MemcachedChargingSessionStore({ cluster, onForeign: () => undefined })
    return { store, close: async () => cluster.close() }
  },
  // It counts by its own clock.
  async (clock, time) => {
    clock.advance(time)
    await new Promise(resolve => setTimeout(resolve, time))
  },
)

test('a charging session is read as the original wrote it, and what is none is passed over', async () => {
  const clock = new TestClock()
  const cluster = await emptied(clock)
  onTestFinished(() => cluster.close())
  const foreign: string[] = []
  const store = new MemcachedChargingSessionStore({ cluster, onForeign: key => foreign.push(key) })
  const original =
    '{"session_id":"ralf1.example.com;1467711000;1;x","ccfs":["ccf1.example.com"],"acct_record_num":1,' +
    '"timer_id":"NO_TIMER","refresh_time":300,"interim_interval":100}'
  const key = { callId: 'call@192.0.2.1', role: 1, functionality: 0 }
  const write = (text: string, callId: string): Promise<unknown> =>
    cluster.write(fullKey('session', `${callId}10`), Buffer.from(text), 60, undefined)
  await write(original, key.callId)
  await write('{"session_id":"x","ccfs":[1]}', 'other')
  await write(original.replace('300', '"300"'), 'third')

  expect((await store.get(key))?.value).toEqual({
    sessionId: 'ralf1.example.com;1467711000;1;x',
    ccfs: ['ccf1.example.com'],
    ...{ recordNumber: 1, refreshTime: 300, interimInterval: 100 },
  })
  expect(await store.get({ ...key, callId: 'other' })).toBeUndefined()
  expect(await store.get({ ...key, callId: 'third' })).toBeUndefined()
  expect(foreign).toEqual(['other10', 'third10'])
})

describe('registrations on several memcached servers', () => {
  let next = 0
  /** An identity of its own for each test, with the numbers of its two servers. */
  function someone(): { readonly impu: string; readonly first: number; readonly second: number } {
    const impu = `sip:user${next++}@example.com`
    const [first = '', second = ''] = replicasOf(servers.addresses)[vbucketOf(fullKey('reg', impu))] ?? []
    return { impu, first: servers.addresses.indexOf(first), second: servers.addresses.indexOf(second) }
  }

  function storeOn(
    cluster: MemcachedCluster,
    clock: Clock,
  ): MemcachedRegistrationStore & { foreign: string[] } {
    const foreign: string[] = []
    const store = new MemcachedRegistrationStore({ cluster, clock, onForeign: impu => foreign.push(impu) })
    return Object.assign(store, { foreign })
  }

  const inAMinute = (notifyCseq = 1): ReturnType<typeof recordUntil> =>
    recordUntil(Date.now() + 60_000, { notifyCseq })

  function realClock(): TimerWheel {
    const clock = new TimerWheel(error => expect.fail(String(error)))
    onTestFinished(() => clock.close())
    return clock
  }

  const broken = new Set<number>()
  async function kill(index: number): Promise<void> {
    broken.add(index)
    await servers.kill(index)
  }
  afterEach(async () => {
    for (const index of broken) await servers.run(index)
    broken.clear()
  })

  test('what one sprout has stored another one reads and changes', async () => {
    const clock = realClock()
    const { impu } = someone()
    const one = storeOn(clusterOf(clock), clock)
    const other = storeOn(clusterOf(clock), clock)

    await one.put(impu, inAMinute(1), undefined)
    const read = await other.get(impu)
    expect(read?.value.notifyCseq).toBe(1)
    expect(await other.put(impu, inAMinute(2), read?.version)).toBe('stored')

    expect(await one.put(impu, inAMinute(3), read?.version)).toBe('conflict')
    expect((await one.get(impu))?.value.notifyCseq).toBe(2)
  })

  test('a change is newer than what it was made of, though the clock of who made that is an hour ahead', async () => {
    const clock = realClock()
    const ahead: Clock = {
      now: () => clock.now() + 3_600_000,
      after: (delay, fire) => clock.after(delay, fire),
    }
    const { impu, first } = someone()
    const early = storeOn(clusterOf(ahead), ahead)
    const cluster = clusterOf(clock)
    const late = storeOn(cluster, clock)
    await early.put(impu, recordUntil(ahead.now() + 60_000), undefined)
    servers.freeze(first)
    try {
      const read = await late.get(impu)
      expect(await late.put(impu, inAMinute(2), read?.version)).toBe('stored')
    } finally {
      servers.thaw(first)
    }

    // Whoever doubts a copy compares all of them.
    await waitUntil('the first server to be given the change', async () => {
      expect((await late.get(impu))?.value.notifyCseq).toBe(2)
      return cluster.counts.repairs > 0
    })
    expect((await early.get(impu))?.value.notifyCseq).toBe(2)
  })

  test('sprouts that change one record at the same time lose no change', async () => {
    const clock = realClock()
    const { impu } = someone()
    const stores = [1, 2, 3].map(() => storeOn(clusterOf(clock), clock))
    await stores[0]?.put(impu, inAMinute(0), undefined)

    await Promise.all(
      stores.map(async store => {
        for (let done = 0; done < 20;) {
          const read = await store.get(impu)
          const changed = inAMinute((read?.value.notifyCseq ?? 0) + 1)
          if ((await store.put(impu, changed, read?.version)) === 'stored') done++
        }
      }),
    )

    expect((await stores[0]?.get(impu))?.value.notifyCseq).toBe(60)
  })

  test.each(['first', 'second'] as const)('the death of the %s server loses nothing', async which => {
    const clock = realClock()
    const place = someone()
    const cluster = clusterOf(clock)
    const store = storeOn(cluster, clock)
    await store.put(place.impu, inAMinute(1), undefined)

    await kill(place[which])

    const read = await store.get(place.impu)
    expect(read?.value.notifyCseq).toBe(1)
    expect(await store.put(place.impu, inAMinute(2), read?.version)).toBe('stored')
    expect((await store.get(place.impu))?.value.notifyCseq).toBe(2)
  })

  test('a version read before the first server died leads to a conflict, not to a lost change', async () => {
    const clock = realClock()
    const { impu, first } = someone()
    const store = storeOn(clusterOf(clock), clock)
    await store.put(impu, inAMinute(1), undefined)
    const read = await store.get(impu)

    await kill(first)

    expect(await store.put(impu, inAMinute(2), read?.version)).toBe('conflict')
    const again = await store.get(impu)
    expect(await store.put(impu, inAMinute(2), again?.version)).toBe('stored')
  })

  test('a server that comes back empty is given what it had, and decides again', async () => {
    const clock = realClock()
    const { impu, first, second } = someone()
    const store = storeOn(clusterOf(clock), clock)
    await store.put(impu, inAMinute(1), undefined)
    await kill(first)
    await servers.run(first)
    broken.delete(first)

    // A sprout that has seen nothing of it finds the copy too, and repairs.
    const cluster = clusterOf(clock)
    const fresh = storeOn(cluster, clock)
    expect((await fresh.get(impu))?.value.notifyCseq).toBe(1)
    expect(cluster.counts.repairs).toBe(1)

    await kill(second)
    expect((await fresh.get(impu))?.value.notifyCseq).toBe(1)
  })

  test('a server that was cut off does not bring back what was changed meanwhile', async () => {
    const clock = realClock()
    const { impu, first } = someone()
    const cluster = clusterOf(clock)
    const store = storeOn(cluster, clock)
    await store.put(impu, inAMinute(1), undefined)

    servers.freeze(first)
    try {
      // The one who reads waits for the first server until its time is over, and then has the second.
      const read = await store.get(impu)
      expect(await store.put(impu, inAMinute(2), read?.version)).toBe('stored')
    } finally {
      servers.thaw(first)
    }

    await waitUntil('the first server to be asked again', async () => {
      expect((await store.get(impu))?.value.notifyCseq).toBe(2)
      return cluster.counts.repairs > 0
    })
    expect((await storeOn(clusterOf(clock), clock).get(impu))?.value.notifyCseq).toBe(2)
  })

  test('what was removed stays removed when a server has not heard of it', async () => {
    const clock = realClock()
    const { impu, second } = someone()
    const cluster = clusterOf(clock)
    const store = storeOn(cluster, clock)
    await store.put(impu, inAMinute(1), undefined)
    const read = await store.get(impu)
    servers.freeze(second)
    try {
      expect(await store.remove(impu, read?.version ?? 0)).toBe('removed')
      await waitUntil('the second server to be missed', () => cluster.counts.failures > 0)
    } finally {
      servers.thaw(second)
    }

    expect(await store.get(impu)).toBeUndefined()
    expect(await store.put(impu, inAMinute(5), undefined)).toBe('stored')
  })

  test('without any of its servers a record is not there and not absent: it cannot be read', async () => {
    const clock = realClock()
    const { impu, first, second } = someone()
    const store = storeOn(clusterOf(clock), clock)
    await kill(first)
    await kill(second)

    await expect(store.get(impu)).rejects.toMatchObject({ code: 'STORE_FAILED' })
    await expect(store.put(impu, inAMinute(), undefined)).rejects.toMatchObject({ code: 'STORE_FAILED' })
  })

  test.each([
    ['no JSON', '<registration/>'],
    ['another shape', '{"bindings":{"a":{}}}'],
    ['a binding without its parts', JSON.stringify({ ...recordUntil(1), bindings: [{ key: 'a' }] })],
    ['a number', '42'],
    ['null', 'null'],
  ])('a foreign record (%s) is told of, counts as none, and is replaced', async (_, text) => {
    const clock = realClock()
    const { impu, first } = someone()
    const store = storeOn(clusterOf(clock), clock)
    const [host = '', port] = (servers.addresses[first] ?? '').split(':')
    const connection = new MemcachedConnection({ host, port: Number(port) })
    onTestFinished(() => connection.close())
    await connection.set(fullKey('reg', impu), Buffer.from(text), { when: 'always', flags: 0, ttl: 60 })

    expect(await store.get(impu)).toBeUndefined()
    expect(store.foreign).toEqual([impu])
    expect(await store.put(impu, inAMinute(7), undefined)).toBe('stored')
    expect((await store.get(impu))?.value.notifyCseq).toBe(7)
  })

  test('keys of any length and script are taken', async () => {
    const clock = realClock()
    const store = storeOn(clusterOf(clock), clock)
    const impus = [
      `sip:${'a'.repeat(400)}@example.com`,
      'sip:änne@example.com',
      'sip:a b@example.com',
      'tel:+1 2\r\nx',
    ]

    for (const [index, impu] of impus.entries()) await store.put(impu, inAMinute(index), undefined)

    for (const [index, impu] of impus.entries()) expect((await store.get(impu))?.value.notifyCseq).toBe(index)
  })

  test('a record goes by itself when its time is over', async () => {
    const clock = realClock()
    const { impu } = someone()
    const store = storeOn(clusterOf(clock), clock)

    // It is kept for ten seconds and a little beyond its last expiry.
    await store.put(impu, recordUntil(Date.now() - 9_000), undefined)

    expect(await store.get(impu)).toBeDefined()
    await waitUntil('the record to go', async () => (await store.get(impu)) === undefined)
  })

  test('while the cluster grows, what is written is on the old and the new servers', async () => {
    const clock = realClock()
    const [a = '', b = '', c = ''] = servers.addresses
    const growing = new MemcachedCluster({
      view: { servers: [a, b], newServers: [a, b, c] },
      clock,
      deadlineMs: DEADLINE_MS,
    })
    onTestFinished(() => growing.close())
    const store = storeOn(growing, clock)
    const impus = Array.from({ length: 50 }, () => someone().impu)
    for (const impu of impus) await store.put(impu, inAMinute(3), undefined)

    for (const view of [
      [a, b],
      [a, b, c],
    ]) {
      const settled = storeOn(clusterOf(clock, view), clock)
      for (const impu of impus) expect((await settled.get(impu))?.value.notifyCseq).toBe(3)
    }
    growing.follow({ servers: [a, b, c] })
    for (const impu of impus) expect((await store.get(impu))?.value.notifyCseq).toBe(3)
  })
})

describe('challenges on several memcached servers', () => {
  test('one sprout challenges, another one takes the answer, and only once', async () => {
    const clock = new TestClock()
    const stores = [1, 2].map(
      () =>
        new MemcachedChallengeStore({
          ...{ cluster: clusterOf(clock), clock },
          ...{ onForeign: () => undefined, onError: () => undefined },
        }),
    )
    const [one, other] = stores
    await one?.put('alice@example.com', challengeOf('n1', clock.now() + 40_000))

    expect((await other?.get('alice@example.com', 'n1'))?.nonceCount).toBe(1)
    const used = challengeOf('n1', clock.now() + 300_000, 2)
    const results = await Promise.all(stores.map(store => store.advance('alice@example.com', used, 1)))

    expect(results.toSorted()).toEqual(['conflict', 'stored'])
  })
})

describe('a memcached that does not behave', () => {
  /** A server that does this with each connection; how many there were. */
  async function misbehaving(
    answer: (socket: Socket) => void,
  ): Promise<{ address: string; met: () => number }> {
    let met = 0
    const sockets = new Set<Socket>()
    const server = createServer(socket => {
      met++
      sockets.add(socket)
      socket.on('error', () => undefined)
      answer(socket)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const { port } = server.address() as { port: number }
    return { address: `127.0.0.1:${port}`, met: () => met }
  }

  test.each<[string, (socket: Socket) => void]>([
    ['is silent', () => undefined],
    ['hangs up', socket => void socket.on('data', () => socket.destroy())],
    ['speaks another protocol', socket => void socket.write('220 smtp.example.com ESMTP\r\n')],
    ['answers what nobody asked', socket => void socket.write('HD c1\r\nHD c2\r\nHD c3\r\n')],
    [
      'answers byte by byte',
      socket =>
        void socket.on('data', () => {
          const answer = Buffer.from('VA 100000 c1 f1 t60\r\n'.padEnd(200, 'x'))
          let at = 0
          const timer = setInterval(() => socket.write(answer.subarray(at, ++at)), 5)
          socket.on('close', () => clearInterval(timer))
        }),
    ],
    [
      'has no memory left',
      socket => void socket.on('data', () => socket.write('SERVER_ERROR out of memory\r\n')),
    ],
  ])('one that %s costs its time once, and the others serve', async (_, answer) => {
    const clock = new TestClock()
    const bad = await misbehaving(answer)
    const cluster = clusterOf(clock, [servers.addresses[0] ?? '', bad.address])
    const store = new MemcachedRegistrationStore({ cluster, clock, onForeign: () => undefined })
    const record = recordUntil(clock.now() + 60_000)

    const impus = Array.from({ length: 40 }, (_, index) => `sip:some${index}@${bad.address}`)
    for (const impu of impus) {
      let result: string | undefined
      for (let attempt = 0; attempt < 3 && result !== 'stored'; attempt++) {
        const present = await store.get(impu)
        result = await store.put(impu, record, present?.version)
      }
      expect(result).toBe('stored')
      expect((await store.get(impu))?.value).toEqual(record)
    }

    // After the first failure it is left alone.
    expect(bad.met()).toBeLessThan(10)
    expect(cluster.counts.failures).toBeGreaterThan(0)
  })
})

describe('astaire', () => {
  const log = openLog('silent')

  async function astaireOf(
    index: number,
    view: ClusterView,
    all = servers,
  ): Promise<RunningAstaire & { port: number }> {
    const clock = new TimerWheel(error => expect.fail(String(error)))
    const local = all.addresses[index] ?? ''
    const running = await startAstaire(
      { ...{ local, clock, log }, bind: '127.0.0.1', port: 0 },
      { view, cpuLimit: 100 },
    )
    onTestFinished(async () => {
      await running.close()
      clock.close()
    })
    return running
  }

  async function stateOf({ port }: { readonly port: number }): Promise<string> {
    const status = await (await fetch(`http://127.0.0.1:${port}/status`)).json()
    return (status as { state: string }).state
  }

  const synchronised = (running: { readonly port: number }): Promise<unknown> =>
    waitUntil('it to be synchronised', async () => (await stateOf(running)) === 'synchronised')

  /** Stores that many records, each with its own number. */
  async function fill(cluster: MemcachedCluster, clock: Clock, count: number): Promise<readonly string[]> {
    const store = new MemcachedRegistrationStore({ cluster, clock, onForeign: () => undefined })
    const impus = Array.from({ length: count }, (_, index) => `sip:filled${index}@example.com`)
    await Promise.all(
      impus.map((impu, notifyCseq) =>
        store.put(impu, recordUntil(Date.now() + 60_000, { notifyCseq }), undefined),
      ),
    )
    return impus
  }

  /** What one server alone has of these users: their numbers. */
  async function onlyOn(address: string, impus: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const [host = '', port] = address.split(':')
    const connection = new MemcachedConnection({ host, port: Number(port) })
    onTestFinished(() => connection.close())
    const found = new Map<string, number>()
    for (const impu of impus) {
      const item = await connection.get(fullKey('reg', impu))
      if (item !== undefined && item.value.length > 0)
        found.set(impu, (JSON.parse(item.value.toString()) as { notifyCseq: number }).notifyCseq)
    }
    return found
  }

  const meantFor = (
    address: string,
    addresses: readonly string[],
    impus: readonly string[],
  ): readonly string[] =>
    impus.filter(impu => replicasOf(addresses)[vbucketOf(fullKey('reg', impu))]?.includes(address))

  test('fills a server that lost its memory, with its own values and no others', async () => {
    const own = await MemcachedServers.start(3)
    onTestFinished(() => own[Symbol.asyncDispose]())
    const clock = new TimerWheel(error => expect.fail(String(error)))
    onTestFinished(() => clock.close())
    const cluster = clusterOf(clock, own.addresses)
    const impus = await fill(cluster, clock, 500)
    const [lost = ''] = own.addresses
    const meant = meantFor(lost, own.addresses, impus)
    const astaire = await astaireOf(0, { servers: own.addresses }, own)
    await synchronised(astaire)

    await own.kill(0)
    await waitUntil('it to notice', async () => (await stateOf(astaire)) === 'no memcached')
    await own.run(0)
    await synchronised(astaire)

    expect([...(await onlyOn(lost, impus)).keys()]).toEqual(meant)
    const metrics = await (await fetch(`http://127.0.0.1:${astaire.port}/metrics`)).text()
    expect(metrics).toContain(`clearwater_astaire_entries_resynchronised_total ${meant.length}`)
    expect(metrics).toContain('clearwater_astaire_buckets_needing_resync 0')
  })

  test('does not put anything older over what is there, and brings no removed value back', async () => {
    const own = await MemcachedServers.start(2)
    onTestFinished(() => own[Symbol.asyncDispose]())
    const clock = new TimerWheel(error => expect.fail(String(error)))
    onTestFinished(() => clock.close())
    const [impu = '', removed = ''] = await fill(clusterOf(clock, own.addresses), clock, 2)
    await own.kill(0)
    await own.run(0)
    // What is written while it is empty is newer than what the other one still has of it.
    const alone = clusterOf(clock, own.addresses.slice(0, 1))
    const store = new MemcachedRegistrationStore({ cluster: alone, clock, onForeign: () => undefined })
    await store.put(impu, recordUntil(Date.now() + 60_000, { notifyCseq: 77 }), undefined)
    await store.put(removed, recordUntil(Date.now() + 60_000), undefined)
    await store.remove(removed, (await store.get(removed))?.version ?? 0)

    await synchronised(await astaireOf(0, { servers: own.addresses }, own))

    expect(await onlyOn(own.addresses[0] ?? '', [impu, removed])).toEqual(new Map([[impu, 77]]))
  })

  test('fills a server that joins, while its values are still elsewhere', async () => {
    const own = await MemcachedServers.start(3)
    onTestFinished(() => own[Symbol.asyncDispose]())
    const clock = new TimerWheel(error => expect.fail(String(error)))
    onTestFinished(() => clock.close())
    const two = own.addresses.slice(0, 2)
    const impus = await fill(clusterOf(clock, two), clock, 300)
    const joining = own.addresses[2] ?? ''

    await synchronised(await astaireOf(2, { servers: two, newServers: own.addresses }, own))

    const meant = meantFor(joining, own.addresses, impus)
    expect(meant.length).toBeGreaterThan(100)
    expect([...(await onlyOn(joining, impus)).keys()]).toEqual(meant)
  })

  test('says what it cannot have while another server is down, and has it when that is back', async () => {
    const own = await MemcachedServers.start(2)
    onTestFinished(() => own[Symbol.asyncDispose]())
    await own.kill(1)
    const astaire = await astaireOf(0, { servers: own.addresses }, own)

    await waitUntil('it to say so', async () => (await stateOf(astaire)) === 'incomplete')

    await own.run(1)
    await synchronised(astaire)
  })
})

test(`the key of ${ALICE} is the original's`, () => {
  expect(fullKey('reg', ALICE)).toBe(String.raw`reg\\sip:alice@example.com`)
})
