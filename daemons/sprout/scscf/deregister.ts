import type { RegDataRequestType } from '../../../lib/ims/homestead.ts'
import type { Impi, Impu } from '../../../lib/ims/identity.ts'
import type { ContactEvent } from '../../../lib/ims/reginfo.ts'
import { emptyRecord, isEmpty, nextExpiry, withoutBinding } from '../../../lib/ims/registration.ts'
import { millis } from '../../../lib/kit/clock.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import type { RegistrationRecord } from '../../../lib/store/registration-store.ts'
import type { Core } from '../core.ts'
import { tellEdges } from './edges.ts'
import { notifyWatchers } from './notify.ts'
import { EXPIRY, update } from './record.ts'
import { tellServers } from './third-party.ts'

/** Removes bindings when their time is over; the HSS hears of it when none is left (TS 24.229 §5.4.1.5). */
export function watchExpiry(core: Core): void {
  core.timers.onPop(EXPIRY, async pop => {
    const impu = pop.opaque as Impu
    const change = await update(core, impu, record => record ?? emptyRecord([], core.scscfUri))
    if (change === undefined)
      throw new CwError('STORE_FAILED', `the registration of ${impu} could not be looked at`)
    notifyWatchers(change, impu, core)
    const next = nextExpiry(change.after)
    if (next !== undefined) await core.timers.set(EXPIRY, impu, millis(next - core.clock.now()), impu)
    else if (!isEmpty(change.before) || (await isForgotten(impu, core)))
      await tellGone(impu, 'dereg-timeout', change.after, core)
  })
}

/** A record that has vanished while nobody was there to see it expire (`RegistrationStore`), and not by the phone's doing. */
async function isForgotten(impu: Impu, core: Core): Promise<boolean> {
  const answer = await core.homestead.readRegistrationData(impu)
  return answer.ok && answer.value.state === 'REGISTERED'
}

/** Forgets a binding whose flow is gone (RFC 5626 §5.3, 430). */
export async function forgetBinding(core: Core, impu: Impu, key: string): Promise<void> {
  const change = await update(core, impu, record =>
    withoutBinding(record ?? emptyRecord([], core.scscfUri), key),
  )
  if (change === undefined) return
  notifyWatchers(change, impu, core)
  if (isEmpty(change.after) && !isEmpty(change.before))
    await tellGone(impu, 'dereg-timeout', change.after, core)
}

export interface Deregistration {
  /** Only the bindings of this private identity. */
  readonly impi?: Impi
  /** What the HSS is told when no binding is left; absent if it is the one who asks. */
  readonly tell?: RegDataRequestType
  /** What has become of the contacts; `deactivated` invites them to register again (RFC 3680 §3.2). */
  readonly as?: ContactEvent
  /** Watchers are told nothing. */
  readonly quiet?: boolean
  /** Names of application servers that know already. */
  readonly except?: readonly string[]
}

/**
 * Ends a registration from the network's side (TS 24.229 §5.4.1.5): bindings and challenges go, edges, watchers and
 * application servers hear of it. Contacts for emergency calls stay (§5.4.8.4).
 *
 * @param setName default identity of the set
 * @returns how many bindings there were, or why none is gone: the store would not take it, the HSS would not hear of it
 */
export async function deregister(
  setName: Impu,
  { impi, tell, as = 'deactivated', quiet = false, except = [] }: Deregistration,
  core: Core,
): Promise<number | 'store failed' | 'homestead failed'> {
  const change = await update(
    core,
    setName,
    record => ({
      ...(record ?? emptyRecord([], core.scscfUri)),
      bindings:
        record?.bindings.filter(
          binding => binding.emergency || (impi !== undefined && binding.impi !== impi),
        ) ?? [],
    }),
    { ended: as, quiet },
  )
  if (change === undefined) return 'store failed'
  const { before, after } = change
  const gone = before.bindings.filter(binding => !after.bindings.includes(binding))
  await tellEdges(change, gone, core)
  notifyWatchers(change, setName, core)
  for (const each of new Set(gone.map(binding => binding.impi))) await core.challenges.removeAll(each)
  if (!isEmpty(after)) return gone.length
  // Without a binding there may still be a registration that nobody has ended at the HSS.
  const isOpen = gone.length > 0 || (tell !== undefined && (await isForgotten(setName, core)))
  if (!isOpen) return 0
  const told = await tellGone(setName, tell, after, core, except)
  return told ? gone.length : 'homestead failed'
}

/** The last binding is gone without the phone's doing: the HSS hears of it, then the application servers. */
async function tellGone(
  impu: Impu,
  type: RegDataRequestType | undefined,
  record: RegistrationRecord,
  core: Core,
  except: readonly string[] = [],
): Promise<boolean> {
  const { homestead, scscfUri } = core
  const answer =
    type === undefined
      ? await homestead.readRegistrationData(impu)
      : await homestead.registrationData(impu, { type, serverName: scscfUri })
  if (!answer.ok) return false
  const { subscription } = answer.value
  if (subscription === undefined) return true
  const news = { impu, setName: impu, subscription, type: 'de-registration', record, except } as const
  core.inBackground(() => tellServers(news, core))
  return true
}
