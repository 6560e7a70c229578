import { hash, randomUUID } from 'node:crypto'
import type { Impi, Impu } from '../../ims/identity.ts'
import { CwError } from '../../kit/errors.ts'
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
import { contested } from './contested.ts'
import { textIn, type CassandraDatabase, type Row, type Statement } from './database.ts'
import { linkedNames, linkStatement, partitionOf, unlinkStatement, type LinkTable } from './links.ts'
import type { KeyspaceSchema } from './schema.ts'

/** interfaces.md §2.7, as tables that were made for Thrift are seen by CQL; then what the original had not. */
export const HOMESTEAD_PROVISIONING: KeyspaceSchema = {
  name: 'homestead_provisioning',
  migrations: [
    [
      `CREATE TABLE IF NOT EXISTS homestead_provisioning.implicit_registration_sets (
        id uuid, column1 text, value blob, dummy text static, PRIMARY KEY (id, column1))`,
      `CREATE TABLE IF NOT EXISTS homestead_provisioning.service_profiles (
        id uuid, column1 text, value blob, irs text static, initialfiltercriteria text static,
        PRIMARY KEY (id, column1))`,
      `CREATE TABLE IF NOT EXISTS homestead_provisioning.public (
        public_id text, column1 text, value blob, publicidentity text static, service_profile text static,
        PRIMARY KEY (public_id, column1))`,
      `CREATE TABLE IF NOT EXISTS homestead_provisioning.private (
        private_id text, column1 text, value blob,
        digest_ha1 text static, realm text static, plaintext_password text static,
        PRIMARY KEY (private_id, column1))`,
    ],
    [
      'ALTER TABLE homestead_provisioning.public ADD IF NOT EXISTS irs text static',
      `ALTER TABLE homestead_provisioning.private
        ADD IF NOT EXISTS (digest_sha256_ha1 text static, has_usim boolean static)`,
      `CREATE TABLE IF NOT EXISTS homestead_provisioning.aka (
        private_id text PRIMARY KEY, k text, opc text, amf text, sqn text)`,
    ],
  ],
}

const SETS = 'homestead_provisioning.implicit_registration_sets'
const PROFILES = 'homestead_provisioning.service_profiles'
const PUBLICS = 'homestead_provisioning.public'
const PRIVATES = 'homestead_provisioning.private'

const SETS_OF_PRIVATE: LinkTable = { table: PRIVATES, key: 'private_id', prefix: 'associated_irs_' }
const PRIVATES_OF_SET: LinkTable = { table: SETS, key: 'id', prefix: 'associated_private_' }
const PROFILES_OF_SET: LinkTable = { table: SETS, key: 'id', prefix: 'service_profile_' }
const PUBLICS_OF_PROFILE: LinkTable = { table: PROFILES, key: 'id', prefix: 'public_id_' }
/** Says of a set that it exists, also while it is empty. */
const EXISTS = '_exists'

const PAGE = 500
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const RING = 1n << 64n
const FIRST_TOKEN = -(1n << 63n)

/**
 * The subscriber database in Cassandra.
 *
 * Who has a public identity is decided by compare-and-set in its row. All other rows follow from there: they are
 * written so that a change that was broken off is finished by making it again. Changes that concern the same set at the
 * same time, from several nodes, may each undo links of the other.
 */
export class CassandraProvisioningStore implements ProvisioningStore {
  readonly #database: CassandraDatabase

  constructor(database: CassandraDatabase) {
    this.#database = database
  }

