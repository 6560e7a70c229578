import type { Impi, Impu } from '../../ims/identity.ts'
import type { Log } from '../../kit/log.ts'
import { EmbeddedAkaStore } from '../embedded/aka.ts'
import type { EmbeddedEnvironment } from '../embedded/environment.ts'
import type { EmbeddedTable } from '../embedded/table.ts'
import type {
  IrsId,
  PrivateUser,
  ProfileId,
  PublicUser,
  RegistrationSet,
  StoredProfile,
} from '../provisioning-store.ts'
import type { CachedPrivateUser, CachedSubscription } from '../subscriber-cache-store.ts'
import type { CassandraStores } from './stores.ts'

interface WithImpu {
  readonly impu: Impu
}

/** Rows that are moved side by side. */
const SLICE = 64

/**
 * Moves what a homestead knew while it was the only one to where all find it. A row leaves the node's own store once
 * Cassandra has it, so a move that is broken off goes on the next time. What Cassandra knows already counts more.
 *
 * @throws CwError STORE_FAILED if Cassandra does not take it; the rest stays where it is
 */
export async function moveSubscribersIn(
  environment: EmbeddedEnvironment,
  { provisioning, cache, aka }: CassandraStores,
  log: Log,
): Promise<void> {
  const move = <V>(table: EmbeddedTable<V>, one: (key: string, value: V) => Promise<unknown>) =>
    moveTable(environment, table, one)
  const table = <V>(name: string): EmbeddedTable<V> => environment.table<V>(name)
  let moved = 0
  moved += await move(table<PrivateUser>('provisioned-private'), (impi, user) =>
    provisioning.restorePrivate(impi as Impi, user),
  )
  moved += await move(table<RegistrationSet>('provisioned-sets'), (irs, set) =>
    provisioning.restoreIrs(irs as IrsId, set),
  )
  moved += await move(table<StoredProfile>('provisioned-profiles'), (profile, stored) =>
    provisioning.restoreProfile(profile as ProfileId, stored),
  )
  moved += await move(table<PublicUser & WithImpu>('provisioned-public'), async (_, { impu, ...user }) => {
    if (await provisioning.restorePublic(impu, user)) return
    log.error('a public identity of this node is another subscriber’s in Cassandra, and stays so', { impu })
  })
  moved += await move(table<CachedSubscription>('cached-impu'), async (key, { xml, charging, ...state }) => {
    const impu = key as Impu
    if ((await cache.getSubscription(impu)) !== undefined) return
    await cache.putSubscription([impu], xml, charging)
    for (const impi of state.impis) await cache.setRegistered([impu], state.registered, impi)
  })
  moved += await move(table<CachedPrivateUser>('cached-impi'), async (key, { impus, ...authentication }) => {
    await cache.putAuthentication(key as Impi, authentication)
    await cache.linkImpus(key as Impi, impus, [])
  })
  moved += await move(table<string>('cached-wildcards'), (impu, wildcard) =>
    cache.setWildcards(new Map([[impu as Impu, wildcard]])),
  )
  const own = new EmbeddedAkaStore(environment)
  await move(table<unknown>('aka'), async impi => {
    const known = await own.advance(impi as Impi, sqn => sqn)
    if (known !== undefined) await aka.put(impi as Impi, known.key, known.sqn)
  })
  if (moved > 0) log.info('subscribers of this node were moved to Cassandra', { rows: moved })
}

/** The same for the service documents of a homer. */
export async function moveDocumentsIn(
  environment: EmbeddedEnvironment,
  { documents }: CassandraStores,
  log: Log,
): Promise<void> {
  const moved = await moveTable(
    environment,
    environment.table<string>('simservs'),
    async (impu, document) => {
      if ((await documents.get(impu as Impu)) === undefined) await documents.put(impu as Impu, document)
    },
  )
  if (moved > 0) log.info('service documents of this node were moved to Cassandra', { documents: moved })
}

async function moveTable<V>(
  environment: EmbeddedEnvironment,
  table: EmbeddedTable<V>,
  one: (key: string, value: V) => Promise<unknown>,
): Promise<number> {
  for (let moved = 0; ;) {
    const keys = table.keys({ limit: SLICE })
    if (keys.length === 0) return moved
    await Promise.all(
      keys.map(async key => {
        const value = table.get(key)
        if (value !== undefined) await one(key, value)
      }),
    )
    for (const key of keys) table.remove(key)
    await environment.commit('now')
    moved += keys.length
  }
}
