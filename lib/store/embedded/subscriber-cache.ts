import type { ChargingAddresses } from '../../ims/homestead.ts'
import type { Impi, Impu } from '../../ims/identity.ts'
import type {
  CachedAuthentication,
  CachedPrivateUser,
  CachedSubscription,
  SubscriberCacheStore,
} from '../subscriber-cache-store.ts'
import type { EmbeddedEnvironment } from './environment.ts'
import type { EmbeddedTable } from './table.ts'

/** Enough for the subscribers who call at one time; a miss costs some microseconds. */
const CACHED = 8000
/** More than any operator has; each is tried for each identity that is not known. */
const MOST_WILDCARDS = 10_000

/** Homestead's cache on disk. Each method reads and stages within one turn, and so is a transaction. */
export class EmbeddedSubscriberCacheStore implements SubscriberCacheStore {
  readonly #environment: EmbeddedEnvironment
  readonly #impus: EmbeddedTable<CachedSubscription>
  readonly #impis: EmbeddedTable<CachedPrivateUser>
  readonly #wildcardTable: EmbeddedTable<string>
  /** All there are: they are few, and who asks wants to see each. */
  readonly #wildcards = new Map<Impu, string>()

  constructor(environment: EmbeddedEnvironment) {
    this.#environment = environment
    this.#impus = environment.table<CachedSubscription>('cached-impu', { cached: CACHED })
    this.#impis = environment.table<CachedPrivateUser>('cached-impi', { cached: CACHED })
    this.#wildcardTable = environment.table<string>('cached-wildcards')
    for (const impu of this.#wildcardTable.keys({ limit: MOST_WILDCARDS }))
      this.#wildcards.set(impu as Impu, this.#wildcardTable.get(impu) ?? '')
  }

  getSubscription(impu: Impu): CachedSubscription | undefined {
    return this.#impus.get(impu)
  }

  async putSubscription(impus: readonly Impu[], xml: string, charging: ChargingAddresses): Promise<void> {
    for (const impu of impus) {
      const { registered, impis } = this.#impus.get(impu) ?? { registered: false, impis: [] }
      this.#impus.set(impu, { xml, charging, registered, impis })
    }
    await this.#environment.commit('now')
  }

  async setRegistered(impus: readonly Impu[], registered: boolean, impi?: Impi): Promise<void> {
    for (const impu of impus) {
      const row = this.#impus.get(impu)
      if (row === undefined) continue
      const bound = impi === undefined || row.impis.includes(impi)
      if (bound && row.registered === registered) continue
      this.#impus.set(impu, { ...row, registered, impis: bound ? row.impis : [...row.impis, impi] })
    }
    await this.#environment.commit('shared')
  }

  async removeSubscriptions(impus: readonly Impu[]): Promise<void> {
    for (const impu of impus) {
      this.#impus.remove(impu)
      if (this.#wildcards.delete(impu)) this.#wildcardTable.remove(impu)
    }
    await this.#environment.commit('now')
  }

  async setWildcards(wildcards: ReadonlyMap<Impu, string | undefined>): Promise<void> {
    let changed = false
    for (const [impu, wildcard] of wildcards) {
      if (this.#wildcards.get(impu) === wildcard) continue
      changed = true
      if (wildcard === undefined) {
        this.#wildcards.delete(impu)
        this.#wildcardTable.remove(impu)
      } else {
        this.#wildcards.set(impu, wildcard)
        this.#wildcardTable.set(impu, wildcard)
      }
    }
    if (changed) await this.#environment.commit('now')
  }

  wildcards(): ReadonlyMap<Impu, string> {
    return this.#wildcards
  }

  getPrivate(impi: Impi): CachedPrivateUser | undefined {
    return this.#impis.get(impi)
  }

  async putAuthentication(impi: Impi, authentication: CachedAuthentication): Promise<void> {
    this.#impis.set(impi, { impus: this.#impis.get(impi)?.impus ?? [], ...authentication })
    await this.#environment.commit('now')
  }

  async linkImpus(impi: Impi, add: readonly Impu[], remove: readonly Impu[]): Promise<void> {
    const known = this.#impis.get(impi)
    if (known === undefined && add.length === 0) return
    const row = known ?? { impus: [] }
    const kept = row.impus.filter(impu => !remove.includes(impu) && !add.includes(impu))
    this.#impis.set(impi, { ...row, impus: [...kept, ...add] })
    await this.#environment.commit('now')
  }

  async removePrivate(impi: Impi): Promise<void> {
    this.#impis.remove(impi)
    await this.#environment.commit('now')
  }
}
