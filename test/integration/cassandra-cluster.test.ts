import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Impi, Impu } from '../../lib/ims/identity.ts'
import { minutes, seconds, TimerWheel } from '../../lib/kit/clock.ts'
import { openLog } from '../../lib/kit/log.ts'
import { CassandraCallListStore, MEMENTO } from '../../lib/store/cassandra/call-lists.ts'
import { CassandraDatabase, type CassandraView } from '../../lib/store/cassandra/database.ts'
import { CassandraDocumentStore, HOMER } from '../../lib/store/cassandra/documents.ts'
import { CassandraProvisioningStore, HOMESTEAD_PROVISIONING } from '../../lib/store/cassandra/provisioning.ts'
import type { KeyspaceSchema } from '../../lib/store/cassandra/schema.ts'
import { CassandraServers } from '../support/cassandra.ts'
import { freePort } from '../support/ports.ts'
import { waitUntil } from '../support/wait.ts'

const clock = new TimerWheel(error => {
  throw error
})
/** Three machines start on one. */
const START_MS = 240_000
vi.setConfig({ testTimeout: START_MS })

const lines: string[] = []
const log = openLog('warn', {}, { write: line => void lines.push(line) })

let servers: CassandraServers
const down = new Set<number>()

beforeAll(async () => {
  servers = await CassandraServers.start({ sites: { site1: 3 }, clusterName: 'clearwater-one' })
}, START_MS)

afterAll(async () => {
  clock.close()
  await servers[Symbol.asyncDispose]()
})

afterEach(async () => {
  await Promise.all([...down].map(index => servers.run(index)))
  down.clear()
}, START_MS)

async function kill(...indexes: readonly number[]): Promise<void> {
  for (const index of indexes) {
    down.add(index)
    await servers.kill(index)
  }
}

async function open(schema: KeyspaceSchema, view: Partial<CassandraView> = {}): Promise<CassandraDatabase> {
  const database = await CassandraDatabase.open({
    view: { contactPoints: servers.addresses, site: 'site1', ...view },
    schemas: [schema],
    ...{ clock, log, patience: seconds(1) },
  })
  onTestFinished(() => database.close())
  return database
}

let next = 0
const someone = (): Impu => `sip:user${next++}@example.com` as Impu

describe('three nodes of Cassandra', () => {
  test('a keyspace that ten want at the same time is made once, with a copy on each node', async () => {
    const stores = await Promise.all(
      Array.from({ length: 10 }, async () => new CassandraDocumentStore(await open(HOMER))),
    )

    const impu = someone()
    await stores[0]?.put(impu, '<simservs/>')
    expect(await Promise.all(stores.map(store => store.get(impu)))).toEqual(stores.map(() => '<simservs/>'))
    const [row] = await servers.cql(
      "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = 'homer'",
    )
    expect(row?.['replication']).toMatchObject({ site1: '3' })
  })

  test('who wants the same public identity through another node does not get it', async () => {
    const stores = await Promise.all(
      servers.addresses.map(
        async address =>
          new CassandraProvisioningStore(await open(HOMESTEAD_PROVISIONING, { contactPoints: [address] })),
      ),
    )
    const impu = someone()

    const outcomes = await Promise.all(
      stores.map((store, index) =>
        store.putSubscriber({
          impi: `rival${index}@example.com` as Impi,
          ...{ impu, ha1: 'b0a4', realm: 'example.com', identityXml: '<x/>', filterCriteria: '<x/>' },
        }),
      ),
    )

    expect(outcomes.map(({ result }) => result).toSorted()).toEqual(['conflict', 'conflict', 'created'])
  })

  test('one that dies takes nothing away: reads, writes and decisions go on', async () => {
    const database = await open(HOMESTEAD_PROVISIONING)
    const store = new CassandraProvisioningStore(database)
    const irs = await store.createIrs()
    const profile = await store.createProfile(irs)
    if (profile === undefined) throw new Error('no profile')
    const before = someone()
    await store.putPublic(profile, before, '<x/>')

    await kill(1)

    const after = someone()
    expect(await store.putPublic(profile, after, '<x/>')).toBe(true)
    expect((await store.getProfile(profile))?.impus).toEqual([before, after])
    expect(await store.getPublic(before)).toMatchObject({ irs })
  })

  test('one that is frozen delays nobody for long', async () => {
    const store = new CassandraDocumentStore(await open(HOMER))
    const impus = Array.from({ length: 30 }, someone)
    await Promise.all(impus.map(impu => store.put(impu, '<a/>')))

    servers.freeze(2)
    onTestFinished(() => servers.thaw(2))

    expect(await Promise.all(impus.map(impu => store.get(impu)))).toEqual(impus.map(() => '<a/>'))
    await Promise.all(impus.map(impu => store.put(impu, '<b/>')))
    servers.thaw(2)
    expect(await Promise.all(impus.map(impu => store.get(impu)))).toEqual(impus.map(() => '<b/>'))
  })

  test('with one of three left subscribers are served, and nothing is decided', async () => {
    const documents = new CassandraDocumentStore(await open(HOMER))
    const provisioning = new CassandraProvisioningStore(await open(HOMESTEAD_PROVISIONING))
    const [known, late] = [someone(), someone()]
    await documents.put(known, '<a/>')

    await kill(1, 2)

    await waitUntil('a document is read from the one that is left', async () => {
      return (await documents.get(known)) === '<a/>'
    })
    const another = new CassandraDocumentStore(
      await open(HOMER, { contactPoints: servers.addresses.slice(0, 1) }),
    )
    expect(await another.get(known)).toBe('<a/>')
    await documents.put(late, '<late/>')
    expect(await documents.get(late)).toBe('<late/>')
    const subscriber = { ha1: 'b0a4', realm: 'example.com', identityXml: '<x/>', filterCriteria: '<x/>' }
    await expect(
      provisioning.putSubscriber({ impi: 'late@example.com' as Impi, impu: someone(), ...subscriber }),
    ).rejects.toMatchObject({ code: 'STORE_FAILED' })

    await servers.run(1)
    const copy = `SELECT value FROM homer.simservs WHERE user = '${late}'`
    await waitUntil(
      'what was written meanwhile has come to another one',
      async () => (await servers.cqlAt(1, copy))[0]?.['value'] === '<late/>',
      60_000,
    )
    down.delete(1)
  })

  test('when all are gone requests fail and say why; when they are back nothing has to be done', async () => {
    const store = new CassandraDocumentStore(await open(HOMER))
    const impu = someone()
    await store.put(impu, '<a/>')

    await kill(0, 1, 2)
    await expect(store.get(impu)).rejects.toMatchObject({ code: 'STORE_FAILED' })
    await Promise.all([0, 1, 2].map(index => servers.run(index)))
    down.clear()

    await waitUntil('Cassandra is used again', async () => (await store.get(impu)) === '<a/>', 30_000)
  })

  test('a cluster that is not there at the start is used once it is', async () => {
    await kill(0)
    const opened = open(HOMER, { contactPoints: [servers.addresses[0] ?? ''] })
    const store = new CassandraDocumentStore(await opened)
    await expect(store.get(someone())).rejects.toMatchObject({ code: 'STORE_FAILED' })

    await servers.run(0)
    down.clear()

    await waitUntil('Cassandra is used', async () => (await store.get(someone())) === undefined, 30_000)
  })
})

