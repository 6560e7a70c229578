import { afterAll, beforeAll } from 'vitest'
import type { Clock } from '../../lib/kit/clock.ts'
import { TimerWheel } from '../../lib/kit/clock.ts'
import { openLog } from '../../lib/kit/log.ts'
import { CassandraAccountStore, ELLIS } from '../../lib/store/cassandra/accounts.ts'
import { CassandraAkaStore } from '../../lib/store/cassandra/aka.ts'
import { CassandraCallListStore, MEMENTO } from '../../lib/store/cassandra/call-lists.ts'
import { CassandraDatabase } from '../../lib/store/cassandra/database.ts'
import { CassandraDocumentStore, HOMER } from '../../lib/store/cassandra/documents.ts'
import { CassandraProvisioningStore, HOMESTEAD_PROVISIONING } from '../../lib/store/cassandra/provisioning.ts'
import type { KeyspaceSchema } from '../../lib/store/cassandra/schema.ts'
import { CassandraSubscriberCacheStore, HOMESTEAD_CACHE } from '../../lib/store/cassandra/subscriber-cache.ts'
import { accountStoreContract } from '../../lib/store/contract/account-store.ts'
import { akaStoreContract } from '../../lib/store/contract/aka-store.ts'
import { callListStoreContract } from '../../lib/store/contract/call-list-store.ts'
import { documentStoreContract } from '../../lib/store/contract/document-store.ts'
import type { Open, Opened } from '../../lib/store/contract/opened.ts'
import { provisioningStoreContract } from '../../lib/store/contract/provisioning-store.ts'
import { subscriberCacheContract } from '../../lib/store/contract/subscriber-cache-store.ts'
import { CassandraServers } from '../support/cassandra.ts'

const log = openLog('silent')
const clock = new TimerWheel(error => {
  throw error
})

let servers: CassandraServers

beforeAll(async () => {
  servers = await CassandraServers.start()
})

afterAll(async () => {
  clock.close()
  await servers[Symbol.asyncDispose]()
})

async function openDatabase(schema: KeyspaceSchema): Promise<CassandraDatabase> {
  const view = { contactPoints: servers.addresses, site: 'site1' }
  return CassandraDatabase.open({ view, schemas: [schema], clock, log })
}

/** Opens a store on the empty tables of its keyspace. */
function emptied<T>(schema: KeyspaceSchema, make: (database: CassandraDatabase, clock: Clock) => T): Open<T> {
  const openAgain = async (clock: Clock): Promise<Opened<T>> => {
    const database = await openDatabase(schema)
    return {
      store: make(database, clock),
      reopen: async () => {
        await database.close()
        return openAgain(clock)
      },
      close: () => database.close(),
    }
  }
  return async clock => {
    const opened = await openAgain(clock)
    const tables = await servers.cql(
      `SELECT table_name FROM system_schema.tables WHERE keyspace_name = '${schema.name}'`,
    )
    await servers.cql(...tables.map(row => `TRUNCATE ${schema.name}.${String(row['table_name'])}`))
    return opened
  }
}

provisioningStoreContract(
  'cassandra',
  emptied(HOMESTEAD_PROVISIONING, database => new CassandraProvisioningStore(database)),
)
accountStoreContract(
  'cassandra',
  emptied(ELLIS, database => new CassandraAccountStore(database)),
)
akaStoreContract(
  'cassandra',
  emptied(HOMESTEAD_PROVISIONING, database => new CassandraAkaStore(database)),
)
subscriberCacheContract(
  'cassandra',
  emptied(HOMESTEAD_CACHE, (database, clock) => new CassandraSubscriberCacheStore(database, clock)),
)
documentStoreContract(
  'cassandra',
  emptied(HOMER, database => new CassandraDocumentStore(database)),
)
callListStoreContract(
  'cassandra',
  emptied(MEMENTO, database => new CassandraCallListStore(database)),
)
