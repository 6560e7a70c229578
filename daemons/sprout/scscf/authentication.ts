import { andThen, type Awaitable } from '../../../lib/kit/awaitable.ts'
import { seconds } from '../../../lib/kit/clock.ts'
import { detached } from '../../../lib/kit/text.ts'
import type { AuthVector, AuthVectorQuery } from '../../../lib/ims/homestead.ts'
import { defaultImpi, type Impi, type Impu } from '../../../lib/ims/identity.ts'
import { credentialsOf, registeredImpu } from '../../../lib/ims/register-request.ts'
import { randomText } from '../../../lib/sip/branch.ts'
import { authParam, isDigest, parseCredentials, type Credentials } from '../../../lib/sip/credentials.ts'
import { parseNonceCount, verifyDigest } from '../../../lib/sip/digest.ts'
import type { ServerExchange } from '../../../lib/sip/exchange.ts'
import { H, type HeaderId } from '../../../lib/sip/header-names.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import { quote } from '../../../lib/sip/scan.ts'
import type { Challenge } from '../../../lib/store/challenge-store.ts'
import type { Core } from '../core.ts'
import { akaSecret, askedScheme, formatAkaChallenge, resyncOf, verifyAka } from './aka.ts'

/** How long a challenge may be answered. */
const CHALLENGE_LIFETIME = seconds(40)

/** Who a request is from, as far as is proven. */
export interface AuthenticatedUser {
  readonly impi: Impi
  readonly impu: Impu
}

/** How a sender is asked for a proof, and where it stands then: as a registrar does, and as a proxy (RFC 3261 §22). */
interface Asking {
  readonly status: 401 | 407
  readonly challenge: HeaderId
  readonly credentials: HeaderId
}

const AS_REGISTRAR: Asking = {
  status: 401,
  challenge: H['WWW-Authenticate'],
  credentials: H.Authorization,
}
const AS_PROXY: Asking = {
  status: 407,
  challenge: H['Proxy-Authenticate'],
  credentials: H['Proxy-Authorization'],
}

/**
 * Proves who sends a REGISTER, or answers it with a challenge or a refusal (TS 24.229 §5.4.1.2, RFC 3261 §22).
 *
 * @returns undefined if the request has been answered
 */
export function authenticate(exchange: ServerExchange, core: Core): Awaitable<AuthenticatedUser | undefined> {
  const { request } = exchange
  const impu = registeredImpu(request)
  if (impu === undefined) return refuse(exchange, 404, core)
  const credentials = credentialsOf(request)
  if (credentials !== undefined && isVouchedFor(credentials)) return userOf(impu, credentials, core)
  return prove(exchange, impu, credentials, AS_REGISTRAR, core)
}

/**
 * Proves who sends a request within the network's services, or answers it with 407 or a refusal
 * (`non_register_authentication`).
 *
 * @param impu whom it says it is from
 * @returns undefined if the request has been answered
 */
export function authenticateSender(
  exchange: ServerExchange,
  impu: Impu,
  core: Core,
): Awaitable<AuthenticatedUser | undefined> {
  const credentials = exchange.request.headers.parsed(H['Proxy-Authorization'], parseCredentials)
  return prove(exchange, impu, credentials, AS_PROXY, core)
}

/** The private identity that a request is from by its own word. */
export function claimedSender(request: SipRequest, impu: Impu, core: Core): Impi {
  return userOf(impu, request.headers.parsed(H['Proxy-Authorization'], parseCredentials), core).impi
}

/** Detached, since a challenge is kept for longer than the request. */
function userOf(impu: Impu, credentials: Credentials | undefined, core: Core): AuthenticatedUser {
  const username = credentials === undefined ? undefined : authParam(credentials, 'username')
  // An edge that only wants a challenge has none to name (sip.md §3.7).
  const named = username === '' ? undefined : (username as Impi | undefined)
  return { impi: detached(named ?? defaultImpi(impu, core.options.homeDomains[0])), impu: detached(impu) }
}

function prove(
  exchange: ServerExchange,
  impu: Impu,
  credentials: Credentials | undefined,
  asking: Asking,
  core: Core,
): Awaitable<AuthenticatedUser | undefined> {
  if (credentials === undefined && exchange.request.headers.has(asking.credentials))
    return refuse(exchange, 400, core)
  const user = userOf(impu, credentials, core)
  const response = credentials === undefined ? undefined : authParam(credentials, 'response')
  if (credentials === undefined || !isDigest(credentials) || response === undefined || response === '') {
    return challenge(exchange, user, { asking, stale: false }, core, credentials && askedScheme(credentials))
  }
  return judge(exchange, user, credentials, asking, core)
}

/** Only a trusted P-CSCF can say this: the edge takes it out of what clients send. */
function isVouchedFor(credentials: Credentials): boolean {
  const mark = authParam(credentials, 'integrity-protected')
  return mark === 'tls-yes' || (mark === 'yes' && (authParam(credentials, 'response') ?? '') === '')
}

function judge(
  exchange: ServerExchange,
  user: AuthenticatedUser,
  credentials: Credentials,
  asking: Asking,
  core: Core,
): Awaitable<AuthenticatedUser | undefined> {
  const nonce = authParam(credentials, 'nonce') ?? ''
  return andThen(core.challenges.get(user.impi, nonce), open =>
    judgeBy(open, exchange, user, credentials, asking, core),
  )
}

