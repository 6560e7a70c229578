import { hash } from 'node:crypto'
import type { ChargingAddresses } from '../../lib/ims/homestead.ts'
import type { Impi, Impu } from '../../lib/ims/identity.ts'
import { parseImsSubscription } from '../../lib/ims/subscription-xml.ts'
import { KeyedLock } from '../../lib/kit/keyed-lock.ts'
import type { AkaKey, AkaStore, Sqn } from '../../lib/store/aka-store.ts'
import type {
  Credentials,
  IrsId,
  ProfileId,
  ProvisioningStore,
  PublicUser,
  Subscriber,
} from '../../lib/store/provisioning-store.ts'
import type { SubscriberCacheStore } from '../../lib/store/subscriber-cache-store.ts'
import { subscriptionDocument, type ProfileParts } from './subscription-document.ts'

export interface ProvisioningOptions {
  readonly store: ProvisioningStore
  readonly cache: SubscriberCacheStore
  readonly aka: AkaStore
  /** Charging addresses that every subscriber gets: `cdf_identity`. */
  readonly charging: ChargingAddresses
}

/** What is written into a USIM, and the last sequence number that it has seen, where that is known. */
export interface Usim {
  readonly key: AkaKey
  readonly sqn?: Sqn
}

/** `elsewhere`: it exists, but not in what was named around it. */
export type Outcome = 'done' | 'absent' | 'elsewhere'

const QOP = 'auth'

/**
 * Changes to the subscriber database, each followed into homestead's cache before it is acknowledged, so that it is
 * effective at once.
 *
 * Changes that concern the same set or private identity are made one after the other. One that was interrupted
 * between database and cache is completed by repeating it: also a deletion of what is gone cleans the cache.
 */
export class Provisioning {
  readonly store: ProvisioningStore
  readonly #cache: SubscriberCacheStore
  readonly #aka: AkaStore
  readonly #charging: ChargingAddresses
  readonly #lock = new KeyedLock()

  constructor(options: ProvisioningOptions) {
    this.store = options.store
    this.#cache = options.cache
    this.#aka = options.aka
    this.#charging = options.charging
  }

