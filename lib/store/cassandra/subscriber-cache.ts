import type { ChargingAddresses } from '../../ims/homestead.ts'
import type { Impi, Impu } from '../../ims/identity.ts'
import { seconds, type Clock } from '../../kit/clock.ts'
import type {
  CachedAuthentication,
  CachedPrivateUser,
  CachedSubscription,
  SubscriberCacheStore,
} from '../subscriber-cache-store.ts'
import { textIn, type CassandraDatabase, type Row, type Statement } from './database.ts'
import { linkedNames, linkStatement, unlinkStatement, type LinkTable } from './links.ts'
import type { KeyspaceSchema } from './schema.ts'

/** interfaces.md §4.8, as tables that were made for Thrift are seen by CQL; then what the original had not. */
export const HOMESTEAD_CACHE: KeyspaceSchema = {
  name: 'homestead_cache',
  migrations: [
    [
      `CREATE TABLE IF NOT EXISTS homestead_cache.impi (
        private_id text, column1 text, value blob,
        digest_ha1 text static, digest_realm text static, digest_qop text static,
        PRIMARY KEY (private_id, column1))`,
      `CREATE TABLE IF NOT EXISTS homestead_cache.impu (
        public_id text, column1 text, value blob,
        ims_subscription_xml text static, is_registered boolean static,
        primary_ccf text static, secondary_ccf text static, primary_ecf text static, secondary_ecf text static,
        PRIMARY KEY (public_id, column1))`,
    ],
    [
      'ALTER TABLE homestead_cache.impi ADD IF NOT EXISTS (digest_sha256_ha1 text static, has_usim boolean static)',
      `CREATE TABLE IF NOT EXISTS homestead_cache.wildcards (
        scope text, public_id text, wildcard text, PRIMARY KEY (scope, public_id))`,
    ],
  ],
}

const PUBLIC_IDS: LinkTable = { table: 'homestead_cache.impi', key: 'private_id', prefix: 'public_id_' }
const BOUND_IMPIS: LinkTable = {
  table: 'homestead_cache.impu',
  key: 'public_id',
  prefix: 'associated_impi__',
}
/** All wildcards are in one partition: they are few, and read as a whole. */
const ALL = 'all'
/** So long a wildcard of another node may not be known here. */
const WILDCARDS_FOR = seconds(5)

/** Homestead's cache in Cassandra. */
export class CassandraSubscriberCacheStore implements SubscriberCacheStore {
  readonly #database: CassandraDatabase
  readonly #clock: Clock
  #wildcards: { readonly until: number; readonly map: Promise<ReadonlyMap<Impu, string>> } | undefined

  constructor(database: CassandraDatabase, clock: Clock) {
    this.#database = database
    this.#clock = clock
  }

  async getSubscription(impu: Impu): Promise<CachedSubscription | undefined> {
    const rows = await this.#subscriptionRows(impu)
    const [first] = rows
    const xml = textIn(first, 'ims_subscription_xml')
    if (first === undefined || xml === undefined) return undefined
    return {
      xml,
      registered: first['is_registered'] === true,
      charging: { ccf: strings(first, CCF), ecf: strings(first, ECF) },
      impis: linkedNames(rows, BOUND_IMPIS) as Impi[],
    }
  }