  async getPrivate(impi: Impi): Promise<PrivateUser | undefined> {
    const rows = await this.#database.read(
      `SELECT column1, WRITETIME(value) AS linked_at,
        digest_ha1, realm, plaintext_password, digest_sha256_ha1, has_usim FROM ${PRIVATES} WHERE private_id = ?`,
      [impi],
    )
    const credentials = rows[0] === undefined ? undefined : credentialsIn(rows[0])
    if (credentials === undefined) return undefined
    return { ...credentials, irss: linkedNames(rows, SETS_OF_PRIVATE).filter(isUuid) as IrsId[] }
  }

  async putPrivate(impi: Impi, credentials: Credentials): Promise<void> {
    await this.#database.write(credentialsStatement(impi, credentials))
  }

  async removePrivate(impi: Impi): Promise<boolean> {
    const user = await this.getPrivate(impi)
    if (user === undefined) return false
    await this.#database.write(
      ...user.irss.map(irs => unlinkStatement(PRIVATES_OF_SET, irs, impi)),
      removal(PRIVATES, 'private_id', impi),
    )
    return true
  }

  async createIrs(): Promise<IrsId> {
    const irs = randomUUID() as string as IrsId
    await this.#database.write(setStatement(irs))
    return irs
  }

  async getIrs(irs: IrsId): Promise<RegistrationSet | undefined> {
    if (!isUuid(irs)) return undefined
    const rows = await this.#database.read(
      `SELECT column1, WRITETIME(value) AS linked_at FROM ${SETS} WHERE id = ?`,
      [irs],
    )
    if (!rows.some(row => row['column1'] === EXISTS)) return undefined
    return {
      impis: linkedNames(rows, PRIVATES_OF_SET) as Impi[],
      profiles: linkedNames(rows, PROFILES_OF_SET).filter(isUuid) as ProfileId[],
    }
  }

  async removeIrs(irs: IrsId): Promise<boolean> {
    const set = await this.getIrs(irs)
    if (set === undefined) return false
    for (const profile of set.profiles) await this.#removeProfileRows(profile)
    await this.#database.write(
      ...set.impis.map(impi => unlinkStatement(SETS_OF_PRIVATE, impi, irs)),
      removal(SETS, 'id', irs),
    )
    return true
  }

  async associate(impi: Impi, irs: IrsId): Promise<boolean> {
    const [user, set] = await Promise.all([this.getPrivate(impi), this.getIrs(irs)])
    if (user === undefined || set === undefined) return false
    await this.#database.write(
      ...(user.irss.includes(irs) ? [] : [this.#link(SETS_OF_PRIVATE, impi, irs)]),
      ...(set.impis.includes(impi) ? [] : [this.#link(PRIVATES_OF_SET, irs, impi)]),
    )
    return true
  }

  async dissociate(impi: Impi, irs: IrsId): Promise<boolean> {
    const [user, set] = await Promise.all([this.getPrivate(impi), this.getIrs(irs)])
    if (user === undefined || set === undefined) return false
    await this.#database.write(
      unlinkStatement(SETS_OF_PRIVATE, impi, irs),
      unlinkStatement(PRIVATES_OF_SET, irs, impi),
    )
    return true
  }

  async createProfile(irs: IrsId): Promise<ProfileId | undefined> {
    if ((await this.getIrs(irs)) === undefined) return undefined
    const profile = randomUUID() as string as ProfileId
    await this.#database.write(profileStatement(profile, irs), this.#link(PROFILES_OF_SET, irs, profile))
    return profile
  }

  async getProfile(profile: ProfileId): Promise<StoredProfile | undefined> {
    if (!isUuid(profile)) return undefined
    const rows = await this.#database.read(
      `SELECT column1, WRITETIME(value) AS linked_at, irs, initialfiltercriteria FROM ${PROFILES} WHERE id = ?`,
      [profile],
    )
    const irs = textIn(rows[0], 'irs')
    if (irs === undefined) return undefined
    const filterCriteria = textIn(rows[0], 'initialfiltercriteria')
    return {
      irs: irs as IrsId,
      impus: linkedNames(rows, PUBLICS_OF_PROFILE) as Impu[],
      ...(filterCriteria === undefined ? {} : { filterCriteria }),
    }
  }

  async removeProfile(profile: ProfileId): Promise<boolean> {
    const stored = await this.getProfile(profile)
    if (stored === undefined) return false
    await this.#removeProfileRows(profile, unlinkStatement(PROFILES_OF_SET, stored.irs, profile))
    return true
  }

  async putFilterCriteria(profile: ProfileId, xml: string): Promise<boolean> {
    if ((await this.getProfile(profile)) === undefined) return false
    await this.#database.write({
      query: `UPDATE ${PROFILES} SET initialfiltercriteria = ? WHERE id = ?`,
      values: [xml, profile],
    })
    return true
  }

  async getPublic(impu: Impu): Promise<PublicUser | undefined> {
    const [row] = await this.#database.read(
      `SELECT publicidentity, service_profile, irs FROM ${PUBLICS} WHERE public_id = ? LIMIT 1`,
      [impu],
    )
    const profile = textIn(row, 'service_profile') as ProfileId | undefined
    if (profile === undefined) return undefined
    const irs = textIn(row, 'irs') ?? (await this.getProfile(profile))?.irs
    const xml = textIn(row, 'publicidentity')
    if (irs !== undefined && xml !== undefined) return { irs: irs as IrsId, profile, xml }
    this.#database.passOver(PUBLICS, impu)
    return undefined
  }

  async putPublic(profile: ProfileId, impu: Impu, xml: string): Promise<boolean> {
    const stored = await this.getProfile(profile)
    if (stored === undefined) return false
    const before = await contested(async () => {
      const known = await this.getPublic(impu)
      const won = await this.#claim(impu, { irs: stored.irs, profile, xml }, known?.profile)
      return won === true ? { value: known } : undefined
    })
    await this.#database.write(
      ...(before === undefined || before.profile === profile || !isUuid(before.profile)
        ? []
        : [unlinkStatement(PUBLICS_OF_PROFILE, before.profile, impu)]),
      ...(stored.impus.includes(impu) ? [] : [this.#link(PUBLICS_OF_PROFILE, profile, impu)]),
    )
    return true
  }

  async removePublic(impu: Impu): Promise<boolean> {
    const profile = await this.#release(impu)
    if (profile === undefined) return false
    if (isUuid(profile)) await this.#database.write(unlinkStatement(PUBLICS_OF_PROFILE, profile, impu))
    return true
  }

  async *publicUsers(part: RingPart): AsyncGenerator<readonly ListedPublicUser[]> {
    const pages = this.#database.pages(
      `SELECT DISTINCT public_id, service_profile, irs FROM ${PUBLICS}
        WHERE token(public_id) >= ? AND token(public_id) <= ?`,
      tokenRange(part),
      PAGE,
    )
    for await (const rows of pages) {
      const users = await Promise.all(rows.map(row => this.#listed(row)))
      yield users.filter(user => user !== undefined)
    }
  }

  async putSubscriber(subscriber: Subscriber): Promise<SubscriberOutcome> {
    const { impi, impu, identityXml, filterCriteria, ...credentials } = subscriber
    const [user, known] = await Promise.all([this.getPrivate(impi), this.getPublic(impu)])
    if (known !== undefined) return this.#renew(subscriber, credentials, user, known)

    // Made of the names, so that who was broken off, and comes again, goes on with the same rows.
    const irs = uuidOf('set', impi, impu) as IrsId
    const profile = uuidOf('profile', impi, impu) as ProfileId
    await Promise.all([
      this.#database.write(
        ...(user !== undefined && sameCredentials(user, credentials)
          ? []
          : [credentialsStatement(impi, credentials)]),
        ...(user?.irss.includes(irs) === true ? [] : [this.#link(SETS_OF_PRIVATE, impi, irs)]),
      ),
      this.#database.write(
        setStatement(irs),
        this.#link(PRIVATES_OF_SET, irs, impi),
        this.#link(PROFILES_OF_SET, irs, profile),
      ),
      this.#database.write(
        profileStatement(profile, irs, filterCriteria),
        this.#link(PUBLICS_OF_PROFILE, profile, impu),
      ),
    ])
    const won = await this.#claim(impu, { irs, profile, xml: identityXml }, undefined)
    if (won === true) return { result: 'created', irs }

    const winner = await this.getPublic(impu)
    if (winner?.irs === irs) return { result: won === undefined ? 'created' : 'unchanged', irs }
    if (winner === undefined) {
      throw new CwError('STORE_FAILED', `whose ${impu} is could not be decided`, {
        changed: 'some',
        remedies: ['do it again, once enough nodes of Cassandra run: cw status'],
      })
    }
    await this.#takeBack(subscriber, irs, profile, user)
    return { result: 'conflict' }
  }

  /** Removes what was written for a subscriber whose public identity somebody else was faster to get. */
  async #takeBack(
    { impi, impu }: Subscriber,
    irs: IrsId,
    profile: ProfileId,
    user: PrivateUser | undefined,
  ): Promise<void> {
    const [set, stored] = await Promise.all([this.getIrs(irs), this.getProfile(profile)])
    const ours = set?.profiles.length === 1 && set.impis.length === 1 && stored?.impus.length === 1
    await this.#database.write(
      ...(ours
        ? [removal(SETS, 'id', irs), removal(PROFILES, 'id', profile)]
        : [unlinkStatement(PUBLICS_OF_PROFILE, profile, impu)]),
      ...(user === undefined ? [removal(PRIVATES, 'private_id', impi)] : []),
      ...(user !== undefined && ours && !user.irss.includes(irs)
        ? [unlinkStatement(SETS_OF_PRIVATE, impi, irs)]
        : []),
    )
  }

  /** Writes a private identity as another store had it; credentials that are here already stay. */
  async restorePrivate(impi: Impi, { irss, ...credentials }: PrivateUser): Promise<void> {
    const known = await this.getPrivate(impi)
    await this.#database.write(
      ...(known === undefined ? [credentialsStatement(impi, credentials)] : []),
      ...irss.map(irs => this.#link(SETS_OF_PRIVATE, impi, irs)),
    )
  }

  /** Writes an implicit registration set as another store had it. */
  async restoreIrs(irs: IrsId, { impis, profiles }: RegistrationSet): Promise<void> {
    await this.#database.write(
      setStatement(irs),
      ...impis.map(impi => this.#link(PRIVATES_OF_SET, irs, impi)),
      ...profiles.map(profile => this.#link(PROFILES_OF_SET, irs, profile)),
    )
  }

  /** Writes a service profile as another store had it. */
  async restoreProfile(profile: ProfileId, { irs, impus, filterCriteria }: StoredProfile): Promise<void> {
    await this.#database.write(
      profileStatement(profile, irs, filterCriteria),
      ...impus.map(impu => this.#link(PUBLICS_OF_PROFILE, profile, impu)),
    )
  }

  /** Writes a public identity as another store had it, unless it is somebody's here. @returns whether it is now as given */
  async restorePublic(impu: Impu, user: PublicUser): Promise<boolean> {
    return contested(async () => {
      const won = await this.#claim(impu, user, undefined)
      if (won === true) return { value: true }
      const known = await this.getPublic(impu)
      return known === undefined ? undefined : { value: known.profile === user.profile }
    })
  }

  async #renew(
    { impi, filterCriteria }: Subscriber,
    credentials: Credentials,
    user: PrivateUser | undefined,
    known: PublicUser,
  ): Promise<SubscriberOutcome> {
    if (user?.irss.includes(known.irs) !== true) return { result: 'conflict' }
    const profile = await this.getProfile(known.profile)
    const changes = [
      ...(sameCredentials(user, credentials) ? [] : [credentialsStatement(impi, credentials)]),
      ...(profile === undefined || profile.filterCriteria === filterCriteria
        ? []
        : [profileStatement(known.profile, profile.irs, filterCriteria)]),
    ]
    await this.#database.write(...changes)
    return { result: changes.length === 0 ? 'unchanged' : 'updated', irs: known.irs }
  }

  /** Writes the row of a public identity if it is in this profile, or in none. */
  #claim(
    impu: Impu,
    { irs, profile, xml }: PublicUser,
    from: ProfileId | undefined,
  ): Promise<boolean | undefined> {
    return this.#database.decide(
      `UPDATE ${PUBLICS} SET publicidentity = ?, service_profile = ?, irs = ? WHERE public_id = ?
        IF service_profile = ?`,
      [xml, profile, irs, impu, from ?? null],
    )
  }

  /** Empties the row of a public identity. @returns the profile that it was in */
  #release(impu: Impu): Promise<ProfileId | undefined> {
    return contested(async () => {
      const [row] = await this.#database.read(
        `SELECT service_profile FROM ${PUBLICS} WHERE public_id = ? LIMIT 1`,
        [impu],
      )
      const profile = textIn(row, 'service_profile')
      if (profile === undefined) return { value: undefined }
      const won = await this.#database.decide(
        `DELETE publicidentity, service_profile, irs FROM ${PUBLICS} WHERE public_id = ? IF service_profile = ?`,
        [impu, profile],
      )
      return won === true ? { value: profile as ProfileId } : undefined
    })
  }

  async #removeProfileRows(profile: ProfileId, ...more: readonly Statement[]): Promise<void> {
    for (const impu of (await this.getProfile(profile))?.impus ?? []) {
      // One that has moved is left alone: its row names another profile.
      if ((await this.getPublic(impu))?.profile === profile) await this.#release(impu)
    }
    await this.#database.write(removal(PROFILES, 'id', profile), ...more)
  }

  async #listed(row: Row): Promise<ListedPublicUser | undefined> {
    const impu = textIn(row, 'public_id') as Impu | undefined
    const profile = textIn(row, 'service_profile') as ProfileId | undefined
    // What is left of a row that was emptied.
    if (impu === undefined || profile === undefined) return undefined
    const irs = textIn(row, 'irs') ?? (await this.getPublic(impu))?.irs
    return irs === undefined ? undefined : { impu, irs: irs as IrsId, profile }
  }

  #link(table: LinkTable, from: string, to: string): Statement {
    return linkStatement(table, from, to, this.#database.micros())
  }
}