  /** Replaces all that a private identity proves itself by. */
  async putPrivate(impi: Impi, given: Omit<Credentials, 'hasUsim'>, usim?: Usim): Promise<void> {
    const credentials: Credentials = usim === undefined ? given : { ...given, hasUsim: true }
    await this.#lock.run([impi], async () => {
      await Promise.all([
        usim === undefined ? this.#aka.remove(impi) : this.#aka.put(impi, usim.key, usim.sqn),
        this.store.putPrivate(impi, credentials),
        this.#putAuthentication(impi, credentials),
      ])
    })
  }

  async removePrivate(impi: Impi): Promise<boolean> {
    return this.#lock.run([impi], async () => {
      const removed = await this.store.removePrivate(impi)
      await Promise.all([this.#cache.removePrivate(impi), this.#aka.remove(impi)])
      return removed
    })
  }

  async associate(impi: Impi, irs: IrsId): Promise<boolean> {
    return this.#lock.run([impi, irs], async () => {
      if (!(await this.store.associate(impi, irs))) return false
      const user = await this.store.getPrivate(impi)
      if (user !== undefined) await this.#putAuthentication(impi, user)
      await this.#push(irs)
      return true
    })
  }

  async dissociate(impi: Impi, irs: IrsId): Promise<boolean> {
    return this.#lock.run([impi, irs], async () => {
      if (!(await this.store.dissociate(impi, irs))) return false
      await this.#cache.linkImpus(impi, [], await this.#impusOf(irs))
      return true
    })
  }

  async removeIrs(irs: IrsId): Promise<boolean> {
    return this.#lock.run([irs], async () => {
      const impis = (await this.store.getIrs(irs))?.impis ?? []
      const impus = await this.#impusOf(irs)
      await this.#forget(impus, impis)
      return this.store.removeIrs(irs)
    })
  }

  async removeProfile(irs: IrsId, profile: ProfileId): Promise<Outcome> {
    return this.#lock.run([irs], async () => {
      const stored = await this.store.getProfile(profile)
      if (stored === undefined) return 'absent'
      if (stored.irs !== irs) return 'elsewhere'
      await this.#forget(stored.impus, (await this.store.getIrs(irs))?.impis ?? [])
      await this.store.removeProfile(profile)
      await this.#push(irs)
      return 'done'
    })
  }

  async putPublic(irs: IrsId, profile: ProfileId, impu: Impu, xml: string): Promise<Outcome> {
    const before = await this.store.getPublic(impu)
    return this.#lock.run([irs, before?.irs ?? irs], async () => {
      const stored = await this.store.getProfile(profile)
      if (stored === undefined) return 'absent'
      if (stored.irs !== irs) return 'elsewhere'
      if (before !== undefined && before.irs !== irs) {
        await this.#forget([impu], (await this.store.getIrs(before.irs))?.impis ?? [])
      }
      await this.store.putPublic(profile, impu, xml)
      await this.#push(irs)
      if (before !== undefined && before.irs !== irs) await this.#push(before.irs)
      return 'done'
    })
  }

  async removePublic(irs: IrsId, profile: ProfileId, impu: Impu): Promise<Outcome> {
    return this.#lock.run([irs], async () => {
      const stored = await this.store.getProfile(profile)
      const known = await this.store.getPublic(impu)
      if (stored !== undefined && stored.irs !== irs) return 'elsewhere'
      if (known !== undefined && known.profile !== profile)
        return stored === undefined ? 'absent' : 'elsewhere'
      await this.#forget([impu], (await this.store.getIrs(irs))?.impis ?? [])
      if (!(await this.store.removePublic(impu))) return 'absent'
      await this.#push(irs)
      return 'done'
    })
  }

  async putFilterCriteria(irs: IrsId, profile: ProfileId, xml: string): Promise<Outcome> {
    return this.#lock.run([irs], async () => {
      const stored = await this.store.getProfile(profile)
      if (stored === undefined) return 'absent'
      if (stored.irs !== irs) return 'elsewhere'
      await this.store.putFilterCriteria(profile, xml)
      await this.#push(irs)
      return 'done'
    })
  }

  /** Creates or renews a whole subscriber; doing it again changes nothing. Many at once share their commits. */
  async putSubscriber(subscriber: Subscriber): Promise<'created' | 'updated' | 'unchanged' | 'conflict'> {
    const { impi, impu } = subscriber
    const outcome = await this.#lock.run([impi, impu], async () => {
      const stored = await this.store.putSubscriber(subscriber)
      if (stored.result === 'created') await this.#pushNew(subscriber)
      else if (stored.result === 'updated')
        await Promise.all([this.#aka.remove(impi), this.#putAuthentication(impi, subscriber)])
      return stored
    })
    if (outcome.result === 'conflict' || outcome.result === 'created') return outcome.result
    if (outcome.result === 'updated' || !(await this.#isCached(subscriber))) {
      await this.associate(impi, outcome.irs)
    }
    return outcome.result
  }

  /** All public identities of a set, in the order of its document. */
  async #impusOf(irs: IrsId): Promise<Impu[]> {
    const impus: Impu[] = []
    for (const profile of (await this.store.getIrs(irs))?.profiles ?? [])
      impus.push(...((await this.store.getProfile(profile))?.impus ?? []))
    return impus
  }

  /** Rewrites the cache rows of a set (interfaces.md §2.8); without a SIP identity it has none. */
  async #push(irs: IrsId): Promise<void> {
    const set = await this.store.getIrs(irs)
    if (set === undefined) return
    const profiles = await Promise.all(set.profiles.map(profile => this.#profileParts(profile)))
    const impus = profiles.flatMap(profile => profile.impus)
    if (!impus.some(impu => impu.startsWith('sip:'))) {
      await this.#forget(impus, set.impis)
      return
    }
    const document = subscriptionDocument(profiles.filter(profile => profile.impus.length > 0))
    await Promise.all([
      this.#cache.putSubscription(impus, document, this.#charging),
      this.#cache.setWildcards(wildcardsOf(impus, document)),
      ...set.impis.map(impi => this.#cache.linkImpus(impi, impus, [])),
    ])
  }

  async #profileParts(profile: ProfileId): Promise<ProfileParts & { readonly impus: readonly Impu[] }> {
    const stored = await this.store.getProfile(profile)
    // The default identity is the first one; a SIP identity can always be reached.
    const impus = (stored?.impus ?? []).toSorted(sipFirst)
    const publics = await Promise.all(impus.map(impu => this.store.getPublic(impu)))
    return {
      impus,
      identities: publics.filter((user): user is PublicUser => user !== undefined).map(user => user.xml),
      filterCriteria: stored?.filterCriteria,
    }
  }

  async #pushNew({ impi, impu, identityXml, filterCriteria, ...credentials }: Subscriber): Promise<void> {
    const document = subscriptionDocument([{ identities: [identityXml], filterCriteria }])
    await Promise.all([
      this.#cache.putSubscription([impu], document, this.#charging),
      this.#putAuthentication(impi, credentials),
      this.#cache.linkImpus(impi, [impu], []),
    ])
  }

  async #isCached({ impi, impu, ha1, sha256Ha1, realm }: Subscriber): Promise<boolean> {
    const digest = (await this.#cache.getPrivate(impi))?.digest
    if (digest?.sha256Ha1 !== sha256Ha1) return false
    const row = await this.#cache.getSubscription(impu)
    return row !== undefined && digest?.ha1 === ha1 && digest?.realm === realm
  }

  async #putAuthentication(impi: Impi, { ha1, sha256Ha1, realm, hasUsim }: Credentials): Promise<void> {
    const more = sha256Ha1 === undefined ? {} : { sha256Ha1 }
    await this.#cache.putAuthentication(impi, {
      ...(ha1 === undefined ? {} : { digest: { ha1, realm, qop: QOP, ...more } }),
      ...(hasUsim === undefined ? {} : { hasUsim }),
    })
  }

  async #forget(impus: readonly Impu[], impis: readonly Impi[]): Promise<void> {
    await Promise.all([
      this.#cache.removeSubscriptions(impus),
      ...impis.map(impi => this.#cache.linkImpus(impi, [], impus)),
    ])
  }
}

/** HA1 of digest authentication (RFC 7616 §3.4.2, MD5). */
export function digestHa1(impi: string, realm: string, password: string): string {
  return hash('md5', `${impi}:${realm}:${password}`, 'hex')
}

/** The wildcard of each identity in a document. */
function wildcardsOf(impus: readonly Impu[], document: string): ReadonlyMap<Impu, string | undefined> {
  const wildcards = new Map<Impu, string | undefined>(impus.map(impu => [impu, undefined]))
  // Nearly no document has any, and none without this word.
  if (!document.includes('<IdentityType') && !document.includes('<Wildcarded')) return wildcards
  const result = parseImsSubscription(document)
  for (const profile of result.ok ? result.subscription.profiles : [])
    for (const { impu, wildcard } of profile.identities) wildcards.set(impu, wildcard)
  return wildcards
}

function sipFirst(a: Impu, b: Impu): number {
  return Number(b.startsWith('sip:')) - Number(a.startsWith('sip:'))
}
