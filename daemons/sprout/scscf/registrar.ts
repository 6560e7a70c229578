import { andThen, type Awaitable } from '../../../lib/kit/awaitable.ts'
import { millis } from '../../../lib/kit/clock.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import type {
  Answer,
  ChargingAddresses,
  RegDataRequestType,
  RegistrationData,
} from '../../../lib/ims/homestead.ts'
import type { RegistrationType } from '../../../lib/ims/ifc/criterion.ts'
import type { Impu } from '../../../lib/ims/identity.ts'
import { associatedUris, defaultImpuOf, firstImpuOf } from '../../../lib/ims/registered-set.ts'
import {
  askedOf,
  emptyRecord,
  formatBinding,
  isEmpty,
  nextExpiry,
  withContacts,
  withoutBinding,
  withoutExpired,
  withoutOwnContacts,
  type Asked,
} from '../../../lib/ims/registration.ts'
import { supports } from '../../../lib/ims/session-timer.ts'
import { newTag } from '../../../lib/sip/branch.ts'
import type { ServerExchange } from '../../../lib/sip/exchange.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { HeaderEdit } from '../../../lib/sip/headers.ts'
import { responseTo, type SipRequest } from '../../../lib/sip/message.ts'
import { param } from '../../../lib/sip/params.ts'
import { sipUriOf } from '../../../lib/sip/routing.ts'
import { uriParam } from '../../../lib/sip/uri.ts'
import type { RegistrationRecord } from '../../../lib/store/registration-store.ts'
import type { Core } from '../core.ts'
import type { AuthenticatedUser } from './authentication.ts'
import { chargingFunctions } from './isc.ts'
import { tellServers, type RegistrationNews } from './third-party.ts'

const EXPIRY = 'registration'
/** A record that is fought over this often is not fought over but stuck. */
const MOST_ATTEMPTS = 20

/** Carries out an authenticated REGISTER (TS 24.229 §5.4.1.2.2, RFC 3261 §10.3). */
export function register(exchange: ServerExchange, user: AuthenticatedUser, core: Core): Awaitable<void> {
  const asked = askedOf(exchange.request, core.options.regMaxExpires)
  if (asked.kind === 'malformed') return core.answer(exchange, 400, { reason: asked.why })
  if (removesOnlyEmergency(asked)) return core.answer(exchange, 501)

  return andThen(fetchProfile(user, asked, core), answer => registerWith(answer, asked, exchange, user, core))
}

type AskedWell = Exclude<Asked, { kind: 'malformed' }>

function registerWith(
  answer: Answer<RegistrationData>,
  asked: AskedWell,
  exchange: ServerExchange,
  user: AuthenticatedUser,
  core: Core,
): Awaitable<void> {
  const { request } = exchange
  if (!answer.ok) return core.answer(exchange, statusOf(answer.status))
  const { subscription, charging, state } = answer.value
  if (addsBinding(asked) && state !== 'REGISTERED') return core.answer(exchange, 504)
  if (subscription === undefined) return core.answer(exchange, 403)
  // For an emergency call a barred identity will do (TS 24.229 §5.4.8.2).
  const impu = defaultImpuOf(subscription) ?? (isEmergency(asked) ? firstImpuOf(subscription) : undefined)
  if (impu === undefined) return core.answer(exchange, 400)

  const known = associatedUris(subscription)
  const uris = known.length > 0 ? known : [user.impu]
  const changed = update(core, impu, (record, now) => {
    const current = record ?? emptyRecord(uris, core.scscfUri)
    if (asked.kind === 'fetch') return current
    if (asked.kind === 'remove-all') return withoutOwnContacts(current, user.impi)
    return withContacts({ ...current, associatedUris: uris }, asked.contacts, request, user.impi, now)
  })
  const accept = (change: Change): void => {
    const ok = responseTo(request, 200, {
      toTag: newTag(),
      edit: headers => describe(headers, request, change.after, uris, charging, core),
    })
    exchange.respond(ok)
    const type = asked.kind === 'fetch' ? undefined : typeOf(change)
    if (type === undefined) return
    const pair = { request, answer: ok }
    const news = { impu: user.impu, setName: impu, subscription, type, record: change.after, pair }
    core.inBackground(() => tellAndHeed(news, core))
  }
  return andThen(changed, change => {
    if (change === undefined) return core.answer(exchange, 500)
    if (!isEmpty(change.after) || isEmpty(change.before)) return accept(change)
    const { impi } = user
    const gone = { type: 'dereg-user', impi, serverName: core.scscfUri } as const
    return andThen(core.homestead.registrationData(user.impu, gone), () => accept(change))
  })
}

