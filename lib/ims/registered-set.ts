import type { Impu } from './identity.ts'
import { matchesWildcard } from './wildcard.ts'
import type { ImsSubscription, PublicIdentity, ServiceProfile } from './subscription.ts'

/** The default public identity of a set: its first that is not barred (TS 23.228 §5.2.1a); it names the set. */
export function defaultImpuOf(subscription: ImsSubscription): Impu | undefined {
  for (const profile of subscription.profiles) {
    for (const identity of profile.identities) if (!identity.barred) return identity.impu
  }
  return undefined
}

/** The first identity of a set, barred or not: who registers for an emergency call may have no other. */
export function firstImpuOf(subscription: ImsSubscription): Impu | undefined {
  return subscription.profiles.flatMap(profile => profile.identities)[0]?.impu
}

/**
 * The identity and the profile it is served by; undefined if it is not of this subscription. One that is named beats a
 * wildcard that stands for it (TS 23.003 §13.5).
 */
export function servedIdentity(
  subscription: ImsSubscription,
  impu: Impu,
): { readonly identity: PublicIdentity; readonly profile: ServiceProfile } | undefined {
  for (const profile of subscription.profiles) {
    for (const identity of profile.identities) if (identity.impu === impu) return { identity, profile }
  }
  for (const profile of subscription.profiles) {
    for (const identity of profile.identities) {
      if (identity.wildcard !== undefined && matchesWildcard(identity.wildcard, impu))
        return { identity, profile }
    }
  }
  return undefined
}

/** The wildcards of a set that stand for identities which are not barred. */
export function wildcardsOf(subscription: ImsSubscription): readonly string[] {
  return subscription.profiles
    .flatMap(profile => profile.identities)
    .flatMap(({ barred, wildcard }) => (barred || wildcard === undefined ? [] : [wildcard]))
}

/** What the user may be told to be known by: neither barred nor wildcarded, the default one first (TS 24.229 §5.4.1.2.2). */
export function associatedUris(subscription: ImsSubscription): readonly Impu[] {
  const uris: Impu[] = []
  for (const profile of subscription.profiles) {
    for (const { impu, barred, wildcard } of profile.identities) {
      if (!barred && wildcard === undefined) uris.push(impu)
    }
  }
  return uris
}