function judgeBy(
  open: Challenge | undefined,
  exchange: ServerExchange,
  user: AuthenticatedUser,
  credentials: Credentials,
  asking: Asking,
  core: Core,
): Awaitable<AuthenticatedUser | undefined> {
  const count = parseNonceCount(authParam(credentials, 'nc') ?? '00000001')
  if (open === undefined || count === undefined || !isUsable(open, count, core)) {
    return challenge(exchange, user, { asking, stale: true }, core, askedScheme(credentials))
  }
  // A challenge proves who answers it for the identity it was made for, and for no other.
  if (open.impu !== user.impu || authParam(credentials, 'realm') !== open.realm) {
    return challenge(exchange, user, { asking, stale: false }, core, askedScheme(credentials))
  }
  const { request } = exchange
  if (!isRight(credentials, open, request)) {
    core.inBackground(() =>
      core.homestead.registrationData(user.impu, { type: 'dereg-auth-failed', impi: user.impi }),
    )
    return refuse(exchange, 403, core)
  }
  const used = { ...open, nonceCount: count + 1, expiresAt: lastUse(open, request, core) }
  return andThen(core.challenges.advance(user.impi, used, open.nonceCount), won => {
    if (won !== 'stored')
      return challenge(exchange, user, { asking, stale: true }, core, askedScheme(credentials))
    const resync = open.secret.kind === 'aka' ? resyncOf(credentials) : undefined
    if (resync === undefined) return user
    if (resync === 'malformed') return refuse(exchange, 403, core)
    return challenge(exchange, user, { asking, stale: false }, core, { ...askedScheme(credentials), resync })
  })
}

function isRight(credentials: Credentials, { realm, secret }: Challenge, request: SipRequest): boolean {
  if (secret.kind === 'aka') return verifyAka(credentials, { realm, secret }, request)
  const { sha256Ha1 } = secret
  const bySha256 =
    sha256Ha1 !== undefined &&
    authParam(credentials, 'algorithm')?.toUpperCase().startsWith('SHA-256') === true
  const ha1 = bySha256 ? sha256Ha1 : secret.ha1
  return verifyDigest(credentials, { ha1, method: request.method, body: request.body })
}

function isUsable(open: Challenge, count: number, core: Core): boolean {
  if (open.expiresAt <= core.clock.now()) return false
  if (open.nonceCount > 1 && !core.options.nonceCountSupported) return false
  return count >= open.nonceCount
}

/** A nonce that may be used again lives as long as the registration it serves, any other no longer. */
function lastUse(open: Challenge, request: SipRequest, core: Core): number {
  if (!core.options.nonceCountSupported) return core.clock.now()
  const asked = Number(request.headers.get(H.Expires) ?? core.options.regMaxExpires)
  const granted = Math.min(Number.isFinite(asked) ? asked : 0, core.options.regMaxExpires)
  return Math.max(open.expiresAt, core.clock.now() + granted * 1000)
}

function challenge(
  exchange: ServerExchange,
  user: AuthenticatedUser,
  { asking, stale }: { readonly asking: Asking; readonly stale: boolean },
  core: Core,
  asked: Pick<AuthVectorQuery, 'scheme' | 'resync'> | undefined,
): Awaitable<undefined> {
  const { impi, impu } = user
  const query = { impi, impu, serverName: core.scscfUri, ...asked }
  return andThen(core.homestead.authVector(query), answer => {
    if (!answer.ok) return refuse(exchange, answer.status === 503 || answer.status === 504 ? 504 : 403, core)
    const vector = answer.value
    const nonce = vector.kind === 'aka' ? vector.challenge : randomText(16)
    return andThen(core.challenges.put(impi, newChallenge(vector, nonce, user, core)), () => {
      core.answer(exchange, asking.status, {
        edit: headers => {
          for (const text of formatChallenges(vector, nonce, stale, core))
            headers.append(asking.challenge, text)
        },
      })
      return undefined
    })
  })
}

function newChallenge(vector: AuthVector, nonce: string, user: AuthenticatedUser, core: Core): Challenge {
  const isAka = vector.kind === 'aka'
  return {
    nonce,
    nonceCount: 1,
    expiresAt: core.clock.now() + CHALLENGE_LIFETIME,
    realm: isAka ? core.options.homeDomains[0] : vector.realm,
    qop: isAka ? 'auth' : vector.qop,
    impu: user.impu,
    scscfUri: core.scscfUri,
    secret: isAka ? akaSecret(vector) : digestSecretOf(vector),
  }
}

function digestSecretOf({ ha1, sha256Ha1 }: Extract<AuthVector, { kind: 'digest' }>): Challenge['secret'] {
  return sha256Ha1 === undefined ? { kind: 'digest', ha1 } : { kind: 'digest', ha1, sha256Ha1 }
}

/** The values of the challenge's header, the preferred algorithm first (RFC 8760 §2.3). */
function formatChallenges(vector: AuthVector, nonce: string, stale: boolean, core: Core): readonly string[] {
  const opaque = randomText(16)
  if (vector.kind === 'aka') return [formatAkaChallenge(vector, core.options.homeDomains[0], opaque, stale)]
  const word = stale ? 'TRUE' : 'FALSE'
  const digest = (algorithm: string): string =>
    `Digest realm=${quote(vector.realm)},nonce="${nonce}",opaque="${opaque}",` +
    `stale=${word},algorithm=${algorithm},qop=${quote(vector.qop)}`
  return vector.sha256Ha1 === undefined ? [digest('MD5')] : [digest('SHA-256'), digest('MD5')]
}

/** Tells the HSS of challenges that nobody answered (TS 24.229 §5.4.1.2.3). */
export function watchUnanswered(core: Core): void {
  core.challenges.onUnanswered((impi, { impu }) => {
    core.inBackground(() =>
      core.homestead.registrationData(impu as Impu, { type: 'dereg-auth-timeout', impi: impi as Impi }),
    )
  })
}

function refuse(exchange: ServerExchange, status: number, core: Core): undefined {
  core.answer(exchange, status)
  return undefined
}