/** What a REGISTER has done (sip.md §4.5); undefined if there was nothing to be done. */
function typeOf({ before, after }: Change): RegistrationType | undefined {
  if (isEmpty(after)) return isEmpty(before) ? undefined : 'de-registration'
  return isEmpty(before) ? 'initial' : 're-registration'
}

/** A user whose indispensable server does not take the registration is not registered (TS 24.229 §5.4.1.7). */
function tellAndHeed(news: RegistrationNews, core: Core): Awaitable<void> {
  return andThen(tellServers(news, core), missed =>
    missed.length > 0 ? deregister(news.setName, missed, core) : undefined,
  )
}

/** Ends a registration from the network's side. */
async function deregister(impu: Impu, without: readonly string[], core: Core): Promise<void> {
  const change = await update(core, impu, record => ({
    ...(record ?? emptyRecord([], core.scscfUri)),
    bindings: [],
  }))
  if (change === undefined || isEmpty(change.before)) return
  core.log.warn('a user is de-registered: an application server did not take the registration', {
    impu,
    servers: without,
  })
  await tellGone(impu, 'dereg-admin', change.after, core, without)
}

function removesOnlyEmergency(asked: Asked): boolean {
  return (
    asked.kind === 'contacts' &&
    asked.contacts.length > 0 &&
    asked.contacts.every(contact => contact.emergency && contact.expires === 0)
  )
}

function isEmergency(asked: Asked): boolean {
  return asked.kind === 'contacts' && asked.contacts.some(contact => contact.emergency)
}

function addsBinding(asked: Asked): boolean {
  return asked.kind === 'contacts' && asked.contacts.some(contact => contact.expires > 0)
}

/** A request that adds a binding registers at the HSS; one that only asks or removes must not (TS 29.228 §6.1.2). */
function fetchProfile(
  user: AuthenticatedUser,
  asked: Asked,
  core: Core,
): Awaitable<Answer<RegistrationData>> {
  if (!addsBinding(asked)) return core.homestead.readRegistrationData(user.impu)
  return core.homestead.registrationData(user.impu, {
    type: 'reg',
    impi: user.impi,
    serverName: core.scscfUri,
  })
}

/** sip.md §4.5. */
function statusOf(homestead: number): number {
  if (homestead === 404 || homestead === 403) return 403
  return homestead === 500 ? 500 : 504
}

/** The headers of the 200 (sip.md §4.6). */
function describe(
  headers: HeaderEdit,
  request: SipRequest,
  record: RegistrationRecord,
  uris: readonly Impu[],
  charging: ChargingAddresses,
  core: Core,
): void {
  const now = core.clock.now()
  headers.append(H['Service-Route'], `<sip:scscf.${core.options.sproutHostname};transport=TCP;lr;orig>`)
  for (const path of request.headers.lines(H.Path)) headers.append(H.Path, path)
  headers.append(H.Supported, 'outbound')
  let outboundFlow = false
  for (const binding of record.bindings) {
    headers.append(H.Contact, formatBinding(binding, now))
    outboundFlow ||=
      param(binding.params, '+sip.instance') !== undefined && param(binding.params, 'reg-id') !== undefined
  }
  if (outboundFlow && firstPathIsOutbound(request) && supports(request.headers, 'outbound')) {
    headers.append(H.Require, 'outbound')
  }
  headers.append(H['P-Associated-URI'], uris.map(uri => `<${uri}>`).join(', '))
  const functions = chargingFunctions(charging)
  if (functions !== '') headers.append(H['P-Charging-Function-Addresses'], functions)
}