describe('what is no Cassandra for us is refused with the reason', () => {
  test('a cluster of another name', async () => {
    await expect(open(HOMER, { clusterName: 'clearwater-two' })).rejects.toMatchObject({
      code: 'STORE_UNFIT',
      detail: { why: 'it is the cluster clearwater-one, not clearwater-two' },
    })
    await open(HOMER, { clusterName: 'clearwater-one' })
  })

  test('a cluster without this site', async () => {
    await expect(open(HOMER, { site: 'site9' })).rejects.toMatchObject({
      code: 'STORE_UNFIT',
      detail: { why: 'it has no data centre site9' },
    })
  })

  test('tables of a newer release', async () => {
    const newer = { name: 'newer', migrations: [['SELECT now() FROM system.local'], []] }
    await open(newer)

    await expect(open({ ...newer, migrations: newer.migrations.slice(0, 1) })).rejects.toMatchObject({
      code: 'STORE_UNFIT',
      detail: { why: 'its schema has version 2, and this release knows up to 1' },
    })
  })
})

describe('what was there before', () => {
  test('tables of an older release get what is new, and keep what they hold', async () => {
    const table = 'older.things'
    const first = [`CREATE TABLE IF NOT EXISTS ${table} (id text PRIMARY KEY)`]
    await open({ name: 'older', migrations: [first] })
    await servers.cql(`INSERT INTO ${table} (id) VALUES ('a')`)

    const second = [`ALTER TABLE ${table} ADD IF NOT EXISTS size int`]
    const database = await open({ name: 'older', migrations: [first, second] })

    expect(await database.read(`SELECT id, size FROM ${table}`, [])).toMatchObject([{ id: 'a', size: null }])
  })

  test('rows that cannot be read are passed over, counted and told', async () => {
    const database = await open(MEMENTO)
    const store = new CassandraCallListStore(database)
    const impu = someone()
    const fragment = { timestamp: '20260101000000', id: '1', kind: 'rejected', xml: '<x/>' } as const
    await store.add(impu, fragment, minutes(1))
    await servers.cql(
      `INSERT INTO memento.call_lists (impu, column1, value) VALUES ('${impu}', 'call_nonsense', 0x00)`,
      `INSERT INTO memento.call_lists (impu, dummy) VALUES ('${impu}', 'x')`,
    )

    expect(await store.fragments(impu)).toEqual([fragment])
    expect(database.counts.foreign).toBe(1)
    expect(lines.some(line => line.includes('call_nonsense'))).toBe(true)
  })

  test('a public identity whose row is damaged is none, and can be provisioned anew', async () => {
    const database = await open(HOMESTEAD_PROVISIONING)
    const store = new CassandraProvisioningStore(database)
    const impu = someone()
    await servers.cql(
      `INSERT INTO homestead_provisioning.public (public_id, service_profile) VALUES ('${impu}', 'no uuid')`,
    )
    expect(await store.getPublic(impu)).toBeUndefined()

    const irs = await store.createIrs()
    const profile = await store.createProfile(irs)
    if (profile === undefined) throw new Error('no profile')
    expect(await store.removePublic(impu)).toBe(true)
    expect(await store.putPublic(profile, impu, '<x/>')).toBe(true)
    expect(await store.getPublic(impu)).toMatchObject({ irs })
  })

  test('a port where nobody is, or something else: it is told once, and tried on', async () => {
    lines.length = 0
    const database = await open(HOMER, { contactPoints: [`127.0.0.1:${await freePort()}`] })

    expect(database.connected).toBe(false)
    expect(lines.filter(line => line.includes('Cassandra cannot be reached'))).toHaveLength(1)
  })
})
