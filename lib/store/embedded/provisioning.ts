import { hash, randomUUID } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Impi, Impu } from '../../ims/identity.ts'
import {
  sameCredentials,
  type Credentials,
  type IrsId,
  type ListedPublicUser,
  type PrivateUser,
  type ProfileId,
  type ProvisioningStore,
  type PublicUser,
  type RegistrationSet,
  type RingPart,
  type StoredProfile,
  type Subscriber,
  type SubscriberOutcome,
} from '../provisioning-store.ts'
import type { EmbeddedEnvironment } from './environment.ts'
import { nextKey, type EmbeddedTable } from './table.ts'

interface PublicRow extends PublicUser {
  readonly impu: Impu
}

const CACHED = 1000
const SLICE = 500
const RING = 1n << 64n

/** The subscriber database on disk. Each method reads and stages within one turn, and so is a transaction. */
export class EmbeddedProvisioningStore implements ProvisioningStore {
  readonly #environment: EmbeddedEnvironment
  readonly #privates: EmbeddedTable<PrivateUser>
  readonly #sets: EmbeddedTable<RegistrationSet>
  readonly #profiles: EmbeddedTable<StoredProfile>
  /** Keyed by place on the ring, so that a part of the ring is a range of keys. */
  readonly #publics: EmbeddedTable<PublicRow>

  constructor(environment: EmbeddedEnvironment) {
    this.#environment = environment
    this.#privates = environment.table<PrivateUser>('provisioned-private', { cached: CACHED })
    this.#sets = environment.table<RegistrationSet>('provisioned-sets', { cached: CACHED })
    this.#profiles = environment.table<StoredProfile>('provisioned-profiles', { cached: CACHED })
    this.#publics = environment.table<PublicRow>('provisioned-public', { cached: CACHED })
  }

  async getPrivate(impi: Impi): Promise<PrivateUser | undefined> {
    return this.#privates.get(impi)
  }

  async putPrivate(impi: Impi, credentials: Credentials): Promise<void> {
    this.#stageCredentials(impi, credentials, this.#privates.get(impi)?.irss ?? [])
    await this.#committed()
  }

  async removePrivate(impi: Impi): Promise<boolean> {
    const user = this.#privates.get(impi)
    if (user === undefined) return false
    for (const irs of user.irss) this.#changeSet(irs, set => ({ ...set, impis: without(set.impis, impi) }))
    this.#privates.remove(impi)
    return this.#committed()
  }

  async createIrs(): Promise<IrsId> {
    const irs = randomUUID() as string as IrsId
    this.#sets.set(irs, { impis: [], profiles: [] })
    await this.#committed()
    return irs
  }

  async getIrs(irs: IrsId): Promise<RegistrationSet | undefined> {
    return this.#sets.get(irs)
  }

  async removeIrs(irs: IrsId): Promise<boolean> {
    const set = this.#sets.get(irs)
    if (set === undefined) return false
    for (const impi of set.impis) this.#unbind(impi, irs)
    for (const profile of set.profiles) this.#stageProfileRemoval(profile)
    this.#sets.remove(irs)
    return this.#committed()
  }

