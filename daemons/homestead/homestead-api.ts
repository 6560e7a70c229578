import { empty, json, jsonObject, xml, type HttpAnswer, type HttpRequest } from '../../lib/http/message.ts'
import type { HttpServer } from '../../lib/http/server.ts'
import {
  REG_DATA_REQUEST_TYPES,
  type Answer,
  type AuthVector,
  type AuthVectorQuery,
  type Homestead,
  type RegDataRequestType,
  type RegistrationData,
  type RegistrationDataRequest,
  type ServerChoice,
} from '../../lib/ims/homestead.ts'
import type { Impi, Impu } from '../../lib/ims/identity.ts'
import { formatRegData } from '../../lib/ims/reg-data-xml.ts'
import { formatImsSubscription, impuFromText } from '../../lib/ims/subscription-xml.ts'

/** Homestead's interface for the core (interfaces.md §4): each route reads its words and asks a `Homestead`. */
export function addHomesteadRoutes(server: HttpServer, homestead: Homestead): void {
  const av = (request: HttpRequest): Promise<HttpAnswer> => authVector(homestead, request)
  server.route('/impi/:impi/av', { GET: av })
  server.route('/impi/:impi/av/:scheme', { GET: av })
  server.route('/impi/:impi/digest', { GET: request => digest(homestead, request) })
  server.route('/impi/:impi/registration-status', { GET: request => registrationStatus(homestead, request) })
  server.route('/impu/:impu/location', { GET: request => location(homestead, request) })
  server.route('/impu/:impu/reg-data', {
    GET: async request => answer(await homestead.readRegistrationData(impuOf(request)), regData),
    PUT: request => putRegData(homestead, request),
  })
  server.route('/impu/:impu', { GET: request => subscription(homestead, request) })
}

async function authVector(homestead: Homestead, request: HttpRequest): Promise<HttpAnswer> {
  const scheme = schemeOf(request.params.scheme)
  const { impu, 'resync-auth': resync, 'server-name': serverName } = request.query
  if (scheme === 'unknown' || impu === undefined) return empty(404)
  const query: AuthVectorQuery = {
    impi: impiOf(request),
    impu: impuFromText(impu),
    ...(scheme === undefined ? {} : { scheme }),
    ...(resync === undefined ? {} : { resync }),
    ...(serverName === undefined ? {} : { serverName }),
  }
  return answer(await homestead.authVector(query), vector => json(vectorBody(vector)))
}

/** Deprecated form of the digest vector. */
async function digest(homestead: Homestead, request: HttpRequest): Promise<HttpAnswer> {
  const impu = request.query.public_id
  if (impu === undefined) return empty(404)
  const query: AuthVectorQuery = { impi: impiOf(request), impu: impuFromText(impu), scheme: 'digest' }
  return answer(await homestead.authVector(query), vector =>
    vector.kind === 'digest' ? json({ digest_ha1: vector.ha1 }) : empty(404),
  )
}

async function registrationStatus(homestead: Homestead, request: HttpRequest): Promise<HttpAnswer> {
  const { impu, 'visited-network': visitedNetwork, 'auth-type': type, sos } = request.query
  if (impu === undefined) return empty(400)
  const authType = type === 'DEREG' || type === 'CAPAB' ? type : 'REG'
  const result = await homestead.registrationStatus({
    impi: impiOf(request),
    impu: impuFromText(impu),
    authType,
    ...(visitedNetwork === undefined ? {} : { visitedNetwork }),
    ...(sos === 'true' ? { emergency: true } : {}),
  })
  return answer(result, choice => json(choiceBody(choice)))
}

async function location(homestead: Homestead, request: HttpRequest): Promise<HttpAnswer> {
  const result = await homestead.location({
    impu: impuOf(request),
    ...(request.query.originating === 'true' ? { originating: true } : {}),
    ...(request.query['auth-type'] === 'CAPAB' ? { authType: 'CAPAB' } : {}),
  })
  return answer(result, choice => json(choiceBody(choice)))
}

async function putRegData(homestead: Homestead, request: HttpRequest): Promise<HttpAnswer> {
  const asked = regDataRequest(request)
  if (asked === undefined) return empty(400)
  return answer(await homestead.registrationData(impuOf(request), asked), regData)
}

/** Deprecated fetch of the bare subscription: `reg` with a private id, `call` without one. */
async function subscription(homestead: Homestead, request: HttpRequest): Promise<HttpAnswer> {
  const impi = request.query.private_id
  const asked: RegistrationDataRequest =
    impi === undefined ? { type: 'call' } : { type: 'reg', impi: impi as Impi }
  return answer(await homestead.registrationData(impuOf(request), asked), data =>
    data.subscription === undefined ? empty(404) : xml(formatImsSubscription(data.subscription)),
  )
}

function regDataRequest(request: HttpRequest): RegistrationDataRequest | undefined {
  const body = jsonObject(request.body)
  const type = REG_DATA_REQUEST_TYPES.find((known): known is RegDataRequestType => known === body?.reqtype)
  if (body === undefined || type === undefined) return undefined
  const { server_name: serverName, wildcard_identity: wildcardIdentity } = body
  const impi = request.query.private_id
  return {
    type,
    ...(impi === undefined ? {} : { impi: impi as Impi }),
    ...(typeof serverName === 'string' ? { serverName } : {}),
    ...(typeof wildcardIdentity === 'string' ? { wildcardIdentity } : {}),
    ...(request.headers['cache-control'] === 'no-cache' ? { bypassCache: true } : {}),
  }
}

function schemeOf(suffix: string | undefined): AuthVectorQuery['scheme'] | 'unknown' {
  switch (suffix) {
    case undefined:
    case 'digest':
    case 'aka':
    case 'aka2':
      return suffix
    default:
      return 'unknown'
  }
}

function vectorBody(vector: AuthVector): unknown {
  if (vector.kind === 'digest') {
    const { ha1, realm, qop, sha256Ha1 } = vector
    return { digest: { ha1, realm, qop, ha1_sha256: sha256Ha1 } }
  }
  const { challenge, response, cryptKey, integrityKey, version } = vector
  return { aka: { challenge, response, cryptkey: cryptKey, integritykey: integrityKey, version } }
}

function choiceBody(choice: ServerChoice): unknown {
  return {
    'result-code': choice.resultCode,
    scscf: choice.scscf,
    'mandatory-capabilities': choice.mandatoryCapabilities,
    'optional-capabilities': choice.optionalCapabilities,
    'wildcard-identity': choice.wildcardIdentity,
  }
}

function regData(data: RegistrationData): HttpAnswer {
  return xml(formatRegData(data))
}

function answer<T>(result: Answer<T>, format: (value: T) => HttpAnswer): HttpAnswer {
  return result.ok ? format(result.value) : empty(result.status)
}

function impiOf(request: HttpRequest): Impi {
  return (request.params.impi ?? '') as Impi
}

function impuOf(request: HttpRequest): Impu {
  return impuFromText(request.params.impu ?? '')
}
