import { hash, timingSafeEqual } from 'node:crypto'
import { empty, type HttpAnswer, type HttpRequest } from '../../lib/http/message.ts'
import type { Homestead } from '../../lib/ims/homestead.ts'
import { defaultImpi, type Impi, type Impu } from '../../lib/ims/identity.ts'
import { seconds, type Clock } from '../../lib/kit/clock.ts'
import { randomText } from '../../lib/sip/branch.ts'
import { authParam, isDigest, parseCredentials, type Credentials } from '../../lib/sip/credentials.ts'
import { parseNonceCount, verifyDigest } from '../../lib/sip/digest.ts'
import type { ChallengeStore, OpenChallenge } from '../../lib/store/challenge-store.ts'

/** A challenge over HTTP, bound to the identity whose list was asked for. */
export interface HttpChallenge extends OpenChallenge {
  readonly impu: Impu
  readonly realm: string
  readonly ha1: string
  readonly opaque: string
}

export interface AuthenticationOptions {
  readonly clock: Clock
  readonly homestead: Pick<Homestead, 'authVector'>
  readonly challenges: ChallengeStore<HttpChallenge>
  readonly homeDomain: string
  /** `memento_api_key`: opens every list. Absent: no key does. */
  readonly apiKey?: string
}

/** How attempts have come out since the start. */
export type AuthenticationCounts = Record<'challenges' | 'successes' | 'failures' | 'stale', number>

/** What a client that asks at all of its own accord may take for the next request with a nonce. */
const NONCE_LIFETIME = seconds(300)
const NONCE_LENGTH = 32
/** Without one of these the credentials are only a name, or broken. */
const FULL = ['username', 'realm', 'nonce', 'uri', 'qop', 'nc', 'cnonce', 'response', 'opaque'] as const

/**
 * Who may read a call list (interfaces.md §13.2): a program with the API key, or its subscriber by HTTP Digest with the
 * credentials that homestead has for SIP.
 *
 * The nonce count is read as hexadecimal (RFC 7616 §3.4), so that clients may use a nonce more than nine times.
 */
export class Authentication {
  readonly counts: AuthenticationCounts = { challenges: 0, successes: 0, failures: 0, stale: 0 }
  readonly #options: AuthenticationOptions

  constructor(options: AuthenticationOptions) {
    this.#options = options
  }

  /** @returns undefined if the request may have the list, else what it is answered */
  async refusalOf(request: HttpRequest, impu: Impu): Promise<HttpAnswer | undefined> {
    if (this.#hasApiKey(request)) return undefined
    const header = request.headers.authorization
    if (header === undefined) {
      if (!impu.startsWith('sip:')) return empty(400)
      return this.#challenge(defaultImpi(impu, this.#options.homeDomain), impu)
    }
    const credentials = typeof header === 'string' ? parseCredentials(header) : undefined
    if (credentials === undefined || !isDigest(credentials)) return this.#malformed()
    const username = authParam(credentials, 'username')
    if (username === undefined || username === '') return this.#malformed()
    if (credentials.params.length === 1) return this.#challenge(username as Impi, impu)
    if (FULL.some(name => authParam(credentials, name) === undefined)) return this.#malformed()
    return this.#check(credentials, username as Impi, impu, request.method)
  }

  async #check(
    credentials: Credentials,
    impi: Impi,
    impu: Impu,
    method: string,
  ): Promise<HttpAnswer | undefined> {
    const { challenges, clock } = this.#options
    const said = (name: (typeof FULL)[number]): string => authParam(credentials, name) ?? ''
    const count = parseNonceCount(said('nc'))
    if (said('qop') !== 'auth' || count === undefined) return this.#malformed()
    const open = await challenges.get(impi, said('nonce'))
    if (open === undefined) return this.#stale(impi, impu)
    if (said('opaque') !== open.opaque || said('realm') !== open.realm) return this.#malformed()
    if (!verifyDigest(credentials, { ha1: open.ha1, method })) {
      this.counts.failures++
      return empty(403)
    }
    if (count < open.nonceCount || open.impu !== impu) return this.#stale(impi, impu)
    const used = { ...open, nonceCount: count + 1, expiresAt: clock.now() + NONCE_LIFETIME }
    // Somebody else was faster with this count.
    if ((await challenges.advance(impi, used, open.nonceCount)) === 'conflict') return this.#stale(impi, impu)
    this.counts.successes++
    return undefined
  }

  #malformed(): HttpAnswer {
    this.counts.failures++
    return empty(400)
  }

  #stale(impi: Impi, impu: Impu): Promise<HttpAnswer> {
    this.counts.stale++
    return this.#challenge(impi, impu, ',stale=TRUE')
  }

  async #challenge(impi: Impi, impu: Impu, stale = ''): Promise<HttpAnswer> {
    const { clock, homestead, challenges } = this.#options
    const vector = await homestead.authVector({ impi, impu })
    if (!vector.ok) return empty(vector.status)
    const { value } = vector
    // A SIM cannot answer over HTTP.
    if (value.kind !== 'digest' || value.qop !== 'auth') return empty(400)
    const { realm, ha1 } = value
    const [nonce, opaque] = [randomText(NONCE_LENGTH), randomText(NONCE_LENGTH)]
    const expiresAt = clock.now() + NONCE_LIFETIME
    await challenges.put(impi, { nonce, nonceCount: 1, expiresAt, impu, realm, ha1, opaque })
    this.counts.challenges++
    const challenge = `Digest realm="${realm}",qop="auth",nonce="${nonce}",opaque="${opaque}"${stale}`
    return { status: 401, headers: { 'www-authenticate': challenge } }
  }

  #hasApiKey({ headers }: HttpRequest): boolean {
    const { apiKey } = this.#options
    const given = headers['ngv-api-key']
    if (apiKey === undefined || apiKey === '' || typeof given !== 'string') return false
    const [a, b] = [given, apiKey].map(text => Buffer.from(hash('sha256', text), 'hex'))
    return a !== undefined && b !== undefined && timingSafeEqual(a, b)
  }
}
