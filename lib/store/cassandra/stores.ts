import type { Clock } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { CassandraAkaStore } from './aka.ts'
import { CassandraCallListStore, MEMENTO } from './call-lists.ts'
import { CassandraDatabase, type CassandraView } from './database.ts'
import { CassandraDocumentStore, HOMER } from './documents.ts'
import { CassandraProvisioningStore, HOMESTEAD_PROVISIONING } from './provisioning.ts'
import type { KeyspaceSchema } from './schema.ts'
import { CassandraSubscriberCacheStore, HOMESTEAD_CACHE } from './subscriber-cache.ts'

/** Who keeps what: by the daemon that writes it. */
const KEYSPACES = {
  homestead: [HOMESTEAD_PROVISIONING, HOMESTEAD_CACHE],
  homer: [HOMER],
  memento: [MEMENTO],
} as const satisfies Record<string, readonly KeyspaceSchema[]>

export interface CassandraStores {
  readonly database: CassandraDatabase
  readonly provisioning: CassandraProvisioningStore
  readonly cache: CassandraSubscriberCacheStore
  readonly aka: CassandraAkaStore
  readonly documents: CassandraDocumentStore
  readonly callLists: CassandraCallListStore
}

/**
 * Opens what a daemon keeps in Cassandra, all on one set of connections. Of the stores those of `owners` may be used.
 *
 * @throws CwError STORE_UNFIT
 */
export async function openCassandraStores(
  owners: readonly (keyof typeof KEYSPACES)[],
  options: { readonly view: CassandraView; readonly clock: Clock; readonly log: Log },
): Promise<CassandraStores> {
  const database = await CassandraDatabase.open({
    ...options,
    schemas: owners.flatMap(owner => KEYSPACES[owner]),
  })
  return {
    database,
    provisioning: new CassandraProvisioningStore(database),
    cache: new CassandraSubscriberCacheStore(database, options.clock),
    aka: new CassandraAkaStore(database),
    documents: new CassandraDocumentStore(database),
    callLists: new CassandraCallListStore(database),
  }
}
