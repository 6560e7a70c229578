import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../../cli/fleet/certificates/authority.ts'
import { EtcdClient, MAX_VALUE_BYTES } from '../../lib/etcd/client.ts'
import { readCredentials } from '../../lib/etcd/credentials.ts'
import { isUncertain } from '../../lib/etcd/failure.ts'
import type { WatchEvent } from '../../lib/etcd/watch.ts'
import { seconds } from '../../lib/kit/clock.ts'
import { EtcdCluster } from '../support/etcd.ts'
import { TempDir } from '../support/temp-dir.ts'
import { freePort } from '../support/ports.ts'
import { waitUntil, within } from '../support/wait.ts'

/** What a watch has told, in short, for as long as it is open. */
class Watch implements AsyncDisposable {
  readonly told: string[] = []
  readonly events: WatchEvent[] = []
  readonly connections: boolean[] = []
  readonly #stop = new AbortController()
  readonly #done: Promise<void>

  constructor(etcd: EtcdClient, prefix: string, from?: number) {
    this.#done = this.#run(
      etcd.watchPrefix(prefix, {
        signal: this.#stop.signal,
        onConnection: connected => this.connections.push(connected),
        ...(from === undefined ? {} : { from }),
      }),
    )
  }

  async until(count: number): Promise<readonly string[]> {
    await waitUntil(`${count} events, of ${this.told.join(' ')}`, () => this.told.length >= count, 30_000)
    return this.told
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await within('the end of a watch', this.#done)
  }

  async #run(events: AsyncIterable<WatchEvent>): Promise<void> {
    for await (const event of events) {
      this.events.push(event)
      if (event.kind === 'put') this.told.push(`${event.item.key}=${event.item.value.toString()}`)
      if (event.kind === 'delete') this.told.push(`-${event.key}`)
      if (event.kind === 'snapshot') this.told.push(`{${event.items.map(item => item.key).join(' ')}}`)
    }
  }
}