function firstPathIsOutbound(request: SipRequest): boolean {
  const paths = request.headers.list(H.Path)
  const first = paths.at(-1)
  const uri = first === undefined ? undefined : sipUriOf(first)
  return uri !== undefined && uriParam(uri, 'ob') !== undefined
}

interface Change {
  readonly before: RegistrationRecord
  readonly after: RegistrationRecord
}

/**
 * Changes a record by compare-and-set, however many do so at once, and has it looked at when something expires.
 *
 * @returns undefined if the store would not take it
 */
function update(
  core: Core,
  impu: Impu,
  change: (record: RegistrationRecord | undefined, now: number) => RegistrationRecord,
  attempt = 1,
): Awaitable<Change | undefined> {
  return andThen(core.registrations.get(impu), stored => {
    const now = core.clock.now()
    const before = stored?.value ?? emptyRecord([], core.scscfUri)
    const after = withoutExpired(change(stored?.value, now), now)
    if (after === stored?.value || (stored === undefined && isEmpty(after))) return { before, after }
    const next = nextExpiry(after)
    const watching = watchFrom(core, impu, nextExpiry(before), next, now)
    const written = write(core, impu, after, next, stored?.version)
    const both =
      watching === undefined ? written : Promise.all([written, watching]).then(([result]) => result)
    return andThen(both, result => {
      if (result !== 'conflict') return { before, after }
      if (attempt < MOST_ATTEMPTS) return update(core, impu, change, attempt + 1)
      core.log.error('a registration record changes too often to be written', { impu })
      return undefined
    })
  })
}

/** @param next when something in the record expires; undefined: there is nothing left in it */
function write(
  core: Core,
  impu: Impu,
  record: RegistrationRecord,
  next: number | undefined,
  version: number | undefined,
): Awaitable<'stored' | 'removed' | 'conflict'> {
  if (next !== undefined) return core.registrations.put(impu, record, version)
  return version === undefined ? 'removed' : core.registrations.remove(impu, version)
}

/**
 * A renewal leaves the timer as it is, and so does the end of the last binding, since somebody else may register just
 * then: when it pops, it looks again and is set for what then expires next, if anything.
 */
function watchFrom(
  core: Core,
  impu: Impu,
  before: number | undefined,
  next: number | undefined,
  now: number,
): Promise<void> | undefined {
  if (next === undefined || (before !== undefined && next >= before)) return undefined
  return core.timers.set(EXPIRY, impu, millis(next - now), impu)
}

/** Removes bindings when their time is over; the HSS hears of it when none is left (TS 24.229 §5.4.1.5). */
export function watchExpiry(core: Core): void {
  core.timers.onPop(EXPIRY, async pop => {
    const impu = pop.opaque as Impu
    const change = await update(core, impu, record => record ?? emptyRecord([], core.scscfUri))
    if (change === undefined)
      throw new CwError('STORE_FAILED', `the registration of ${impu} could not be looked at`)
    const next = nextExpiry(change.after)
    if (next !== undefined) await core.timers.set(EXPIRY, impu, millis(next - core.clock.now()), impu)
    else if (!isEmpty(change.before)) await tellGone(impu, 'dereg-timeout', change.after, core)
  })
}

/** Forgets a binding whose flow is gone (RFC 5626 §5.3, 430). */
export async function forgetBinding(core: Core, impu: Impu, key: string): Promise<void> {
  const change = await update(core, impu, record =>
    withoutBinding(record ?? emptyRecord([], core.scscfUri), key),
  )
  if (change !== undefined && isEmpty(change.after) && !isEmpty(change.before))
    await tellGone(impu, 'dereg-timeout', change.after, core)
}

/** The last binding is gone without the phone's doing: the HSS hears of it, then the application servers. */
async function tellGone(
  impu: Impu,
  type: RegDataRequestType,
  record: RegistrationRecord,
  core: Core,
  except: readonly string[] = [],
): Promise<void> {
  const answer = await core.homestead.registrationData(impu, { type, serverName: core.scscfUri })
  if (!answer.ok || answer.value.subscription === undefined) return
  const { subscription } = answer.value
  const news = { impu, setName: impu, subscription, type: 'de-registration', record, except } as const
  core.inBackground(() => tellServers(news, core))
}
