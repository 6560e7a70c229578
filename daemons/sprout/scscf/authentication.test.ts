import { beforeEach, describe, expect, test, vi } from 'vitest'
import { seconds } from '../../../lib/kit/clock.ts'
import { authParam, parseCredentials, type Credentials } from '../../../lib/sip/credentials.ts'
import { digestAlgorithm, digestResponse, ha1Of } from '../../../lib/sip/digest.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { TestExchange } from '../../../lib/ims/testing.ts'
import { openCore, registrationData, type TestCore } from '../testing.ts'
import { authenticate, watchUnanswered, type AuthenticatedUser } from './authentication.ts'

const IMPU = 'sip:alice@example.com'
const IMPI = 'alice@example.com'
const HA1 = ha1Of(IMPI, 'example.com', 'secret')
const TO = `To: <${IMPU}>`

let opened: TestCore

beforeEach(() => {
  opened = taughtCore()
})

function taughtCore(options: Parameters<typeof openCore>[0] = {}): TestCore {
  const core = openCore(options)
  core.homestead.vector = { ok: true, value: { kind: 'digest', realm: 'example.com', qop: 'auth', ha1: HA1 } }
  core.homestead.data = () => registrationData([IMPU])
  return core
}

async function register(
  ...lines: string[]
): Promise<TestExchange & { user?: AuthenticatedUser | undefined }> {
  let user: AuthenticatedUser | undefined
  const exchange = await opened.run(
    async (one, core) => {
      user = await authenticate(one, core)
    },
    'REGISTER',
    'sip:example.com',
    [TO, ...lines],
  )
  return Object.assign(exchange, { user })
}

function challengeIn(exchange: TestExchange): Credentials {
  expect(exchange.final.status).toBe(401)
  const challenge = parseCredentials(exchange.final.headers.get(H['WWW-Authenticate']) ?? '')
  if (challenge === undefined) throw new Error('no challenge')
  return challenge
}

function staleIn(exchange: TestExchange): string | undefined {
  return authParam(challengeIn(exchange), 'stale')
}

async function freshNonce(): Promise<string> {
  return authParam(challengeIn(await register()), 'nonce') ?? ''
}

function answerTo(nonce: string, nc = '00000001', ha1 = HA1, realm = 'example.com'): string {
  return answerBy(undefined, nonce, ha1, nc, realm)
}

/** @param named what the phone says it has computed with */
function answerBy(
  named: string | undefined,
  nonce: string,
  ha1: string,
  nc = '00000001',
  realm = 'example.com',
): string {
  const uri = 'sip:example.com'
  const input = {
    algorithm: digestAlgorithm(named) ?? 'SHA-256',
    ha1,
    method: 'REGISTER',
    uri,
    nonce,
    qop: 'auth',
    cnonce: 'c',
    nc,
    body: '',
  } as const
  return (
    `Authorization: Digest username="${IMPI}",realm="${realm}",nonce="${nonce}",uri="${uri}",qop=auth,` +
    `cnonce="c",nc=${nc},${named === undefined ? '' : `algorithm=${named},`}response="${digestResponse(input)}"`
  )
}

