import { hash } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { akaPassword } from '../../../lib/ims/aka/password.ts'
import { TEST_KEY, TestUsim } from '../../../lib/ims/aka/testing.ts'
import { akaVector } from '../../../lib/ims/aka/vector.ts'
import type { AuthVectorQuery } from '../../../lib/ims/homestead.ts'
import type { TestExchange } from '../../../lib/ims/testing.ts'
import { authParam, parseCredentials, type Credentials } from '../../../lib/sip/credentials.ts'
import { digestResponse } from '../../../lib/sip/digest.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { openCore, registrationData, type TestCore } from '../testing.ts'
import { authenticate, type AuthenticatedUser } from './authentication.ts'

const IMPU = 'sip:alice@example.com'
const IMPI = 'alice@example.com'
const RAND = Buffer.from('23553cbe9637a89d218ae64dae47bf35', 'hex')

let opened: TestCore
let asked: AuthVectorQuery[]
let sqn: bigint

beforeEach(() => {
  opened = openCore()
  asked = []
  sqn = 0n
  opened.homestead.data = () => registrationData([IMPU])
  opened.homestead.authVector = async query => {
    asked.push(query)
    const version = query.scheme === 'aka2' ? 2 : 1
    return { ok: true, value: akaVector(TEST_KEY, (sqn += 32n), RAND, version) }
  }
})

async function register(authorization?: string) {
  let user: AuthenticatedUser | undefined
  const exchange = await opened.run(
    async (one, core) => {
      user = await authenticate(one, core)
    },
    'REGISTER',
    'sip:example.com',
    [`To: <${IMPU}>`, ...(authorization === undefined ? [] : [`Authorization: ${authorization}`])],
  )
  return Object.assign(exchange, { user })
}

function challengeIn(exchange: TestExchange): Credentials {
  const challenge = parseCredentials(exchange.final.headers.get(H['WWW-Authenticate']) ?? '')
  if (challenge === undefined) throw new Error('no challenge')
  return challenge
}

/** What a phone answers: with the password in hexadecimal digits, and more parameters. */
function answerTo(challenge: Credentials, password: string, more = ''): string {
  const nonce = authParam(challenge, 'nonce') ?? ''
  const algorithm = authParam(challenge, 'algorithm') ?? ''
  const prefix = Buffer.from(`${IMPI}:example.com:`)
  const ha1 = hash('md5', Buffer.concat([prefix, Buffer.from(password, 'hex')]))
  const [uri, cnonce, nc] = ['sip:example.com', 'c', '00000001']
  const input = { algorithm: 'MD5', ha1, method: 'REGISTER', uri, nonce, qop: 'auth', cnonce, nc } as const
  const response = digestResponse({ ...input, body: '' })
  return (
    `Digest username="${IMPI}",realm="example.com",nonce="${nonce}",uri="${uri}",qop=auth,cnonce="${cnonce}",` +
    `nc=${nc},algorithm=${algorithm},response="${response}"${more}`
  )
}

function passwordOf(challenge: Credentials, usim = new TestUsim(TEST_KEY)): string {
  const answer = usim.answer(authParam(challenge, 'nonce') ?? '')
  if (answer.kind !== 'answer') throw new Error(answer.kind)
  const version = authParam(challenge, 'algorithm') === 'AKAv2-MD5' ? 2 : 1
  return akaPassword({
    version,
    response: answer.res.toString('hex'),
    cryptKey: answer.ck.toString('hex'),
    integrityKey: answer.ik.toString('hex'),
  })
}

