import type { ChargingAddresses } from '../../../lib/ims/homestead.ts'
import type { Impi, Impu } from '../../../lib/ims/identity.ts'
import { defaultImpuOf, firstImpuOf, servedIdentity } from '../../../lib/ims/registered-set.ts'
import type { ServiceProfile } from '../../../lib/ims/subscription.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import { parseNameAddr } from '../../../lib/sip/name-addr.ts'
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

/**
 * @param registering private identity by which the user is registered with this request, though without a contact
 * @returns the user's profile, or the SIP status to answer with
 */
export async function serve(
  impu: Impu,
  request: SipRequest,
  core: Core,
  registering?: Impi,
): Promise<Served | number> {
  const wildcard = profileKeyOf(request)
  const answer = await core.homestead.registrationData(impu, {
    ...(registering === undefined ? { type: 'call' } : { type: 'reg', impi: registering, bypassCache: true }),
    serverName: core.scscfUri,
    ...(wildcard === undefined ? {} : { wildcardIdentity: wildcard }),
  })
  if (!answer.ok) return answer.status === 503 || answer.status === 504 ? 504 : 404
  const { subscription, state, charging } = answer.value
  const found = subscription === undefined ? undefined : servedIdentity(subscription, impu)
  if (subscription === undefined || found === undefined) return 404
  const { barred } = found.identity
  const setName = defaultImpuOf(subscription) ?? firstImpuOf(subscription) ?? impu
  return {
    impu,
    profile: found.profile,
    setName,
    registered: state === 'REGISTERED',
    barred,
    emergencyOnly: barred && (await isReachableInEmergency(setName, core)),
    charging,
  }
}

/** Who is barred may still be called back by an emergency centre (TS 24.229 §5.4.3.3). */
async function isReachableInEmergency(setName: Impu, core: Core): Promise<boolean> {
  const stored = await core.registrations.get(setName)
  const now = core.clock.now()
  return stored?.value.bindings.some(({ emergency, expiresAt }) => emergency && expiresAt > now) === true
}

/** The wildcard by which the I-CSCF has found the user (RFC 5002); undefined for one that was found by name. */
function profileKeyOf(request: SipRequest): string | undefined {
  const value = request.headers.get(H['P-Profile-Key'])
  const uri = value === undefined ? undefined : parseNameAddr(value)?.uri
  try {
    return uri === undefined ? undefined : decodeURIComponent(uri)
  } catch {
    return undefined
  }
}

/** Users of ours have an address at home or a number (sip.md §6.2 step 4). */
export function isServed(uri: Uri, core: Core): boolean {
  return uri.kind === 'tel' || (uri.kind === 'sip' && (core.isHome(uri) || core.isLocal(uri)))
}