describe('one etcd member', () => {
  let cluster: EtcdCluster
  let etcd: EtcdClient
  beforeAll(async () => {
    cluster = await EtcdCluster.start({ members: 1 })
    etcd = cluster.client({ deadline: seconds(5), silence: seconds(1) })
  })
  afterAll(async () => {
    await etcd.close()
    await cluster[Symbol.asyncDispose]()
  })

  test('keeps any bytes under any text', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    for (const key of ['/any/"quoted" $(key)\n', '/any/ключ', '/any/~']) {
      await etcd.put(key, bytes)
      expect((await etcd.get(key))?.value.equals(bytes)).toBe(true)
    }
    expect((await etcd.getPrefix('/any/')).items).toHaveLength(3)

    await etcd.put('/any/~', '')
    expect(await etcd.get('/any/~')).toMatchObject({ value: Buffer.alloc(0) })
    await etcd.delete('/any/~')
    expect(await etcd.get('/any/~')).toBeUndefined()
  })

  test('keeps a value of the largest size and refuses a larger one before it is sent', async () => {
    const largest = Buffer.alloc(MAX_VALUE_BYTES, 0xff)
    await etcd.put('/large', largest)
    expect((await etcd.get('/large'))?.value.length).toBe(MAX_VALUE_BYTES)
    await expect(etcd.put('/large', Buffer.alloc(MAX_VALUE_BYTES + 1))).rejects.toMatchObject({
      code: 'VALUE_TOO_LARGE',
    })
    const two = etcd.txn(
      [],
      [
        { put: '/a', value: largest },
        { put: '/b', value: largest },
      ],
    )
    await expect(two).rejects.toMatchObject({ code: 'ETCD_REFUSED' })
    expect(await etcd.get('/a')).toBeUndefined()
  })

  test('of many who change the same revision exactly one succeeds', async () => {
    const { revision } = await etcd.put('/race', 'start')
    const tries = Array.from({ length: 20 }, (_, i) =>
      etcd.put('/race', `writer ${i}`, { ifRevision: revision }),
    )
    const winners = (await Promise.all(tries)).flatMap(({ done }, i) => (done ? [i] : []))
    expect(winners).toHaveLength(1)
    expect((await etcd.get('/race'))?.value.toString()).toBe(`writer ${winners.join()}`)

    expect(await etcd.put('/race', 'x', { ifRevision: 0 })).toMatchObject({ done: false })
    expect(await etcd.put('/race/new', 'x', { ifRevision: 0 })).toMatchObject({ done: true })
    expect(await etcd.delete('/race/new', { ifRevision: 1 })).toMatchObject({ done: false })
  })

  test('a transaction changes all of its keys or none', async () => {
    const { revision } = await etcd.put('/txn/a', '1')
    const change = () =>
      etcd.txn(
        [{ key: '/txn/a', revision }],
        [{ put: '/txn/a', value: '2' }, { put: '/txn/b', value: '2' }, { delete: '/race' }],
      )
    expect(await change()).toMatchObject({ done: true })
    expect(await change()).toMatchObject({ done: false })
    const { items } = await etcd.getPrefix('/txn/')
    expect(items.map(item => [item.key, item.value.toString()])).toEqual([
      ['/txn/a', '2'],
      ['/txn/b', '2'],
    ])
    expect(items[0]?.revision).toBe(items[1]?.revision)
    expect((await etcd.getLast('/txn/', 1)).items.map(item => item.key)).toEqual(['/txn/b'])
  })

  test('a key lives as long as its lease, and a holder is told when the lease is lost', async () => {
    await using lease = await etcd.grantLease(2)
    await etcd.put('/leased', 'x', { lease })
    // Twice its time: it is there only because it is kept alive.
    const end = performance.now() + 4000
    await waitUntil('twice the time of a lease', () => performance.now() > end)
    expect(await etcd.get('/leased')).toMatchObject({ lease: lease.id })
    expect(lease.lost.aborted).toBe(false)

    const dead = await etcd.grantLease(2)
    await etcd.put('/leased/dead', 'x', { lease: dead })
    await cluster.post(`${cluster.origins[0] ?? ''}/v3/lease/revoke`, { ID: dead.id })
    await waitUntil('the news that the lease is lost', () => dead.lost.aborted)
    expect(await etcd.get('/leased/dead')).toBeUndefined()
    await expect(etcd.put('/leased/dead', 'x', { lease: dead })).rejects.toMatchObject({
      code: 'ETCD_REFUSED',
    })

    await lease.revoke()
    expect(await etcd.get('/leased')).toBeUndefined()
    expect(lease.lost.aborted).toBe(false)
  })

  test('a watch begins with what is there, then tells each change once and in order', async () => {
    await etcd.put('/watch/a', '1')
    await using watch = new Watch(etcd, '/watch/')
    await watch.until(1)
    await etcd.put('/watch/a', '2')
    await etcd.put('/watched', 'is not under the prefix')
    await etcd.txn([], [{ put: '/watch/b', value: '1' }, { delete: '/watch/a' }])
    expect([...(await watch.until(4))].sort()).toEqual(
      ['{/watch/a}', '/watch/a=2', '/watch/b=1', '-/watch/a'].sort(),
    )
    expect(watch.told[0]).toBe('{/watch/a}')
  })

  test('a watch that is silent is opened anew and loses and repeats nothing', async () => {
    await using watch = new Watch(etcd, '/silent/')
    await watch.until(1)
    for (const n of [1, 2, 3]) {
      const end = performance.now() + 1300
      await waitUntil('more than the silence that is borne', () => performance.now() > end)
      await etcd.put('/silent/a', String(n))
    }
    expect(await watch.until(4)).toEqual(['{}', '/silent/a=1', '/silent/a=2', '/silent/a=3'])
    expect(watch.connections).toEqual([])
  })

  test('a watch goes on after the member was killed and started again', async () => {
    const { revision } = await etcd.put('/cut/a', '1')
    await using watch = new Watch(etcd, '/cut/', revision)
    await watch.until(1)
    await cluster.kill(0)
    await waitUntil('the news that the connection is lost', () => watch.connections[0] === false)
    await expect(etcd.get('/cut/a')).rejects.toMatchObject({ code: 'ETCD_UNAVAILABLE', exitCode: 7 })
    await expect(etcd.put('/cut/a', 'never', { ifRevision: 1 })).rejects.toSatisfy(e => !isUncertain(e))
    cluster.run(0)
    await cluster.serves()
    await etcd.put('/cut/a', '2')
    await etcd.delete('/cut/a')
    expect(await watch.until(3)).toEqual(['/cut/a=1', '/cut/a=2', '-/cut/a'])
    expect(watch.connections.at(-1)).toBe(true)
  })

  test('what compaction has swallowed is told as what there is now', async () => {
    const { revision } = await etcd.put('/compact/a', '1')
    await etcd.put('/compact/b', '2')
    await etcd.delete('/compact/a')
    await cluster.compact()
    await using watch = new Watch(etcd, '/compact/', revision)
    await watch.until(1)
    await etcd.put('/compact/c', '3')
    expect(await watch.until(2)).toEqual(['{/compact/b}', '/compact/c=3'])
  })

  test('a watch behind a frozen member is cut by silence and goes on after it', async () => {
    await using watch = new Watch(etcd, '/frozen/')
    await watch.until(1)
    cluster.freeze(0)
    const asked = performance.now()
    await expect(etcd.put('/frozen/a', 'x', { ifRevision: 0 })).rejects.toSatisfy(isUncertain)
    expect(performance.now() - asked).toBeLessThan(15_000)
    cluster.thaw(0)
    await etcd.put('/frozen/b', '1')
    await waitUntil('the event after the thaw', () => watch.told.includes('/frozen/b=1'), 30_000)
    expect(watch.told.filter(told => told === '/frozen/b=1')).toHaveLength(1)
  })

  test('lets nobody in who shows no certificate of its authority, and keeps what it has', async () => {
    await etcd.put('/guarded', 'ours')
    const { authority } = cluster.credentials
    const stranger = Authority.found('test').issue({ commonName: 'stranger', hosts: [] })
    const clients = [
      new EtcdClient({
        origins: cluster.origins,
        credentials: () => Promise.resolve({ authority, client: stranger }),
        deadline: seconds(1),
      }),
      new EtcdClient({
        origins: cluster.origins.map(origin => origin.replace('https', 'http')),
        deadline: seconds(1),
      }),
    ]
    for (const client of clients) {
      await expect(client.get('/guarded')).rejects.toMatchObject({ code: 'ETCD_UNAVAILABLE' })
      await expect(client.put('/guarded', 'theirs')).rejects.toMatchObject({ code: 'ETCD_UNAVAILABLE' })
      await client.close()
    }
    expect((await etcd.get('/guarded'))?.value.toString()).toBe('ours')
  })

  test('is told nothing by a client that does not know it for a member', async () => {
    const { client } = cluster.credentials
    const { certificate: authority } = Authority.found('test')
    // Another node of the deployment that answers in the place of etcd.
    const impostor = createTlsServer({
      ca: cluster.credentials.authority,
      key: client,
      cert: client,
      requestCert: true,
    })
    const heard: Buffer[] = []
    impostor.on('secureConnection', socket => socket.on('data', (data: Buffer) => heard.push(data)))
    impostor.on('tlsClientError', () => undefined)
    await once(impostor.listen(0, '127.0.0.1'), 'listening')
    const { port } = impostor.address() as AddressInfo
    const clients = [
      new EtcdClient({ origins: cluster.origins, credentials: () => Promise.resolve({ authority, client }) }),
      cluster.client({ origins: [`https://127.0.0.1:${port}`] }),
    ]
    for (const each of clients) {
      const error = await each.put('/told', 's3cret').catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'ETCD_UNAVAILABLE', detail: { changed: 'nothing' } })
      expect(isUncertain(error)).toBe(false)
      await each.close()
    }
    impostor.close()
    expect(heard).toEqual([])
    expect(await etcd.get('/told')).toBeUndefined()
  })

  test('that a member closes connections at once is no doubt about what was done', async () => {
    const closing = createServer(socket => socket.destroy())
    await once(closing.listen(0, '127.0.0.1'), 'listening')
    const { port } = closing.address() as AddressInfo
    const origins = [`https://127.0.0.1:${port}`, ...cluster.origins]
    const client = cluster.client({ origins })
    expect(await client.put('/closing', 'x', { ifRevision: 0 })).toMatchObject({ done: true })
    await client.close()
    closing.close()
  })

  test('is reached with the credentials that are there now', async () => {
    using folder = new TempDir('credentials')
    const { authority, client: text } = cluster.credentials
    writeFileSync(folder.file('authority.crt'), authority)
    const client = new EtcdClient({
      origins: cluster.origins,
      credentials: () => readCredentials(folder.path),
    })
    await expect(client.get('/x')).rejects.toMatchObject({
      code: 'ETCD_UNAVAILABLE',
      detail: { why: expect.stringContaining('client.pem cannot be read') as string },
    })
    writeFileSync(folder.file('client.pem'), text)
    expect(await client.get('/x')).toBeUndefined()
    await client.close()
  })

  test('tells its members and their health', async () => {
    expect(await etcd.members()).toMatchObject([{ name: 'm0', clientUrls: cluster.origins }])
    expect(await etcd.health()).toMatchObject({
      writable: true,
      members: [{ healthy: true, status: { version: expect.stringMatching(/^3\./) as string } }],
    })
  })
})