function credentialsStatement(impi: Impi, credentials: Credentials): Statement {
  const { ha1, sha256Ha1, realm, plaintextPassword, hasUsim } = credentials
  return {
    query: `INSERT INTO ${PRIVATES}
      (private_id, digest_ha1, realm, plaintext_password, digest_sha256_ha1, has_usim) VALUES (?, ?, ?, ?, ?, ?)`,
    values: [
      ...[impi, ha1 ?? null, realm, plaintextPassword ?? null, sha256Ha1 ?? null],
      ...[hasUsim ?? null],
    ],
    partition: partitionOf(PRIVATES, impi),
  }
}

function setStatement(irs: IrsId): Statement {
  return {
    query: `INSERT INTO ${SETS} (id, column1, value) VALUES (?, ?, ?)`,
    values: [irs, EXISTS, Buffer.alloc(0)],
    partition: partitionOf(SETS, irs),
  }
}

function profileStatement(profile: ProfileId, irs: IrsId, filterCriteria?: string): Statement {
  const partition = partitionOf(PROFILES, profile)
  return filterCriteria === undefined
    ? { query: `UPDATE ${PROFILES} SET irs = ? WHERE id = ?`, values: [irs, profile], partition }
    : {
        query: `UPDATE ${PROFILES} SET irs = ?, initialfiltercriteria = ? WHERE id = ?`,
        values: [irs, filterCriteria, profile],
        partition,
      }
}

