import type { Impi, Impu } from '../ims/identity.ts'

/** Id of an implicit registration set (a UUID). */
export type IrsId = string & { readonly __brand: 'IrsId' }
/** Id of a service profile (a UUID). */
export type ProfileId = string & { readonly __brand: 'ProfileId' }

export interface Credentials {
  /** Lower-case hex MD5 of `impi:realm:password`; absent for who has a USIM instead of a password. */
  readonly ha1?: string
  /** The same by SHA-256, for phones that know RFC 8760. */
  readonly sha256Ha1?: string
  readonly realm: string
  readonly plaintextPassword?: string
  /** The AkaStore has the key of a USIM. */
  readonly hasUsim?: true
}

/** Whether two prove themselves by the same. */
export function sameCredentials(a: Credentials, b: Credentials): boolean {
  return (
    a.ha1 === b.ha1 &&
    a.sha256Ha1 === b.sha256Ha1 &&
    a.realm === b.realm &&
    a.plaintextPassword === b.plaintextPassword &&
    a.hasUsim === b.hasUsim
  )
}

export interface PrivateUser extends Credentials {
  readonly irss: readonly IrsId[]
}

export interface RegistrationSet {
  readonly impis: readonly Impi[]
  readonly profiles: readonly ProfileId[]
}

export interface StoredProfile {
  readonly irs: IrsId
  readonly impus: readonly Impu[]
  /** The `ServiceProfile` document with the filter criteria, if one was stored. */
  readonly filterCriteria?: string
}

export interface PublicUser {
  readonly irs: IrsId
  readonly profile: ProfileId
  /** The `PublicIdentity` element. */
  readonly xml: string
}

/** A part of the ring on which public identities lie evenly: part `chunk` (from 0) of `of` equal ones. */
export interface RingPart {
  readonly of: number
  readonly chunk: number
}

export interface ListedPublicUser {
  readonly impu: Impu
  readonly irs: IrsId
  readonly profile: ProfileId
}

/** A subscriber of the usual shape: one private identity, one set, one profile, one public identity. */
export interface Subscriber extends Credentials {
  readonly impi: Impi
  readonly impu: Impu
  readonly identityXml: string
  readonly filterCriteria: string
}

/** `conflict`: the public identity belongs to another subscriber. */
export type SubscriberOutcome =
  | { readonly result: 'created' | 'updated' | 'unchanged'; readonly irs: IrsId }
  | { readonly result: 'conflict' }

/**
 * The built-in subscriber database: private identities, implicit registration sets, service profiles and public
 * identities, with both directions of each association.
 *
 * Consistency: each method is atomic, and a resolved promise means that the change survives the death of the
 * process. `false` says that something named does not exist, and that nothing was changed.
 */
export interface ProvisioningStore {
  getPrivate(impi: Impi): Promise<PrivateUser | undefined>
  /** Creates or replaces the credentials; associations stay. */
  putPrivate(impi: Impi, credentials: Credentials): Promise<void>
  /** Also takes it out of its sets. */
  removePrivate(impi: Impi): Promise<boolean>

  createIrs(): Promise<IrsId>
  getIrs(irs: IrsId): Promise<RegistrationSet | undefined>
  /** With its profiles, their public identities and its associations. */
  removeIrs(irs: IrsId): Promise<boolean>
  associate(impi: Impi, irs: IrsId): Promise<boolean>
  dissociate(impi: Impi, irs: IrsId): Promise<boolean>

  /** @returns undefined if there is no such set. */
  createProfile(irs: IrsId): Promise<ProfileId | undefined>
  getProfile(profile: ProfileId): Promise<StoredProfile | undefined>
  /** With its public identities. */
  removeProfile(profile: ProfileId): Promise<boolean>
  putFilterCriteria(profile: ProfileId, xml: string): Promise<boolean>

  getPublic(impu: Impu): Promise<PublicUser | undefined>
  /** Creates or replaces it; one that was in another profile moves. */
  putPublic(profile: ProfileId, impu: Impu, xml: string): Promise<boolean>
  removePublic(impu: Impu): Promise<boolean>
  /** Public identities of a part of the ring, in batches, in no particular order. */
  publicUsers(part: RingPart): AsyncIterable<readonly ListedPublicUser[]>

  /** Creates all of a subscriber at once, or renews the credentials and criteria of one that is there. */
  putSubscriber(subscriber: Subscriber): Promise<SubscriberOutcome>
}
