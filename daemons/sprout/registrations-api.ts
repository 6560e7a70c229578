import {
  empty,
  isObject,
  json,
  jsonObject,
  type HttpAnswer,
  type HttpRequest,
} from '../../lib/http/message.ts'
import type { HttpServer } from '../../lib/http/server.ts'
import type { Impi, Impu } from '../../lib/ims/identity.ts'
import { associatedUris, defaultImpuOf, firstImpuOf } from '../../lib/ims/registered-set.ts'
import { emptyRecord } from '../../lib/ims/registration.ts'
import { impuFromText, parseImsSubscription } from '../../lib/ims/subscription-xml.ts'
import { parseParams } from '../../lib/sip/params.ts'
import { unquote } from '../../lib/sip/scan.ts'
import type { Binding, RegistrationRecord, Subscription } from '../../lib/store/registration-store.ts'
import type { Core } from './core.ts'
import { deregister } from './scscf/deregister.ts'
import { notifyWatchers } from './scscf/notify.ts'
import { update } from './scscf/record.ts'

/**
 * Sprout's interface for homestead, which passes on what the HSS wants, and for operators (interfaces.md §9.3, §9.4).
 */
export function addRegistrationRoutes(server: HttpServer, core: Core): void {
  server.route('/registrations', { DELETE: request => endRegistrations(request, core) })
  server.route('/registrations/:impu', { PUT: request => takeProfile(request, core) })
  server.route('/impu/:impu', { DELETE: request => endRegistration(request, core) })
  server.route('/impu/:impu/bindings', {
    GET: request =>
      show(request, core, ({ bindings }) => ({
        bindings: Object.fromEntries(bindings.map(binding => [binding.key, bindingBody(binding)])),
      })),
  })
  server.route('/impu/:impu/subscriptions', {
    GET: request =>
      show(request, core, ({ subscriptions }) => ({
        subscriptions: Object.fromEntries(
          Object.entries(subscriptions).map(([tag, each]) => [tag, subscriptionBody(each)]),
        ),
      })),
  })
}

interface Ended {
  readonly setName: Impu
  readonly impi?: Impi
}

/** The HSS ends registrations (TS 29.228 §6.1.3). It stops at the first that cannot be ended; those before stay ended. */
async function endRegistrations(request: HttpRequest, core: Core): Promise<HttpAnswer> {
  const notify = request.query['send-notifications']
  const ended = endedOf(request.body)
  if ((notify !== 'true' && notify !== 'false') || ended === undefined) return empty(400)
  for (const { setName, impi } of ended) {
    const only = impi === undefined ? {} : { impi }
    const result = await deregister(setName, { quiet: notify === 'false', ...only }, core)
    if (result === 'store failed') return empty(500)
  }
  return empty(200)
}

function endedOf(body: string): readonly Ended[] | undefined {
  const registrations = jsonObject(body)?.registrations
  if (!Array.isArray(registrations)) return undefined
  const ended: Ended[] = []
  for (const each of registrations as readonly unknown[]) {
    const entry = isObject(each) ? each : {}
    const { 'primary-impu': impu, impi } = entry
    if (typeof impu !== 'string' || impu === '') return undefined
    if (impi !== undefined && typeof impi !== 'string') return undefined
    ended.push({ setName: impuFromText(impu), ...(impi === undefined ? {} : { impi: impi as Impi }) })
  }
  return ended
}

/** The HSS has another profile for a set (TS 29.228 §6.6.1): its watchers hear of identities that come and go. */
async function takeProfile(request: HttpRequest, core: Core): Promise<HttpAnswer> {
  const document = jsonObject(request.body)?.['user-data-xml']
  const parsed = typeof document === 'string' ? parseImsSubscription(document) : undefined
  if (parsed?.ok !== true) return empty(400)
  const setName = impuOf(request)
  if (defaultImpuOf(parsed.subscription) !== setName) return empty(400)
  const uris = associatedUris(parsed.subscription)
  const change = await update(core, setName, record => ({
    ...(record ?? emptyRecord([], core.scscfUri)),
    associatedUris: uris,
  }))
  if (change === undefined) return empty(500)
  notifyWatchers(change, setName, core)
  return empty(200)
}

/** An operator ends a registration, by any identity of its set. */
async function endRegistration(request: HttpRequest, core: Core): Promise<HttpAnswer> {
  const found = await core.homestead.readRegistrationData(impuOf(request))
  if (!found.ok) return empty(found.status === 404 ? 404 : 502)
  const { subscription } = found.value
  if (subscription === undefined) return empty(404)
  const setName = defaultImpuOf(subscription) ?? firstImpuOf(subscription) ?? impuOf(request)
  const result = await deregister(setName, { tell: 'dereg-admin' }, core)
  if (result === 'store failed') return empty(500)
  if (result === 'homestead failed') return empty(502)
  core.log.info('an operator has ended a registration', { impu: setName, bindings: result })
  return json({ bindings: result })
}

/** What is kept of a registration; 404 if there is none. */
async function show(
  request: HttpRequest,
  core: Core,
  body: (record: RegistrationRecord) => unknown,
): Promise<HttpAnswer> {
  const impu = impuOf(request)
  const stored = (await core.registrations.get(impu)) ?? (await underDefault(impu, core))
  return stored === undefined ? empty(404) : json(body(stored.value))
}

/** A record is kept under the default identity of its set. */
async function underDefault(
  impu: Impu,
  core: Core,
): Promise<{ readonly value: RegistrationRecord } | undefined> {
  const found = await core.homestead.readRegistrationData(impu)
  const setName =
    found.ok && found.value.subscription !== undefined ? defaultImpuOf(found.value.subscription) : undefined
  return setName === undefined ? undefined : core.registrations.get(setName)
}

/** A binding under the names of interfaces.md §9.6. */
function bindingBody({ uri, callId, cseq, expiresAt, q, params, paths, impi, emergency }: Binding): unknown {
  return {
    uri,
    cid: callId,
    cseq,
    expires: unixSeconds(expiresAt),
    priority: Math.round(q * 1000),
    params: Object.fromEntries((parseParams(params) ?? []).map(({ name, value }) => [name, unquote(value)])),
    paths,
    private_id: impi,
    emergency_reg: emergency,
  }
}

function subscriptionBody(subscription: Subscription): unknown {
  const { requestUri, fromUri, fromTag, toUri, toTag, callId, routes, expiresAt } = subscription
  return {
    req_uri: requestUri,
    from_uri: fromUri,
    from_tag: fromTag,
    to_uri: toUri,
    to_tag: toTag,
    cid: callId,
    routes,
    expires: unixSeconds(expiresAt),
  }
}

function unixSeconds(unixMillis: number): number {
  return Math.ceil(unixMillis / 1000)
}

function impuOf(request: HttpRequest): Impu {
  return impuFromText(request.params.impu ?? '')
}
