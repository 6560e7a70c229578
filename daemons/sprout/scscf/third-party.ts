import type { FilterCriterion, RegistrationType } from '../../../lib/ims/ifc/criterion.ts'
import { matches } from '../../../lib/ims/ifc/match.ts'
import { Effort } from '../../../lib/ims/ifc/pattern.ts'
import type { Awaitable } from '../../../lib/kit/awaitable.ts'
import type { Impu } from '../../../lib/ims/identity.ts'
import { servedIdentity } from '../../../lib/ims/registered-set.ts'
import type { ImsSubscription } from '../../../lib/ims/subscription.ts'
import { newTag, randomText } from '../../../lib/sip/branch.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { Headers } from '../../../lib/sip/headers.ts'
import { SipRequest } from '../../../lib/sip/message.ts'
import { parseUri } from '../../../lib/sip/uri.ts'
import type { RegistrationRecord } from '../../../lib/store/registration-store.ts'
import type { Core } from '../core.ts'
import { ask } from './ask.ts'
import { registerBody, type RegisterPair } from './third-party-body.ts'

/** What has become of a user's registration, for the application servers that want to know. */
export interface RegistrationNews {
  /** The identity that registered, or the default one of the set. */
  readonly impu: Impu
  readonly setName: Impu
  readonly subscription: ImsSubscription
  readonly type: RegistrationType
  /** The record as it is now. */
  readonly record: RegistrationRecord
  /** What the phone sent and was answered; absent where the network has ended the registration. */
  readonly pair?: RegisterPair
  /** Names of servers that know already. */
  readonly except?: readonly string[]
}

/**
 * Registers a user with the application servers whose criteria ask for it (TS 24.229 §5.4.1.7, sip.md §4.10).
 *
 * @returns the names of servers that the user cannot be registered without and that did not take the registration
 */
export function tellServers(news: RegistrationNews, core: Core): Awaitable<readonly string[]> {
  const { dummyAppServer } = core.options
  const criteria = criteriaFor(news, core).filter(({ server }) => server.name !== dummyAppServer)
  if (criteria.length === 0 || isForEmergency(news)) return []
  return tell(criteria, news, core)
}

/** Whether no server wants to know of a registration, where some has to (`reject_if_no_matching_ifcs`). */
export function lacksServers(news: RegistrationNews, core: Core): boolean {
  if (!core.options.rejectIfNoMatchingIfcs || news.type === 'de-registration' || isForEmergency(news))
    return false
  return criteriaFor(news, core).length === 0
}

/** An emergency registration is nobody's business but the emergency call's. */
function isForEmergency({ record }: RegistrationNews): boolean {
  return record.bindings.some(binding => binding.emergency)
}

async function tell(
  criteria: readonly FilterCriterion[],
  news: RegistrationNews,
  core: Core,
): Promise<readonly string[]> {
  const expires = news.type === 'de-registration' ? 0 : secondsLeft(news.record, core)
  const missed = await Promise.all(
    criteria.map(async ({ server }) => {
      const uri = parseUri(server.name)
      const status =
        uri?.kind === 'sip'
          ? await ask(thirdParty(server, expires, news, core), { via: 'uri', uri }, core)
          : 502
      const failed = status === 408 || (status >= 500 && status < 600)
      if (failed)
        core.log.info('an application server did not take a registration', { server: server.name, status })
      return failed && expires > 0 && server.defaultHandling === 'terminate' ? [server.name] : []
    }),
  )
  return missed.flat()
}

function criteriaFor(news: RegistrationNews, core: Core): readonly FilterCriterion[] {
  const profile = servedIdentity(news.subscription, news.impu)?.profile
  const own = profile === undefined ? [] : core.criteria.of(profile)
  const { fallback } = core.criteria
  if (own.length === 0 && fallback.length === 0) return []
  const request = news.pair?.request ?? networkRegister(core)
  const effort = new Effort()
  const wanted = (criterion: FilterCriterion): boolean =>
    news.except?.includes(criterion.server.name) !== true &&
    matches(criterion, {
      request,
      sessionCase: 'originating',
      registered: true,
      registrationType: news.type,
      effort,
    })
  const found = own.filter(wanted)
  return found.length > 0 ? found : fallback.filter(wanted)
}

/** Stands in for the REGISTER that there is none of when the network ends a registration. */
function networkRegister(core: Core): SipRequest {
  return new SipRequest('REGISTER', core.scscfUri, Headers.none)
}

function secondsLeft(record: RegistrationRecord, core: Core): number {
  const last = Math.max(0, ...record.bindings.map(binding => binding.expiresAt))
  return Math.max(0, Math.ceil((last - core.clock.now()) / 1000))
}

const OF_THE_REQUEST = [H['P-Access-Network-Info'], H['P-Visited-Network-ID'], H['P-Charging-Vector']]
const OF_THE_ANSWER = [H['P-Charging-Function-Addresses']]

function thirdParty(
  server: FilterCriterion['server'],
  expires: number,
  news: RegistrationNews,
  core: Core,
): SipRequest {
  const barred = servedIdentity(news.subscription, news.impu)?.identity.barred === true
  const edit = Headers.none
    .edit()
    .append(H['Max-Forwards'], '70')
    .append(H.From, `<${core.scscfUri}>;tag=${newTag()}`)
    .append(H.To, `<${barred ? news.setName : news.impu}>`)
    .append(H['Call-ID'], `${randomText(22)}@${core.options.localHost}`)
    .append(H.CSeq, '1 REGISTER')
    .append(H.Contact, `<${core.scscfUri}>`)
    .append(H.Expires, String(expires))
  for (const id of OF_THE_REQUEST) {
    for (const value of news.pair?.request.headers.lines(id) ?? []) edit.append(id, value)
  }
  for (const id of OF_THE_ANSWER) {
    for (const value of news.pair?.answer.headers.lines(id) ?? []) edit.append(id, value)
  }
  const body = registerBody(server, news.pair, core.options.forceThirdPartyRegBody)
  if (body !== undefined) edit.append(H['Content-Type'], body.type)
  return new SipRequest('REGISTER', server.name, edit.done(), body?.text)
}