describe('a challenge', () => {
  test('comes for who has no credentials, and says what RFC 3261 wants it to', async () => {
    const challenge = challengeIn(await register())
    expect(challenge.scheme).toBe('Digest')
    expect(authParam(challenge, 'realm')).toBe('example.com')
    expect(authParam(challenge, 'nonce')).toMatch(/^[\w-]{16}$/)
    expect(authParam(challenge, 'opaque')).toMatch(/^[\w-]{16}$/)
    expect(authParam(challenge, 'algorithm')).toBe('MD5')
    expect(authParam(challenge, 'qop')).toBe('auth')
    expect(authParam(challenge, 'stale')).toBe('FALSE')
    expect(opened.homestead.asked).toEqual([`vector ${IMPI} ${IMPU}`])
  })

  test.each([
    ['an empty response', 'Digest username="al@example.com",response=""'],
    [
      'marks of the edge that prove nothing',
      'Digest username="al@example.com",integrity-protected=ip-assoc-yes',
    ],
    ['a half-proven mark', 'Digest username="al@example.com",integrity-protected=tls-pending'],
    ['another scheme', 'Bearer username="al@example.com",response="x"'],
  ])('also for %s', async (_what, value) => {
    expect(staleIn(await register(`Authorization: ${value}`))).toBe('FALSE')
    expect(opened.homestead.asked).toEqual([`vector al@example.com ${IMPU}`])
  })

  test('not for who a trusted proxy vouches for', async () => {
    const tls = await register(
      'Authorization: Digest username="alice@example.com",integrity-protected=tls-yes',
    )
    const ipsec = await register(
      'Authorization: Digest username="alice@example.com",integrity-protected="yes",response=""',
    )
    expect([tls.user, ipsec.user]).toEqual(Array(2).fill({ impi: IMPI, impu: IMPU }))
    expect(opened.homestead.asked).toEqual([])
  })

  test('malformed credentials: 400; a To that is no user of ours: 404', async () => {
    expect((await register('Authorization: Digest username="a')).statuses).toEqual([400])
    const stranger = await opened.run(
      async (one, core) => {
        await authenticate(one, core)
      },
      'REGISTER',
      'sip:example.com',
      ['To: <urn:service:sos>'],
    )
    expect(stranger.statuses).toEqual([404])
  })

  test.each([
    [404, 403],
    [403, 403],
    [500, 403],
    [503, 504],
    [504, 504],
  ] as const)('the subscriber server says %i: %i', async (status, answer) => {
    opened.homestead.vector = { ok: false, status }
    expect((await register()).statuses).toEqual([answer])
  })
})

describe('an answer', () => {
  test('that is right proves the user; the first may have any count', async () => {
    expect((await register(answerTo(await freshNonce()))).user).toEqual({ impi: IMPI, impu: IMPU })
    expect((await register(answerTo(await freshNonce(), '0000000a'))).user).toBeDefined()
  })

  test('that is wrong: 403, and the subscriber server hears of it', async () => {
    const nonce = await freshNonce()
    const wrong = await register(answerTo(nonce, '00000001', ha1Of(IMPI, 'example.com', 'guess')))
    expect(wrong.statuses).toEqual([403])
    expect(wrong.user).toBeUndefined()
    expect(opened.homestead.asked.at(-1)).toBe(`dereg-auth-failed ${IMPU}`)
  })

  test('to a nonce that is not known, or of somebody else: a new challenge, stale', async () => {
    expect(staleIn(await register(answerTo('never-given-out')))).toBe('TRUE')
    const nonce = await freshNonce()
    const other = answerTo(nonce).replace(`username="${IMPI}"`, 'username="bob@example.com"')
    expect(staleIn(await register(other))).toBe('TRUE')
  })

  test('proves nothing for an identity other than the one that was challenged', async () => {
    const nonce = await freshNonce()
    const exchange = await opened.run(
      async (one, core) => {
        expect(await authenticate(one, core)).toBeUndefined()
      },
      'REGISTER',
      'sip:example.com',
      ['To: <sip:bob@example.com>', answerTo(nonce)],
    )
    expect(exchange.final.status).toBe(401)
  })

  test('after 40 s is too late', async () => {
    const nonce = await freshNonce()
    opened.sender.clock.advance(seconds(40))
    expect(staleIn(await register(answerTo(nonce)))).toBe('TRUE')
  })

  test('with another realm: a new challenge, not stale', async () => {
    expect(staleIn(await register(answerTo(await freshNonce(), '00000001', HA1, 'example.org')))).toBe(
      'FALSE',
    )
  })

  test.each(['00000000', 'x', '1'])('with the count %s: a new challenge, stale', async nc => {
    expect(staleIn(await register(answerTo(await freshNonce(), nc)))).toBe('TRUE')
  })

  test('for another method does not count', async () => {
    const nonce = await freshNonce()
    const line = answerTo(nonce).replace(/response="\w+"/, 'response="00000000000000000000000000000000"')
    expect((await register(line)).statuses).toEqual([403])
  })

  test('given twice at once proves only one', async () => {
    const line = answerTo(await freshNonce())
    const both = await Promise.all([register(line), register(line)])
    expect(both.filter(({ user }) => user !== undefined)).toHaveLength(1)
    expect(both.map(({ statuses }) => statuses).sort()).toEqual([[], [401]])
  })
})