function removal(table: string, key: string, value: string): Statement {
  return {
    query: `DELETE FROM ${table} WHERE ${key} = ?`,
    values: [value],
    partition: partitionOf(table, value),
  }
}

/** What a private identity proves itself by; undefined if the row holds no credentials. */
function credentialsIn(row: Row): Credentials | undefined {
  const ha1 = textIn(row, 'digest_ha1')
  const realm = textIn(row, 'realm')
  const hasUsim = row['has_usim'] === true
  if (realm === undefined && ha1 === undefined && !hasUsim) return undefined
  const sha256Ha1 = textIn(row, 'digest_sha256_ha1')
  const plaintextPassword = textIn(row, 'plaintext_password')
  return {
    realm: realm ?? '',
    ...(ha1 === undefined ? {} : { ha1 }),
    ...(sha256Ha1 === undefined ? {} : { sha256Ha1 }),
    ...(plaintextPassword === undefined ? {} : { plaintextPassword }),
    ...(hasUsim ? { hasUsim } : {}),
  }
}

function isUuid(value: string): boolean {
  return UUID.test(value)
}

/** A UUID (version 8 of RFC 9562) that is always the same for the same names. */
function uuidOf(...names: readonly string[]): string {
  const hex = hash('sha256', names.join('\0'), 'hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(12, 15)}-8${hex.slice(15, 18)}-${hex.slice(18, 30)}`
}

/** First and last token of a part of the ring. */
function tokenRange({ of, chunk }: RingPart): [first: bigint, last: bigint] {
  const place = (part: number): bigint => FIRST_TOKEN + (BigInt(part) * RING) / BigInt(of)
  return [place(chunk), place(chunk + 1) - 1n]
}