describe('three etcd members', () => {
  let cluster: EtcdCluster
  let etcd: EtcdClient
  beforeAll(async () => {
    cluster = await EtcdCluster.start({ members: 3 })
    etcd = cluster.client({ silence: seconds(2) })
  })
  afterAll(async () => {
    await etcd.close()
    await cluster[Symbol.asyncDispose]()
  })

  test.each([0, 1, 2])('reads, writes and watches go on while member %i is killed and back', async index => {
    const prefix = `/kill${index}/`
    await using watch = new Watch(etcd, prefix)
    await watch.until(1)
    const written: string[] = []
    for (let n = 0; n < 30; n++) {
      if (n === 10) await cluster.kill(index)
      if (n === 20) cluster.run(index)
      await etcd.put(`${prefix}${n}`, 'x')
      written.push(`${prefix}${n}=x`)
    }
    expect((await etcd.getPrefix(prefix)).items).toHaveLength(30)
    expect(await watch.until(31)).toEqual(['{}', ...written])
    await cluster.serves([index])
  })

  test('a lease outlives the loss of a member', async () => {
    await using lease = await etcd.grantLease(5)
    await etcd.put('/lease', 'x', { lease })
    await cluster.kill(0)
    const end = performance.now() + 6000
    await waitUntil('more than the time of the lease', () => performance.now() > end)
    expect(lease.lost.aborted).toBe(false)
    expect(await etcd.get('/lease')).toBeDefined()
    cluster.run(0)
    await cluster.serves([0])
  })

  test('without a majority nothing is read or changed, and a lease is given up in time', async () => {
    const { revision } = await etcd.put('/majority', 'before')
    const lease = await etcd.grantLease(5)
    await using watch = new Watch(etcd, '/majority')
    await watch.until(1)
    await cluster.kill(1)
    await cluster.kill(2)
    await expect(etcd.get('/majority')).rejects.toMatchObject({
      code: 'ETCD_UNAVAILABLE',
      message: expect.stringContaining('no majority') as string,
    })
    await expect(etcd.put('/majority', 'during', { ifRevision: revision })).rejects.toMatchObject({
      code: 'ETCD_UNAVAILABLE',
    })
    const health = await etcd.health()
    expect(health.writable).toBe(false)
    expect(health.members.map(member => member.status !== undefined)).toEqual([true, false, false])
    await waitUntil('the news that the lease is lost', () => lease.lost.aborted)

    cluster.run(1)
    cluster.run(2)
    await cluster.serves()
    await etcd.put('/majority', 'after')
    await waitUntil('the event', () => watch.told.includes('/majority=after'), 30_000)
  })

  test('a frozen member is passed over within the deadline', async () => {
    await etcd.put('/freeze', '0')
    for (const index of [0, 1, 2]) {
      cluster.freeze(index)
      await etcd.put('/freeze', String(index))
      expect((await etcd.get('/freeze'))?.value.toString()).toBe(String(index))
      cluster.thaw(index)
      await cluster.serves()
    }
  })

  test('members are added and removed', async () => {
    const peerPort = await freePort()
    const added = await etcd.memberAdd(`https://127.0.0.1:${peerPort}`)
    expect(added.name).toBe('')
    await cluster.join(peerPort)
    await cluster.serves([3])
    expect(await etcd.members()).toHaveLength(4)

    // It takes nobody in so soon after the last one.
    const [late, latePort] = [cluster.client(), await freePort()]
    const second = await late.memberAdd(`https://127.0.0.1:${latePort}`)
    await late.memberRemove(second.id)
    await late.close()

    await etcd.memberRemove(added.id)
    await etcd.memberRemove(added.id)
    expect(await etcd.members()).toHaveLength(3)
  })
})
