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
import { andThen, type Awaitable } from '../../lib/kit/awaitable.ts'
import type { Log } from '../../lib/kit/log.ts'
import type {
  CachedPrivateUser,
  CachedSubscription,
  SubscriberCacheStore,
} from '../../lib/store/subscriber-cache-store.ts'
import type { AuthenticationCentre } from './authentication-centre.ts'

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
  readonly #served: Answer<ServerChoice>

  constructor(options: LocalHomesteadOptions) {
    this.#options = options
    this.#cache = options.cache
    this.#served = { ok: true, value: { resultCode: SUCCESS, scscf: options.scscfUri } }
  }

  /** Without a look at whether the identity exists: the challenge that follows finds out. */
  registrationStatus(_query: RegistrationStatusQuery): Answer<ServerChoice> {
    return this.#served
  }

  location({ impu }: LocationQuery): Awaitable<Answer<ServerChoice>> {
    return andThen(this.#cache.getSubscription(impu), row => {
      if (row !== undefined) return this.#served
      return andThen(this.#wildcardFor(impu), wildcard =>
        wildcard === undefined ? UNKNOWN : this.#servedAs(wildcard.text),
      )
    })
  }

  /** Who has a USIM is asked by it, unless digest is asked for; who has none gets digest whatever is asked for. */
  authVector(query: AuthVectorQuery): Awaitable<Answer<AuthVector>> {
    return andThen(this.#cache.getPrivate(query.impi), user => this.#vectorFor(user, query))
  }

  #vectorFor(
    user: CachedPrivateUser | undefined,
    { impi, impu, scheme, resync }: AuthVectorQuery,
  ): Awaitable<Answer<AuthVector>> {
    if (user === undefined || !user.impus.includes(impu)) return UNKNOWN
    if (user.hasUsim === true && scheme !== 'digest')
      return this.#options.authenticationCentre.vector(impi, scheme === 'aka2' ? 2 : 1, resync)
    if (user.digest === undefined) return UNKNOWN
    const { ha1, realm, qop, sha256Ha1 } = user.digest
    const ownRealm = realm === '' ? this.#options.homeDomain : realm
    const vector = { kind: 'digest', ha1, realm: ownRealm, qop } as const
    return { ok: true, value: sha256Ha1 === undefined ? vector : { ...vector, sha256Ha1 } }
  }

  readRegistrationData(impu: Impu): Awaitable<Answer<RegistrationData>> {
    return andThen(this.#rowOf(impu), row => this.#answer(impu, row, stateOf(row)))
  }

  registrationData(impu: Impu, request: RegistrationDataRequest): Awaitable<Answer<RegistrationData>> {
    return andThen(this.#rowOf(impu), row => this.#register(impu, row, request))
  }

  #register(
    impu: Impu,
    row: CachedSubscription | undefined,
    request: RegistrationDataRequest,
  ): Awaitable<Answer<RegistrationData>> {
    const before = stateOf(row)
    const step = nextState(request.type, before)
    if (typeof step === 'number') return { ok: false, status: step }

    const answer = this.#answer(impu, row, step)
    if (!answer.ok || row === undefined) return answer
    const unbound = request.impi !== undefined && !row.impis.includes(request.impi)
    if (step !== before || unbound) {
      const { subscription } = answer.value
      const set = subscription === undefined ? [impu] : identitiesOf(subscription)
      return this.#cache.setRegistered(set, step === 'REGISTERED', request.impi).then(() => answer)
    }
    return answer
  }

  #servedAs(wildcardIdentity: string): Answer<ServerChoice> {
    const value = { resultCode: SUCCESS, scscf: this.#options.scscfUri, wildcardIdentity }
    return { ok: true, value }
  }

  /** What is known of an identity by its name, or else by a wildcard that stands for it. */
  #rowOf(impu: Impu): Awaitable<CachedSubscription | undefined> {
    return andThen(this.#cache.getSubscription(impu), row => {
      if (row !== undefined) return row
      return andThen(
        this.#wildcardFor(impu),
        wildcard => wildcard && this.#cache.getSubscription(wildcard.impu),
      )
    })
  }

  #wildcardFor(impu: Impu): Awaitable<{ readonly impu: Impu; readonly text: string } | undefined> {
    return andThen(this.#cache.wildcards(), wildcards => {
      for (const [named, text] of wildcards) if (matchesWildcard(text, impu)) return { impu: named, text }
      return undefined
    })
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
