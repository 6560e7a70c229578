import { HttpClient, type ClientRequest, type HttpServers } from '../http/client.ts'
import { encodePathPart, isObject, jsonObject } from '../http/message.ts'
import { millis, type Duration } from '../kit/clock.ts'
import type {
  Answer,
  AuthVector,
  AuthVectorQuery,
  Homestead,
  LocationQuery,
  RegistrationData,
  RegistrationDataRequest,
  RegistrationStatusQuery,
  ServerChoice,
} from './homestead.ts'
import type { Impu } from './identity.ts'
import { parseRegData } from './reg-data-xml.ts'

export interface HttpHomesteadOptions {
  /** `http://host:8888`. */
  readonly origin: string
  readonly timeout?: Duration
  readonly connectTimeout?: Duration
  /** How the servers of a cluster are found; absent: the origin is one. */
  readonly servers?: HttpServers
}

const TIMEOUT = millis(500)
const CONNECT_TIMEOUT = millis(50)

/** The subscriber server behind homestead's HTTP interface (interfaces.md §4). */
export class HttpHomestead implements Homestead {
  readonly #client: HttpClient

  constructor(options: HttpHomesteadOptions) {
    this.#client = new HttpClient({
      origin: options.origin,
      timeout: options.timeout ?? TIMEOUT,
      connectTimeout: options.connectTimeout ?? CONNECT_TIMEOUT,
      ...(options.servers === undefined ? {} : { servers: options.servers }),
    })
  }

  registrationStatus(query: RegistrationStatusQuery): Promise<Answer<ServerChoice>> {
    const path = `/impi/${encodePathPart(query.impi)}/registration-status`
    const values = {
      impu: query.impu,
      'visited-network': query.visitedNetwork,
      'auth-type': query.authType,
      sos: query.emergency === true ? 'true' : undefined,
    }
    return this.#ask({ method: 'GET', path: path + queryOf(values) }, readServerChoice)
  }

  location(query: LocationQuery): Promise<Answer<ServerChoice>> {
    const path = `/impu/${encodePathPart(query.impu)}/location`
    const values = {
      originating: query.originating === true ? 'true' : undefined,
      'auth-type': query.authType,
    }
    return this.#ask({ method: 'GET', path: path + queryOf(values) }, readServerChoice)
  }

  authVector(query: AuthVectorQuery): Promise<Answer<AuthVector>> {
    const suffix = query.scheme === undefined ? '' : `/${query.scheme}`
    const path = `/impi/${encodePathPart(query.impi)}/av${suffix}`
    const values = { impu: query.impu, 'resync-auth': query.resync, 'server-name': query.serverName }
    return this.#ask({ method: 'GET', path: path + queryOf(values) }, readAuthVector)
  }

  registrationData(impu: Impu, request: RegistrationDataRequest): Promise<Answer<RegistrationData>> {
    const path = `/impu/${encodePathPart(impu)}/reg-data${queryOf({ private_id: request.impi })}`
    const body = JSON.stringify({
      reqtype: request.type,
      server_name: request.serverName,
      wildcard_identity: request.wildcardIdentity,
    })
    const headers = request.bypassCache === true ? { 'cache-control': 'no-cache' } : {}
    return this.#ask({ method: 'PUT', path, body, headers }, readRegData)
  }

  readRegistrationData(impu: Impu): Promise<Answer<RegistrationData>> {
    return this.#ask({ method: 'GET', path: `/impu/${encodePathPart(impu)}/reg-data` }, readRegData)
  }

  async close(): Promise<void> {
    await this.#client.close()
  }

  /** What does not answer is as one that is overloaded: 503; what answers too late: 504; nonsense: 500. */
  async #ask<T>(request: ClientRequest, read: (body: string) => T | undefined): Promise<Answer<T>> {
    const result = await this.#client.request(request)
    if (result.kind === 'timeout') return { ok: false, status: 504 }
    if (result.kind !== 'answer') return { ok: false, status: 503 }
    if (result.status !== 200) return { ok: false, status: knownStatus(result.status) }
    const value = read(result.body)
    return value === undefined ? { ok: false, status: 500 } : { ok: true, value }
  }
}

type FailureStatus = (Answer<never> & { ok: false })['status']
const STATUSES: readonly FailureStatus[] = [400, 403, 404, 405, 500, 503, 504]

function knownStatus(status: number): FailureStatus {
  return STATUSES.find(known => known === status) ?? 500
}

function queryOf(values: Readonly<Record<string, string | undefined>>): string {
  const pairs = Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}=${encodePathPart(value)}`,
  )
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}

function readServerChoice(body: string): ServerChoice | undefined {
  const object = jsonObject(body)
  const resultCode = object?.['result-code']
  if (object === undefined || typeof resultCode !== 'number') return undefined
  const { scscf } = object
  const mandatory = numbers(object['mandatory-capabilities'])
  const optional = numbers(object['optional-capabilities'])
  const wildcard = object['wildcard-identity']
  return {
    resultCode,
    ...(typeof scscf === 'string' ? { scscf } : {}),
    ...(mandatory === undefined ? {} : { mandatoryCapabilities: mandatory }),
    ...(optional === undefined ? {} : { optionalCapabilities: optional }),
    ...(typeof wildcard === 'string' ? { wildcardIdentity: wildcard } : {}),
  }
}

function readAuthVector(body: string): AuthVector | undefined {
  const object = jsonObject(body)
  const { digest, aka } = object ?? {}
  if (isObject(digest)) {
    const { ha1, ha1_sha256: sha256Ha1, realm, qop } = digest
    if (typeof ha1 !== 'string' || typeof realm !== 'string') return undefined
    const more = typeof sha256Ha1 === 'string' ? { sha256Ha1 } : {}
    return { kind: 'digest', ha1, realm, qop: typeof qop === 'string' ? qop : 'auth', ...more }
  }
  if (!isObject(aka)) return undefined
  const { challenge, response, cryptkey, integritykey, version } = aka
  if (typeof challenge !== 'string' || typeof response !== 'string') return undefined
  if (typeof cryptkey !== 'string' || typeof integritykey !== 'string') return undefined
  return {
    kind: 'aka',
    version: version === 2 ? 2 : 1,
    challenge,
    response,
    cryptKey: cryptkey,
    integrityKey: integritykey,
  }
}

function readRegData(body: string): RegistrationData | undefined {
  const result = parseRegData(body)
  return result.ok ? result.data : undefined
}

function numbers(value: unknown): number[] | undefined {
  return Array.isArray(value) ? value.filter(item => typeof item === 'number') : undefined
}
