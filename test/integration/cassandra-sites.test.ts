import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Impi, Impu } from '../../lib/ims/identity.ts'
import { seconds, TimerWheel } from '../../lib/kit/clock.ts'
import { openLog } from '../../lib/kit/log.ts'
import { CassandraDatabase } from '../../lib/store/cassandra/database.ts'
import { CassandraDocumentStore, HOMER } from '../../lib/store/cassandra/documents.ts'
import { CassandraProvisioningStore, HOMESTEAD_PROVISIONING } from '../../lib/store/cassandra/provisioning.ts'
import type { KeyspaceSchema } from '../../lib/store/cassandra/schema.ts'
import type { Subscriber } from '../../lib/store/provisioning-store.ts'
import { CassandraServers } from '../support/cassandra.ts'
import { waitUntil } from '../support/wait.ts'

const START_MS = 240_000
vi.setConfig({ testTimeout: START_MS })

const clock = new TimerWheel(error => {
  throw error
})
const log = openLog('silent')

/** Two machines, a data centre each. */
let servers: CassandraServers
const [EAST, WEST] = [0, 1] as const

beforeAll(async () => {
  servers = await CassandraServers.start({ sites: { east: 1, west: 1 }, clusterName: 'clearwater-two' })
}, START_MS)

afterAll(async () => {
  clock.close()
  await servers[Symbol.asyncDispose]()
})

async function open(
  site: 'east' | 'west',
  schemas: readonly KeyspaceSchema[] = [HOMER, HOMESTEAD_PROVISIONING],
): Promise<CassandraDatabase> {
  const database = await CassandraDatabase.open({
    view: { contactPoints: [servers.addresses[site === 'east' ? EAST : WEST] ?? ''], site },
    schemas,
    ...{ clock, log, patience: seconds(30) },
  })
  onTestFinished(() => database.close())
  return database
}

let next = 0
const someone = (): Impu => `sip:user${next++}@example.com` as Impu

describe('Cassandra in two data centres', () => {
  test('a keyspace that both sites want at once is made once, with a copy at each', async () => {
    const [east, west] = await Promise.all([open('east'), open('west')])
    expect([east.connected, west.connected]).toEqual([true, true])

    const rows = await servers.cql('SELECT keyspace_name, replication FROM system_schema.keyspaces')

    const made = rows.filter(({ keyspace_name: name }) => name === 'homer' || name === 'clearwater')
    expect(made).toHaveLength(2)
    for (const { replication } of made) expect(replication).toMatchObject({ east: '1', west: '1' })
  })

  test('what is written at one site is soon at the other', async () => {
    const [here, there] = [await open('east'), await open('west')].map(
      each => new CassandraDocumentStore(each),
    )
    const impu = someone()

    await here?.put(impu, '<simservs/>')

    await waitUntil('the other site to have it', async () => (await there?.get(impu)) === '<simservs/>')
  })

  test('each goes on without the other, which learns of it when it is back', async () => {
    const [east, west] = [await open('east'), await open('west')]
    const [here, there] = [new CassandraDocumentStore(east), new CassandraDocumentStore(west)]
    const provisioning = new CassandraProvisioningStore(east)
    const [before, during] = [someone(), someone()]
    await here.put(before, '<before/>')
    await waitUntil('the other site to have it', async () => (await there.get(before)) === '<before/>')

    await servers.kill(WEST)
    await here.put(before, '<changed/>')
    await here.put(during, '<during/>')
    expect(await provisioning.putSubscriber(subscriberOf(during))).toMatchObject({ result: 'created' })
    expect(await here.get(before)).toBe('<changed/>')
    await servers.run(WEST)

    const again = await open('west')
    const documents = new CassandraDocumentStore(again)
    const subscribers = new CassandraProvisioningStore(again)
    await waitUntil(
      'the other site to have learned it',
      async () =>
        (await documents.get(before)) === '<changed/>' &&
        (await documents.get(during)) === '<during/>' &&
        (await ownersOf(during, subscribers)).length === 1,
      60_000,
    )

    await servers.kill(EAST)
    try {
      expect(await documents.get(during)).toBe('<during/>')
      const meanwhile = someone()
      expect(await subscribers.putSubscriber(subscriberOf(meanwhile))).toMatchObject({ result: 'created' })
      expect(await ownersOf(meanwhile, subscribers)).toHaveLength(1)
    } finally {
      await servers.run(EAST)
    }
  })

  test('a site that no keyspace has copies at is told what is to be done about it', async () => {
    await servers.cql(
      "CREATE KEYSPACE lonely WITH replication = {'class': 'NetworkTopologyStrategy', 'west': 1}",
    )

    const opening = open('east', [{ name: 'lonely', migrations: [] }])

    await expect(opening).rejects.toMatchObject({
      code: 'STORE_UNFIT',
      message: 'Cassandra keeps no copies of lonely in the data centre east',
      detail: {
        remedies: [
          "ALTER KEYSPACE lonely WITH replication = {'class': 'NetworkTopologyStrategy', 'west': 1, 'east': 1} (cqlsh)",
          'then fill each node of east: nodetool rebuild -- west',
        ],
      },
    })
  })

  test('a public identity that both sites give away at once has one owner in the end, the same at both', async () => {
    const stores = [await open('east'), await open('west')].map(each => new CassandraProvisioningStore(each))
    const impu = someone()

    await Promise.all(
      stores.map((store, index) =>
        store.putSubscriber({ ...subscriberOf(impu), impi: `rival${index}@example.com` as Impi }),
      ),
    )

    await waitUntil('both sites to say the same', async () => {
      const [one, other] = await Promise.all(stores.map(store => ownersOf(impu, store)))
      return one?.length === 1 && one[0] === other?.[0]
    })
  })
})

/** Private identities of a public one, as a site knows them. */
async function ownersOf(impu: Impu, store: CassandraProvisioningStore): Promise<readonly Impi[]> {
  const found = await store.getPublic(impu)
  return found === undefined ? [] : ((await store.getIrs(found.irs))?.impis ?? [])
}

function subscriberOf(impu: Impu): Subscriber {
  return {
    ...{ impi: impu.slice(4) as Impi, impu, ha1: 'b0a4', realm: 'example.com' },
    ...{ identityXml: '<x/>', filterCriteria: '<x/>' },
  }
}
