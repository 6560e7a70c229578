import type {
  Answer,
  AuthVector,
  AuthVectorQuery,
  Homestead,
  LocationQuery,
  RegistrationData,
  RegistrationDataRequest,
  RegistrationState,
  RegistrationStatusQuery,
  ServerChoice,
} from '../../lib/ims/homestead.ts'
import type { Impu } from '../../lib/ims/identity.ts'
import { identitiesOf, parseImsSubscription } from '../../lib/ims/subscription-xml.ts'
import { matchesWildcard } from '../../lib/ims/wildcard.ts'
import type { Log } from '../../lib/kit/log.ts'
import type { AuthenticationCentre } from './authentication-centre.ts'
import type { CachedSubscription, SubscriberCacheStore } from '../../lib/store/subscriber-cache-store.ts'

export interface LocalHomesteadOptions {
  readonly cache: SubscriberCacheStore
  readonly authenticationCentre: AuthenticationCentre
  readonly log: Log
  /** What every identity is served by: `scscf_uri`. */
  readonly scscfUri: string
  /** Realm of credentials that were stored without one. */
  readonly homeDomain: string
}

/** DIAMETER_SUCCESS. */
const SUCCESS = 2001

const UNKNOWN = { ok: false, status: 404 } as const
const BAD_REQUEST = { ok: false, status: 400 } as const
const BROKEN = { ok: false, status: 500 } as const

/** Homestead without an HSS: answers from the cache that homestead-prov fills (interfaces.md §4, local mode). */
export class LocalHomestead implements Homestead {
  readonly #options: LocalHomesteadOptions
  readonly #cache: SubscriberCacheStore

  constructor(options: LocalHomesteadOptions) {
    this.#options = options
    this.#cache = options.cache
  }

  /** Without a look at whether the identity exists: the challenge that follows finds out. */
  async registrationStatus(_query: RegistrationStatusQuery): Promise<Answer<ServerChoice>> {
    return this.#served()
  }

  async location({ impu }: LocationQuery): Promise<Answer<ServerChoice>> {
    if ((await this.#cache.getSubscription(impu)) !== undefined) return this.#served()
    const wildcard = await this.#wildcardFor(impu)
    return wildcard === undefined ? UNKNOWN : this.#served(wildcard.text)
  }

  /** Who has a USIM is asked by it, unless digest is asked for; who has none gets digest whatever is asked for. */
  async authVector({ impi, impu, scheme, resync }: AuthVectorQuery): Promise<Answer<AuthVector>> {
    const user = await this.#cache.getPrivate(impi)
    if (user === undefined || !user.impus.includes(impu)) return UNKNOWN
    if (user.hasUsim === true && scheme !== 'digest')
      return this.#options.authenticationCentre.vector(impi, scheme === 'aka2' ? 2 : 1, resync)
    if (user.digest === undefined) return UNKNOWN
    const { ha1, realm, qop, sha256Ha1 } = user.digest
    const ownRealm = realm === '' ? this.#options.homeDomain : realm
    const vector = { kind: 'digest', ha1, realm: ownRealm, qop } as const
    return { ok: true, value: sha256Ha1 === undefined ? vector : { ...vector, sha256Ha1 } }
  }

  async readRegistrationData(impu: Impu): Promise<Answer<RegistrationData>> {
    const row = await this.#rowOf(impu)
    return this.#answer(impu, row, stateOf(row))
  }

  async registrationData(impu: Impu, request: RegistrationDataRequest): Promise<Answer<RegistrationData>> {
    const row = await this.#rowOf(impu)
    const before = stateOf(row)
    const step = nextState(request.type, before)
    if (typeof step === 'number') return { ok: false, status: step }

    const answer = this.#answer(impu, row, step)
    if (!answer.ok || row === undefined) return answer
    const unbound = request.impi !== undefined && !row.impis.includes(request.impi)
    if (step !== before || unbound) {
      const { subscription } = answer.value
      const set = subscription === undefined ? [impu] : identitiesOf(subscription)
      await this.#cache.setRegistered(set, step === 'REGISTERED', request.impi)
    }
    return answer
  }

  #served(wildcardIdentity?: string): Answer<ServerChoice> {
    const value = { resultCode: SUCCESS, scscf: this.#options.scscfUri }
    return { ok: true, value: wildcardIdentity === undefined ? value : { ...value, wildcardIdentity } }
  }

  /** What is known of an identity by its name, or else by a wildcard that stands for it. */
  async #rowOf(impu: Impu): Promise<CachedSubscription | undefined> {
    const row = await this.#cache.getSubscription(impu)
    if (row !== undefined) return row
    const wildcard = await this.#wildcardFor(impu)
    return wildcard && this.#cache.getSubscription(wildcard.impu)
  }

  async #wildcardFor(impu: Impu): Promise<{ readonly impu: Impu; readonly text: string } | undefined> {
    for (const [named, text] of await this.#cache.wildcards())
      if (matchesWildcard(text, impu)) return { impu: named, text }
    return undefined
  }

  #answer(
    impu: Impu,
    row: CachedSubscription | undefined,
    state: RegistrationState,
  ): Answer<RegistrationData> {
    if (row === undefined) return { ok: true, value: { state, charging: { ccf: [], ecf: [] } } }
    const result = parseImsSubscription(row.xml)
    if (!result.ok) {
      this.#options.log.error('a stored subscription cannot be read', { impu, reason: result.message })
      return BROKEN
    }
    return { ok: true, value: { state, subscription: result.subscription, charging: row.charging } }
  }
}

function stateOf(row: CachedSubscription | undefined): RegistrationState {
  if (row === undefined) return 'NOT_REGISTERED'
  return row.registered ? 'REGISTERED' : 'UNREGISTERED'
}

/** The state after a request (interfaces.md §4.4, column "local mode"), or the status that refuses it. */
function nextState(
  type: RegistrationDataRequest['type'],
  state: RegistrationState,
): RegistrationState | 400 | 404 {
  switch (type) {
    case 'reg':
      return state === 'NOT_REGISTERED' ? UNKNOWN.status : 'REGISTERED'
    case 'call':
      return state === 'NOT_REGISTERED' ? UNKNOWN.status : state
    case 'dereg-user':
    case 'dereg-admin':
    case 'dereg-timeout':
      return state === 'REGISTERED' ? 'UNREGISTERED' : BAD_REQUEST.status
    case 'dereg-auth-failed':
    case 'dereg-auth-timeout':
      return state
  }
}
