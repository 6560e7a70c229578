import type { ChargingAddresses } from '../../../lib/ims/homestead.ts'
import type { Impu } from '../../../lib/ims/identity.ts'
import { defaultImpuOf, servedIdentity } from '../../../lib/ims/registered-set.ts'
import type { ServiceProfile } from '../../../lib/ims/subscription.ts'
import type { Uri } from '../../../lib/sip/uri.ts'
import type { Core } from '../core.ts'

/** The user on whose behalf a request is handled. */
export interface Served {
  readonly impu: Impu
  readonly profile: ServiceProfile
  /** Default identity of the implicit registration set: the key of its record. */
  readonly setName: Impu
  readonly registered: boolean
  readonly barred: boolean
  /** Only contacts of an emergency registration may be reached. */
  readonly emergencyOnly: boolean
  readonly charging: ChargingAddresses
}

/** @returns the user's profile, or the SIP status to answer with */
export async function serve(impu: Impu, core: Core): Promise<Served | number> {
  const answer = await core.homestead.registrationData(impu, { type: 'call', serverName: core.scscfUri })
  if (!answer.ok) return answer.status === 503 || answer.status === 504 ? 504 : 404
  const { subscription, state, charging } = answer.value
  const found = subscription === undefined ? undefined : servedIdentity(subscription, impu)
  if (subscription === undefined || found === undefined) return 404
  const { barred } = found.identity
  return {
    impu,
    profile: found.profile,
    setName: defaultImpuOf(subscription) ?? impu,
    registered: state === 'REGISTERED',
    barred,
    emergencyOnly: false,
    charging,
  }
}

/** Users of ours have an address at home or a number (sip.md §6.2 step 4). */
export function isServed(uri: Uri, core: Core): boolean {
  return uri.kind === 'tel' || (uri.kind === 'sip' && (core.isHome(uri) || core.isLocal(uri)))
}
