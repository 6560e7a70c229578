import type { Awaitable } from '../kit/awaitable.ts'
import type { ChargingAddresses } from '../ims/homestead.ts'
import type { Impi, Impu } from '../ims/identity.ts'

/** What is known of a public identity: the row that the core reads for every registration and call. */
export interface CachedSubscription {
  /** The IMSSubscription document; the same for all identities of a set. */
  readonly xml: string
  readonly registered: boolean
  readonly charging: ChargingAddresses
  /** The private identities that have registered this set. */
  readonly impis: readonly Impi[]
}

export interface CachedDigest {
  readonly ha1: string
  readonly realm: string
  readonly qop: string
  /** Also challenged by SHA-256 (RFC 8760). */
  readonly sha256Ha1?: string
}

/** How a private identity proves itself. */
export interface CachedAuthentication {
  readonly digest?: CachedDigest
  /** By a USIM, whose key is in the AkaStore. */
  readonly hasUsim?: true
}

export interface CachedPrivateUser extends CachedAuthentication {
  readonly impus: readonly Impu[]
}

/**
 * The cache of homestead: what provisioning, or an HSS, last said of each identity.
 *
 * Consistency: each method is atomic, and a resolved promise means that the change survives the death of the
 * process. Changes of one row that touch different columns do not undo each other.
 */
export interface SubscriberCacheStore {
  getSubscription(impu: Impu): Awaitable<CachedSubscription | undefined>
  /** Creates or replaces document and charging addresses; registration state and bound impis stay. */
  putSubscription(impus: readonly Impu[], xml: string, charging: ChargingAddresses): Promise<void>
  /** Marks the rows that exist, and binds the impi, if given, to them. */
  setRegistered(impus: readonly Impu[], registered: boolean, impi?: Impi): Promise<void>
  /** With the wildcards that were among them. */
  removeSubscriptions(impus: readonly Impu[]): Promise<void>

  /** Says for each of these identities which wildcard it has; undefined for none, as nearly all. */
  setWildcards(wildcards: ReadonlyMap<Impu, string | undefined>): Promise<void>
  /** Every wildcard, with the identity under whose name its subscription is. */
  wildcards(): Awaitable<ReadonlyMap<Impu, string>>

  getPrivate(impi: Impi): Awaitable<CachedPrivateUser | undefined>
  /** Replaces how it proves itself; the public identities stay. */
  putAuthentication(impi: Impi, authentication: CachedAuthentication): Promise<void>
  /** Lets a private identity use public ones, and no longer use others. */
  linkImpus(impi: Impi, add: readonly Impu[], remove: readonly Impu[]): Promise<void>
  removePrivate(impi: Impi): Promise<void>
}
