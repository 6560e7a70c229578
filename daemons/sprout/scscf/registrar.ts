import { andThen, type Awaitable } from '../../../lib/kit/awaitable.ts'
import { instanceOf, publicGruu } from '../../../lib/ims/gruu.ts'
import type { Answer, ChargingAddresses, RegistrationData } from '../../../lib/ims/homestead.ts'
import type { RegistrationType } from '../../../lib/ims/ifc/criterion.ts'
import type { Impu } from '../../../lib/ims/identity.ts'
import { associatedUris, defaultImpuOf, firstImpuOf } from '../../../lib/ims/registered-set.ts'
import {
  askedOf,
  emptyRecord,
  formatBinding,
  isEmpty,
  withContacts,
  withoutOwnContacts,
  type Asked,
} from '../../../lib/ims/registration.ts'
import { registeredImpu } from '../../../lib/ims/register-request.ts'
import { supports } from '../../../lib/ims/session-timer.ts'
import { newTag } from '../../../lib/sip/branch.ts'
import type { ServerExchange } from '../../../lib/sip/exchange.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { HeaderEdit } from '../../../lib/sip/headers.ts'
import { responseTo, type SipRequest } from '../../../lib/sip/message.ts'
import { param } from '../../../lib/sip/params.ts'
import { quote } from '../../../lib/sip/scan.ts'
import { sipUriOf } from '../../../lib/sip/routing.ts'
import { uriParam } from '../../../lib/sip/uri.ts'
import type { Binding, RegistrationRecord } from '../../../lib/store/registration-store.ts'
import type { Core } from '../core.ts'
import type { AuthenticatedUser } from './authentication.ts'
import { deregister } from './deregister.ts'
import { chargingFunctions } from './isc.ts'
import { notifyWatchers } from './notify.ts'
import { update, type Change } from './record.ts'
import { lacksServers, tellServers, type RegistrationNews } from './third-party.ts'

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
  const changed = update(
    core,
    impu,
    (record, now) => {
      const current = record ?? emptyRecord(uris, core.scscfUri)
      if (asked.kind === 'fetch') return current
      if (asked.kind === 'remove-all') return withoutOwnContacts(current, user.impi)
      return withContacts({ ...current, associatedUris: uris }, asked.contacts, request, user.impi, now)
    },
    { ended: removesContact(asked) ? 'unregistered' : 'rejected' },
  )
  const accept = (change: Change): void => {
    const ok = responseTo(request, 200, {
      toTag: newTag(),
      edit: headers => describe(headers, request, change.after, uris, charging, core),
    })
    exchange.respond(ok)
    notifyWatchers(change, impu, core)
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
  if (lacksServers(news, core)) return endAtOnce('no filter criterion matches its REGISTER', [], news, core)
  return andThen(tellServers(news, core), missed =>
    missed.length > 0
      ? endAtOnce('an application server did not take the registration', missed, news, core)
      : undefined,
  )
}

async function endAtOnce(
  why: string,
  missed: readonly string[],
  { setName }: RegistrationNews,
  core: Core,
): Promise<void> {
  core.log.warn('a user is de-registered', { impu: setName, why, servers: missed })
  await deregister(setName, { tell: 'dereg-admin', except: missed }, core)
}

/** Else a contact that is gone has made room for others. */
function removesContact(asked: Asked): boolean {
  return asked.kind !== 'contacts' || asked.contacts.some(contact => contact.expires === 0)
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
  let withGruus: boolean | undefined
  for (const binding of record.bindings) {
    let contact = formatBinding(binding, now)
    if (param(binding.params, '+sip.instance') !== undefined) {
      outboundFlow ||= param(binding.params, 'reg-id') !== undefined
      withGruus ??= supports(request.headers, 'gruu')
      if (withGruus) contact += gruuParams(binding, request, uris, core)
    }
    headers.append(H.Contact, contact)
  }
  if (outboundFlow && firstPathIsOutbound(request) && supports(request.headers, 'outbound')) {
    headers.append(H.Require, 'outbound')
  }
  headers.append(H['P-Associated-URI'], uris.map(uri => `<${uri}>`).join(', '))
  const functions = chargingFunctions(charging)
  if (functions !== '') headers.append(H['P-Charging-Function-Addresses'], functions)
}

/** The GRUUs of a device, a temporary one only for that which registers (RFC 5627 §5.3). */
function gruuParams(binding: Binding, request: SipRequest, uris: readonly Impu[], core: Core): string {
  const registered = registeredImpu(request)
  const aor = registered !== undefined && uris.includes(registered) ? registered : uris[0]
  const instance = instanceOf(binding)
  if (instance === undefined || aor === undefined) return ''
  const open = publicGruu(aor, instance)
  const { callId, cseq, gruuFrom } = binding
  const isOwn = gruuFrom !== undefined && callId === request.callId
  const hidden = isOwn ? core.gruus.temporary(aor, { instance, callId, cseq }) : undefined
  return (
    (open === undefined ? '' : `;pub-gruu=${quote(open)}`) +
    (hidden === undefined ? '' : `;temp-gruu=${quote(hidden)}`)
  )
}

function firstPathIsOutbound(request: SipRequest): boolean {
  const paths = request.headers.list(H.Path)
  const first = paths.at(-1)
  const uri = first === undefined ? undefined : sipUriOf(first)
  return uri !== undefined && uriParam(uri, 'ob') !== undefined
}