describe('an AKA challenge (RFC 3310)', () => {
  test('holds RAND and AUTN for the phone and the keys for its P-CSCF', async () => {
    const challenge = challengeIn(await register())

    expect(authParam(challenge, 'algorithm')).toBe('AKAv1-MD5')
    expect(authParam(challenge, 'realm')).toBe('example.com')
    expect(authParam(challenge, 'qop')).toBe('auth')
    expect(Buffer.from(authParam(challenge, 'nonce') ?? '', 'base64').subarray(0, 16)).toEqual(RAND)
    expect(authParam(challenge, 'ck')).toBe('b40ba9a3c58b2a05bbf0d987b21bf8cb')
    expect(authParam(challenge, 'ik')).toBe('f769bcd751044604127672711c6d3441')
  })

  test('is answered with what the USIM says', async () => {
    const challenge = challengeIn(await register())

    const answered = await register(answerTo(challenge, passwordOf(challenge)))

    expect(answered.user).toEqual({ impi: IMPI, impu: IMPU })
  })

  test.each(['', '00', 'a54211d5e3ba50be'])('is not answered with "%s"', async password => {
    const challenge = challengeIn(await register())

    expect((await register(answerTo(challenge, password))).statuses).toEqual([403])
  })

  test('is of version 2 for a phone that says so (RFC 4169), whose password is another', async () => {
    const challenge = challengeIn(await register(`Digest username="${IMPI}",algorithm=AKAv2-MD5,response=""`))
    expect(authParam(challenge, 'algorithm')).toBe('AKAv2-MD5')
    const password = passwordOf(challenge)

    expect(password).not.toBe('a54211d5e3ba50bf')
    expect((await register(answerTo(challenge, password))).user).toBeDefined()
    expect(asked[0]?.scheme).toBe('aka2')
  })

  test.each([
    ['integrity-protected="no"', 'aka'],
    ['integrity-protected="no",algorithm=AKAv1-MD5', 'aka'],
    ['integrity-protected="no",algorithm=AKAv2-MD5', 'aka2'],
    ['integrity-protected=ip-assoc-pending', undefined],
    ['algorithm=MD5', undefined],
  ])('%s asks for %s', async (params, scheme) => {
    await register(`Digest username="${IMPI}",${params},response=""`)

    expect(asked.map(query => query.scheme)).toEqual([scheme])
  })
})

describe('a phone that is out of step (RFC 3310 §3.4)', () => {
  async function outOfStep(): Promise<{ challenge: Credentials; auts: string }> {
    const challenge = challengeIn(await register())
    const answer = new TestUsim(TEST_KEY, 1n << 40n).answer(authParam(challenge, 'nonce') ?? '')
    if (answer.kind !== 'out-of-step') throw new Error(answer.kind)
    return { challenge, auts: answer.auts }
  }

  test('is challenged anew, after the subscriber server has heard where it stands', async () => {
    const { challenge, auts } = await outOfStep()

    const answered = await register(answerTo(challenge, '', `,auts="${auts}"`))

    expect(answered.user).toBeUndefined()
    expect(answered.statuses).toEqual([401])
    const resync = Buffer.concat([RAND, Buffer.from(auts, 'base64')]).toString('base64')
    expect(asked.at(-1)).toMatchObject({ impi: IMPI, resync })
    expect(authParam(challengeIn(answered), 'nonce')).not.toBe(authParam(challenge, 'nonce'))
  })

  test('says so once: the challenge is used up', async () => {
    const { challenge, auts } = await outOfStep()
    await register(answerTo(challenge, '', `,auts="${auts}"`))

    await register(answerTo(challenge, '', `,auts="${auts}"`))

    expect(asked.filter(query => query.resync !== undefined)).toHaveLength(1)
  })

  test('has to say so without a password', async () => {
    const { challenge, auts } = await outOfStep()

    expect((await register(answerTo(challenge, 'ff', `,auts="${auts}"`))).statuses).toEqual([403])
  })

  test.each(['AAAA', '!', ''])('has to say where it stands: "%s"', async auts => {
    const { challenge } = await outOfStep()

    expect((await register(answerTo(challenge, '', `,auts="${auts}"`))).statuses).toEqual([403])
    expect(asked).toHaveLength(1)
  })
})
