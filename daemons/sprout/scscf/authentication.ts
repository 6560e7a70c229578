import { seconds } from '../../../lib/kit/clock.ts'
import { detached } from '../../../lib/kit/text.ts'
import type { AuthVector } from '../../../lib/ims/homestead.ts'
import { defaultImpi, type Impi, type Impu } from '../../../lib/ims/identity.ts'
import { credentialsOf, registeredImpu } from '../../../lib/ims/register-request.ts'
import { randomText } from '../../../lib/sip/branch.ts'
import { authParam, isDigest, type Credentials } from '../../../lib/sip/credentials.ts'
import { parseNonceCount, verifyDigest } from '../../../lib/sip/digest.ts'
import type { ServerExchange } from '../../../lib/sip/exchange.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import { quote } from '../../../lib/sip/scan.ts'
import type { Challenge } from '../../../lib/store/challenge-store.ts'
import type { Core } from '../core.ts'

/** How long a challenge may be answered. */
const CHALLENGE_LIFETIME = seconds(40)
/** When the HSS is told that a challenge was not answered. */
const UNANSWERED_AFTER = seconds(30)
/** Topic of the timers of challenges. Challenges die with the process, and with them the wait for their answers. */
export const UNANSWERED_CHALLENGE = 'authentication-timeout'

/** Who a REGISTER is from, as far as is proven. */
export interface AuthenticatedUser {
  readonly impi: Impi
  readonly impu: Impu
}

/**
 * Proves who sends a REGISTER, or answers it with a challenge or a refusal (TS 24.229 §5.4.1.2, RFC 3261 §22).
 *
 * @returns undefined if the request has been answered
 */
export async function authenticate(
  exchange: ServerExchange,
  core: Core,
): Promise<AuthenticatedUser | undefined> {
  const { request } = exchange
  const impu = registeredImpu(request)
  if (impu === undefined) return refuse(exchange, 404, core)
  const credentials = credentialsOf(request)
  if (credentials === undefined && request.headers.has(H.Authorization)) return refuse(exchange, 400, core)
  const username = credentials === undefined ? undefined : authParam(credentials, 'username')
  // Detached, since a challenge is kept for longer than the request.
  const impi = detached((username ?? defaultImpi(impu, core.options.homeDomains[0])) as Impi)
  const user = { impi, impu: detached(impu) }

  if (credentials !== undefined && isVouchedFor(credentials)) return user
  const response = credentials === undefined ? undefined : authParam(credentials, 'response')
  if (credentials === undefined || !isDigest(credentials) || response === undefined || response === '') {
    return challenge(exchange, user, false, core)
  }
  return judge(exchange, user, credentials, core)
}

/** Only a trusted P-CSCF can say this: the edge takes it out of what clients send. */
function isVouchedFor(credentials: Credentials): boolean {
  const mark = authParam(credentials, 'integrity-protected')
  return mark === 'tls-yes' || (mark === 'yes' && (authParam(credentials, 'response') ?? '') === '')
}

async function judge(
  exchange: ServerExchange,
  user: AuthenticatedUser,
  credentials: Credentials,
  core: Core,
): Promise<AuthenticatedUser | undefined> {
  const nonce = authParam(credentials, 'nonce') ?? ''
  const open = await core.challenges.get(user.impi, nonce)
  const count = parseNonceCount(authParam(credentials, 'nc') ?? '00000001')
  if (open === undefined || count === undefined || !isUsable(open, count, core)) {
    return challenge(exchange, user, true, core)
  }
  // A challenge proves who answers it for the identity it was made for, and for no other.
  if (
    open.impu !== user.impu ||
    authParam(credentials, 'realm') !== open.realm ||
    open.secret.kind !== 'digest'
  ) {
    return challenge(exchange, user, false, core)
  }
  const { request } = exchange
  if (!verifyDigest(credentials, { ha1: open.secret.ha1, method: request.method, body: request.body })) {
    core.inBackground(
      core.homestead.registrationData(user.impu, { type: 'dereg-auth-failed', impi: user.impi }),
    )
    return refuse(exchange, 403, core)
  }
  const used = { ...open, nonceCount: count + 1, expiresAt: lastUse(open, request, core) }
  const won = await core.challenges.advance(user.impi, used, open.nonceCount)
  return won === 'stored' ? user : challenge(exchange, user, true, core)
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

async function challenge(
  exchange: ServerExchange,
  user: AuthenticatedUser,
  stale: boolean,
  core: Core,
): Promise<undefined> {
  const answer = await core.homestead.authVector({
    impi: user.impi,
    impu: user.impu,
    serverName: core.scscfUri,
  })
  if (!answer.ok) return refuse(exchange, answer.status === 503 || answer.status === 504 ? 504 : 403, core)
  const vector = answer.value
  // AKA vectors come from an HSS; the local store has passwords.
  if (vector.kind !== 'digest') return refuse(exchange, 403, core)
  const nonce = randomText(16)
  await core.challenges.put(user.impi, newChallenge(vector, nonce, user, core))
  core.inBackground(
    core.timers.set(
      UNANSWERED_CHALLENGE,
      nonce,
      UNANSWERED_AFTER,
      JSON.stringify([user.impi, user.impu, nonce]),
    ),
  )
  core.answer(exchange, 401, {
    edit: headers => headers.append(H['WWW-Authenticate'], formatChallenge(vector, nonce, stale)),
  })
  return undefined
}

function newChallenge(
  vector: Extract<AuthVector, { kind: 'digest' }>,
  nonce: string,
  user: AuthenticatedUser,
  core: Core,
): Challenge {
  return {
    nonce,
    nonceCount: 1,
    expiresAt: core.clock.now() + CHALLENGE_LIFETIME,
    realm: vector.realm,
    qop: vector.qop,
    impu: user.impu,
    scscfUri: core.scscfUri,
    secret: { kind: 'digest', ha1: vector.ha1 },
  }
}

function formatChallenge(
  vector: Extract<AuthVector, { kind: 'digest' }>,
  nonce: string,
  stale: boolean,
): string {
  const word = stale ? 'TRUE' : 'FALSE'
  return (
    `Digest realm=${quote(vector.realm)},nonce="${nonce}",opaque="${randomText(16)}",` +
    `stale=${word},algorithm=MD5,qop=${quote(vector.qop)}`
  )
}

/** Tells the HSS of challenges that nobody answered (TS 24.229 §5.4.1.2.3). */
export function watchUnanswered(core: Core): void {
  core.timers.onPop(UNANSWERED_CHALLENGE, async pop => {
    const [impi, impu, nonce] = JSON.parse(pop.opaque) as [Impi, Impu, string]
    const open = await core.challenges.get(impi, nonce)
    if (open?.nonceCount === 1)
      await core.homestead.registrationData(impu, { type: 'dereg-auth-timeout', impi })
  })
}

function refuse(exchange: ServerExchange, status: number, core: Core): undefined {
  core.answer(exchange, status)
  return undefined
}