describe('a nonce used again', () => {
  test('is stale where counts are not supported', async () => {
    const nonce = await freshNonce()
    await register(answerTo(nonce))
    expect(staleIn(await register(answerTo(nonce, '00000002')))).toBe('TRUE')
  })

  test('is good with a higher count where they are, for as long as the registration', async () => {
    opened = taughtCore({ nonceCountSupported: true })
    const nonce = await freshNonce()
    expect((await register(answerTo(nonce, '00000003'), 'Expires: 100')).user).toBeDefined()
    expect(staleIn(await register(answerTo(nonce, '00000003')))).toBe('TRUE')
    opened.sender.clock.advance(seconds(99))
    expect((await register(answerTo(nonce, '00000004'), 'Expires: 10')).user).toBeDefined()
    opened.sender.clock.advance(seconds(10))
    expect(staleIn(await register(answerTo(nonce, '00000005')))).toBe('TRUE')
  })
})

describe('a user with a SHA-256 digest too (RFC 8760)', () => {
  const SHA256 = ha1Of(IMPI, 'example.com', 'secret', 'SHA-256')

  beforeEach(() => {
    const vector = { kind: 'digest', realm: 'example.com', qop: 'auth', ha1: HA1, sha256Ha1: SHA256 } as const
    opened.homestead.vector = { ok: true, value: vector }
  })

  async function challenges(): Promise<readonly Credentials[]> {
    const lines = (await register()).final.headers.lines(H['WWW-Authenticate'])
    return lines.map(line => parseCredentials(line)).filter(each => each !== undefined)
  }

  test('is challenged by both, the stronger one first, with one nonce', async () => {
    const both = await challenges()

    expect(both.map(each => authParam(each, 'algorithm'))).toEqual(['SHA-256', 'MD5'])
    expect(new Set(both.map(each => authParam(each, 'nonce'))).size).toBe(1)
  })

  test.each([
    ['SHA-256', SHA256],
    ['sha-256', SHA256],
    ['SHA-256-sess', SHA256],
    ['MD5', HA1],
  ])('may answer by %s', async (algorithm, ha1) => {
    const nonce = authParam((await challenges())[0] as Credentials, 'nonce') ?? ''

    expect((await register(answerBy(algorithm, nonce, ha1))).user).toEqual({ impi: IMPI, impu: IMPU })
  })

  test.each([
    ['SHA-256', HA1],
    ['MD5', SHA256],
    ['SHA-512-256', SHA256],
  ])('may not answer by %s with the hash of another', async (algorithm, ha1) => {
    const nonce = authParam((await challenges())[0] as Credentials, 'nonce') ?? ''

    expect((await register(answerBy(algorithm, nonce, ha1))).statuses).toEqual([403])
  })
})

test('who has no SHA-256 digest cannot answer by it', async () => {
  const sha256 = ha1Of(IMPI, 'example.com', 'secret', 'SHA-256')

  expect((await register(answerBy('SHA-256', await freshNonce(), sha256))).statuses).toEqual([403])
})

describe('when the time of a challenge is over', () => {
  test('the subscriber server hears that nobody answered', async () => {
    watchUnanswered(opened.core)
    await register()
    opened.sender.clock.advance(seconds(41))
    await vi.waitFor(() => expect(opened.homestead.asked.at(-1)).toBe(`dereg-auth-timeout ${IMPU}`))
  })

  test('it hears nothing when somebody has', async () => {
    opened = taughtCore({ nonceCountSupported: true })
    watchUnanswered(opened.core)
    await register(answerTo(await freshNonce()))
    opened.sender.clock.advance(seconds(41))
    await new Promise(resolve => setImmediate(resolve))
    expect(opened.homestead.asked).toEqual([`vector ${IMPI} ${IMPU}`])
  })
})
