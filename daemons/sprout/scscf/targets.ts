import {
  callerPreferences,
  forkingWish,
  matchingContacts,
  type ForkingWish,
} from '../../../lib/ims/caller-preferences.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import type { Binding } from '../../../lib/store/registration-store.ts'
import type { Core } from '../core.ts'
import type { Served } from './served.ts'

/** At most so many contacts of a user ring at once. */
const MOST_FORKS = 10

export interface Targets {
  /** Best first. */
  readonly bindings: readonly Binding[]
  readonly forking: ForkingWish
}

/**
 * The contacts of a user that a request is for: those of the device that a GRUU names, and of them those that the caller's
 * preferences leave; what the caller would like best comes first, then by q, then by how fresh they are (sip.md §6.8).
 *
 * @returns the status to answer with if there are none
 */
export function targetsOf(
  bindings: readonly Binding[],
  request: SipRequest,
  served: Served,
  core: Core,
): Targets | 404 | 480 {
  const now = core.clock.now()
  const uri = request.parsedUri
  const device = uri?.kind === 'sip' ? core.gruus.targetOf(uri) : undefined
  const reached = bindings.filter(
    binding =>
      binding.expiresAt > now &&
      (!served.emergencyOnly || binding.emergency) &&
      (device === undefined || core.gruus.reaches(device, binding)),
  )
  // A public GRUU is good also while its device is away; a temporary one ends with its registration (RFC 5627 §5.4).
  if (reached.length === 0) return device === undefined || device.kind === 'public' ? 480 : 404
  const candidates = matchingContacts(reached, callerPreferences(request))
  if (candidates.length === 0) return 480
  const forking = forkingWish(request)
  const best = [...candidates].sort(
    (a, b) =>
      Number(b.preferred) - Number(a.preferred) ||
      b.binding.q - a.binding.q ||
      b.binding.expiresAt - a.binding.expiresAt,
  )
  const count = forking === 'no-fork' ? 1 : MOST_FORKS
  return { bindings: best.slice(0, count).map(({ binding }) => binding), forking }
}