  async associate(impi: Impi, irs: IrsId): Promise<boolean> {
    const user = this.#privates.get(impi)
    if (user === undefined || !this.#sets.has(irs)) return false
    if (user.irss.includes(irs)) return true
    this.#privates.set(impi, { ...user, irss: [...user.irss, irs] })
    this.#changeSet(irs, set => ({ ...set, impis: [...without(set.impis, impi), impi] }))
    return this.#committed()
  }

  async dissociate(impi: Impi, irs: IrsId): Promise<boolean> {
    if (!this.#privates.has(impi) || !this.#sets.has(irs)) return false
    this.#unbind(impi, irs)
    this.#changeSet(irs, set => ({ ...set, impis: without(set.impis, impi) }))
    return this.#committed()
  }

  async createProfile(irs: IrsId): Promise<ProfileId | undefined> {
    if (!this.#sets.has(irs)) return undefined
    const profile = randomUUID() as string as ProfileId
    this.#profiles.set(profile, { irs, impus: [] })
    this.#changeSet(irs, set => ({ ...set, profiles: [...set.profiles, profile] }))
    await this.#committed()
    return profile
  }

  async getProfile(profile: ProfileId): Promise<StoredProfile | undefined> {
    return this.#profiles.get(profile)
  }

  async removeProfile(profile: ProfileId): Promise<boolean> {
    const stored = this.#profiles.get(profile)
    if (stored === undefined) return false
    this.#stageProfileRemoval(profile)
    this.#changeSet(stored.irs, set => ({ ...set, profiles: without(set.profiles, profile) }))
    return this.#committed()
  }

  async putFilterCriteria(profile: ProfileId, xml: string): Promise<boolean> {
    const stored = this.#profiles.get(profile)
    if (stored === undefined) return false
    this.#profiles.set(profile, { ...stored, filterCriteria: xml })
    return this.#committed()
  }

  async getPublic(impu: Impu): Promise<PublicUser | undefined> {
    return this.#publics.get(ringKey(impu))
  }

  async putPublic(profile: ProfileId, impu: Impu, xml: string): Promise<boolean> {
    const stored = this.#profiles.get(profile)
    if (stored === undefined) return false
    const before = this.#publics.get(ringKey(impu))
    if (before !== undefined && before.profile !== profile) this.#takeFromProfile(impu, before.profile)
    if (!stored.impus.includes(impu))
      this.#profiles.set(profile, { ...stored, impus: [...stored.impus, impu] })
    this.#publics.set(ringKey(impu), { impu, irs: stored.irs, profile, xml })
    return this.#committed()
  }

  async removePublic(impu: Impu): Promise<boolean> {
    const stored = this.#publics.get(ringKey(impu))
    if (stored === undefined) return false
    this.#takeFromProfile(impu, stored.profile)
    this.#publics.remove(ringKey(impu))
    return this.#committed()
  }

  async *publicUsers(part: RingPart): AsyncGenerator<readonly ListedPublicUser[]> {
    await this.#environment.commit('now')
    const [first, end] = ringRange(part)
    let start = first
    for (;;) {
      const keys = this.#publics.keys({ start, ...(end === undefined ? {} : { end }), limit: SLICE })
      yield keys.flatMap(key => this.#publics.get(key) ?? [])
      const last = keys.at(-1)
      if (last === undefined || keys.length < SLICE) return
      start = nextKey(last)
      await nextTurn()
    }
  }

  async putSubscriber(subscriber: Subscriber): Promise<SubscriberOutcome> {
    const { impi, impu, identityXml, filterCriteria, ...credentials } = subscriber
    const user = this.#privates.get(impi)
    const known = this.#publics.get(ringKey(impu))
    if (known !== undefined && user?.irss.includes(known.irs) !== true) return { result: 'conflict' }

    if (known !== undefined && user !== undefined) {
      const profile = this.#profiles.get(known.profile)
      const same = sameCredentials(user, credentials) && profile?.filterCriteria === filterCriteria
      if (same) return { result: 'unchanged', irs: known.irs }
      this.#stageCredentials(impi, credentials, user.irss)
      if (profile !== undefined) this.#profiles.set(known.profile, { ...profile, filterCriteria })
      await this.#committed()
      return { result: 'updated', irs: known.irs }
    }

    const irs = randomUUID() as string as IrsId
    const profile = randomUUID() as string as ProfileId
    this.#sets.set(irs, { impis: [impi], profiles: [profile] })
    this.#profiles.set(profile, { irs, impus: [impu], filterCriteria })
    this.#publics.set(ringKey(impu), { impu, irs, profile, xml: identityXml })
    this.#stageCredentials(impi, credentials, [...(user?.irss ?? []), irs])
    await this.#committed()
    return { result: 'created', irs }
  }

  async #committed(): Promise<true> {
    await this.#environment.commit('now')
    return true
  }

  #stageCredentials(impi: Impi, credentials: Credentials, irss: readonly IrsId[]): void {
    this.#privates.set(impi, { ...credentials, irss })
  }

  #changeSet(irs: IrsId, change: (set: RegistrationSet) => RegistrationSet): void {
    const set = this.#sets.get(irs)
    if (set !== undefined) this.#sets.set(irs, change(set))
  }

  #unbind(impi: Impi, irs: IrsId): void {
    const user = this.#privates.get(impi)
    if (user !== undefined) this.#privates.set(impi, { ...user, irss: without(user.irss, irs) })
  }

  #stageProfileRemoval(profile: ProfileId): void {
    for (const impu of this.#profiles.get(profile)?.impus ?? []) this.#publics.remove(ringKey(impu))
    this.#profiles.remove(profile)
  }

  #takeFromProfile(impu: Impu, profile: ProfileId): void {
    const stored = this.#profiles.get(profile)
    if (stored !== undefined) this.#profiles.set(profile, { ...stored, impus: without(stored.impus, impu) })
  }
}

function without<T>(list: readonly T[], gone: T): readonly T[] {
  return list.filter(item => item !== gone)
}

/** Identities lie evenly on a ring of 2^64 places: 16 hex digits of their MD5, then the identity itself. */
function ringKey(impu: Impu): string {
  return hash('md5', impu, 'hex').slice(0, 16) + impu
}

/** First key, and the key after the last one (none at the end of the ring), of a part. */
function ringRange(part: RingPart): [start: string, end: string | undefined] {
  const place = (chunk: number): bigint => (BigInt(chunk) * RING) / BigInt(part.of)
  const end = part.chunk + 1 >= part.of ? undefined : hex16(place(part.chunk + 1))
  return [hex16(place(part.chunk)), end]
}

function hex16(place: bigint): string {
  return place.toString(16).padStart(16, '0')
}