  async putSubscription(impus: readonly Impu[], xml: string, charging: ChargingAddresses): Promise<void> {
    const { ccf, ecf } = charging
    const addresses = [ccf[0], ccf[1], ecf[0], ecf[1]].map(address => address ?? null)
    await this.#database.write(
      ...impus.map(impu => ({
        query: `INSERT INTO homestead_cache.impu
          (public_id, ims_subscription_xml, primary_ccf, secondary_ccf, primary_ecf, secondary_ecf)
          VALUES (?, ?, ?, ?, ?, ?)`,
        values: [impu, xml, ...addresses],
      })),
    )
  }

  async setRegistered(impus: readonly Impu[], registered: boolean, impi?: Impi): Promise<void> {
    const changes = await Promise.all(impus.map(impu => this.#registration(impu, registered, impi)))
    await this.#database.write(...changes.flat())
  }

  async removeSubscriptions(impus: readonly Impu[]): Promise<void> {
    const known = await this.wildcards()
    const wild = impus.filter(impu => known.has(impu))
    await this.#database.write(
      ...impus.map(impu => ({
        query: 'DELETE FROM homestead_cache.impu WHERE public_id = ?',
        values: [impu],
      })),
    )
    if (wild.length > 0) await this.setWildcards(new Map(wild.map(impu => [impu, undefined])))
  }

  async setWildcards(wildcards: ReadonlyMap<Impu, string | undefined>): Promise<void> {
    const known = await this.wildcards()
    const changed = [...wildcards].filter(([impu, wildcard]) => known.get(impu) !== wildcard)
    if (changed.length === 0) return
    await this.#database.write(
      ...changed.map(([impu, wildcard]) =>
        wildcard === undefined
          ? {
              query: 'DELETE FROM homestead_cache.wildcards WHERE scope = ? AND public_id = ?',
              values: [ALL, impu],
            }
          : {
              query: 'INSERT INTO homestead_cache.wildcards (scope, public_id, wildcard) VALUES (?, ?, ?)',
              values: [ALL, impu, wildcard],
            },
      ),
    )
    this.#wildcards = undefined
  }

  wildcards(): Promise<ReadonlyMap<Impu, string>> {
    if (this.#wildcards === undefined || this.#clock.now() >= this.#wildcards.until) {
      const map = this.#readWildcards()
      const read = { until: this.#clock.now() + WILDCARDS_FOR, map }
      this.#wildcards = read
      map.catch(() => {
        if (this.#wildcards === read) this.#wildcards = undefined
      })
    }
    return this.#wildcards.map
  }

  async getPrivate(impi: Impi): Promise<CachedPrivateUser | undefined> {
    const rows = await this.#database.read(
      `SELECT column1, WRITETIME(value) AS linked_at, digest_ha1, digest_realm, digest_qop, digest_sha256_ha1, has_usim
        FROM homestead_cache.impi WHERE private_id = ?`,
      [impi],
    )
    const [first] = rows
    if (first === undefined) return undefined
    return { ...authenticationIn(first), impus: linkedNames(rows, PUBLIC_IDS) as Impu[] }
  }

  async putAuthentication(impi: Impi, { digest, hasUsim }: CachedAuthentication): Promise<void> {
    await this.#database.write({
      query: `INSERT INTO homestead_cache.impi
        (private_id, digest_ha1, digest_realm, digest_qop, digest_sha256_ha1, has_usim) VALUES (?, ?, ?, ?, ?, ?)`,
      values: [
        ...[impi, digest?.ha1 ?? null, digest?.realm ?? null, digest?.qop ?? null],
        ...[digest?.sha256Ha1 ?? null, hasUsim ?? null],
      ],
    })
  }

  async linkImpus(impi: Impi, add: readonly Impu[], remove: readonly Impu[]): Promise<void> {
    await this.#database.write(
      ...remove.filter(impu => !add.includes(impu)).map(impu => unlinkStatement(PUBLIC_IDS, impi, impu)),
      ...add.map(impu => linkStatement(PUBLIC_IDS, impi, impu, this.#database.micros())),
    )
  }

  async removePrivate(impi: Impi): Promise<void> {
    await this.#database.write({
      query: 'DELETE FROM homestead_cache.impi WHERE private_id = ?',
      values: [impi],
    })
  }

  /** What has to be written; nothing where it is so already, as for each renewal, or where no row is. */
  async #registration(impu: Impu, registered: boolean, impi: Impi | undefined): Promise<Statement[]> {
    const rows = await this.#subscriptionRows(impu)
    const [first] = rows
    if (first === undefined || textIn(first, 'ims_subscription_xml') === undefined) return []
    const bound = impi === undefined || linkedNames(rows, BOUND_IMPIS).includes(impi)
    return [
      ...((first['is_registered'] === true) === registered
        ? []
        : [
            {
              query: 'UPDATE homestead_cache.impu SET is_registered = ? WHERE public_id = ?',
              values: [registered, impu],
            },
          ]),
      ...(bound ? [] : [linkStatement(BOUND_IMPIS, impu, impi, this.#database.micros())]),
    ]
  }

  #subscriptionRows(impu: Impu): Promise<readonly Row[]> {
    return this.#database.read(
      `SELECT column1, WRITETIME(value) AS linked_at, ims_subscription_xml, is_registered,
        primary_ccf, secondary_ccf, primary_ecf, secondary_ecf FROM homestead_cache.impu WHERE public_id = ?`,
      [impu],
    )
  }

  async #readWildcards(): Promise<ReadonlyMap<Impu, string>> {
    const rows = await this.#database.read(
      'SELECT public_id, wildcard FROM homestead_cache.wildcards WHERE scope = ?',
      [ALL],
    )
    return new Map(rows.map(row => [String(row['public_id']) as Impu, String(row['wildcard'])]))
  }
}

const CCF = ['primary_ccf', 'secondary_ccf']
const ECF = ['primary_ecf', 'secondary_ecf']

function strings(row: Row, columns: readonly string[]): string[] {
  return columns.flatMap(column => textIn(row, column) ?? [])
}

function authenticationIn(row: Row): CachedAuthentication {
  const ha1 = textIn(row, 'digest_ha1')
  const realm = textIn(row, 'digest_realm')
  const sha256Ha1 = textIn(row, 'digest_sha256_ha1')
  const more = sha256Ha1 === undefined ? {} : { sha256Ha1 }
  return {
    ...(ha1 === undefined || realm === undefined
      ? {}
      : { digest: { ha1, realm, qop: textIn(row, 'digest_qop') ?? 'auth', ...more } }),
    ...(row['has_usim'] === true ? { hasUsim: true } : {}),
  }
}
