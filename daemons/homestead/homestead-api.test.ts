import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TEST_KEY, TestUsim } from '../../lib/ims/aka/testing.ts'
import { HttpHomestead } from '../../lib/ims/homestead-http.ts'
import type { Homestead } from '../../lib/ims/homestead.ts'
import type { Impi, Impu } from '../../lib/ims/identity.ts'
import type { Awaitable } from '../../lib/kit/awaitable.ts'
import { millis } from '../../lib/kit/clock.ts'
import { ha1Of } from '../../lib/sip/digest.ts'
import { digestHa1 } from './provisioning.ts'
import { openTestHomestead, provisionUser, SCSCF, type TestHomestead } from './testing.ts'

const IMPI = 'alice@example.com' as Impi
const IMPU = 'sip:alice@example.com' as Impu
const BOB = 'sip:bob@example.com' as Impu
const HA1 = digestHa1(IMPI, 'example.com', 's3cret')
const AV = '/impi/alice%40example.com/av'
const REG_DATA = '/impu/sip%3Aalice%40example.com/reg-data'

let hs: TestHomestead
beforeEach(async () => {
  hs = await openTestHomestead({ charging: { ccf: ['aaa://ccf1.example.com'], ecf: [] } })
  await provisionUser(hs, IMPI, IMPU)
})
afterEach(() => hs.stop())

async function status(method: string, path: string, body?: string): Promise<number> {
  return (await hs.ask(method, path, body)).status
}

async function reqtype(type: string, path = REG_DATA): Promise<string> {
  const reply = await hs.ask('PUT', path, JSON.stringify({ reqtype: type, server_name: SCSCF }))
  const state = /<RegistrationState>(\w+)</.exec(reply.body)?.[1]
  return state === undefined ? `${reply.status}` : `${reply.status} ${state}`
}

describe('authentication vectors (4.1)', () => {
  test('every known scheme gives the digest', async () => {
    for (const suffix of ['', '/digest', '/aka', '/aka2']) {
      const reply = await hs.ask('GET', `${AV}${suffix}?impu=${IMPU}`)
      expect([reply.status, reply.body]).toEqual([
        200,
        `{"digest":{"ha1":"${HA1}","realm":"example.com","qop":"auth"}}`,
      ])
    }
    expect((await hs.ask('GET', `/impi/alice%40example.com/digest?public_id=${IMPU}`)).body).toBe(
      `{"digest_ha1":"${HA1}"}`,
    )
  })

  test('who is unknown, or may not use the identity, gets 404', async () => {
    expect(await status('GET', `/impi/bob%40example.com/av?impu=${IMPU}`)).toBe(404)
    expect(await status('GET', `${AV}?impu=${BOB}`)).toBe(404)
    expect(await status('GET', AV)).toBe(404)
    expect(await status('GET', `${AV}/other?impu=${IMPU}`)).toBe(404)
    expect(await status('POST', `${AV}?impu=${IMPU}`)).toBe(405)
  })
})

describe('vectors for a USIM', () => {
  const USIM = JSON.stringify({ aka: { k: TEST_KEY.k, opc: TEST_KEY.opc } })
  const usim = new TestUsim(TEST_KEY)

  interface AkaBody {
    readonly aka: {
      challenge: string
      response: string
      cryptkey: string
      integritykey: string
      version: number
    }
  }

  async function vector(suffix = '', more = ''): Promise<AkaBody['aka']> {
    const reply = await hs.ask('GET', `${AV}${suffix}?impu=${IMPU}${more}`)
    expect(reply.status).toBe(200)
    return (JSON.parse(reply.body) as AkaBody).aka
  }

  beforeEach(async () => {
    expect((await hs.provision('PUT', '/private/alice%40example.com', USIM)).status).toBe(200)
    usim.sqn = 0n
  })

  test('are what the USIM expects, whatever the scheme, and new each time', async () => {
    for (const [suffix, version] of [
      ['', 1],
      ['/aka', 1],
      ['/aka2', 2],
    ] as const) {
      const given = await vector(suffix)
      const answer = usim.answer(given.challenge)

      expect(answer).toMatchObject({ kind: 'answer', res: Buffer.from(given.response, 'hex') })
      expect(answer).toMatchObject({
        ck: Buffer.from(given.cryptkey, 'hex'),
        ik: Buffer.from(given.integritykey, 'hex'),
      })
      expect(given.version).toBe(version)
    }
    expect(await status('GET', `${AV}/digest?impu=${IMPU}`)).toBe(404)
  })

  test('get into step with a USIM that says where it stands', async () => {
    usim.sqn = 1n << 40n
    const { challenge } = await vector()
    const answer = usim.answer(challenge)
    if (answer.kind !== 'out-of-step') throw new Error(answer.kind)
    const rand = Buffer.from(challenge, 'base64').subarray(0, 16)
    const resync = Buffer.concat([rand, Buffer.from(answer.auts, 'base64')]).toString('base64')

    const next = await vector('/aka', `&resync-auth=${encodeURIComponent(resync)}`)

    expect(usim.answer(next.challenge).kind).toBe('answer')
  })

  test('do not follow who only says to be the USIM', async () => {
    const forged = Buffer.alloc(30, 1).toString('base64')

    expect(await status('GET', `${AV}/aka?impu=${IMPU}&resync-auth=${encodeURIComponent(forged)}`)).toBe(403)
    expect(await status('GET', `${AV}/aka?impu=${IMPU}&resync-auth=AAAA`)).toBe(403)
    expect(usim.answer((await vector()).challenge).kind).toBe('answer')
  })

  test('are no more once there is a password instead', async () => {
    await hs.provision('PUT', '/private/alice%40example.com', '{"plaintext_password":"s3cret"}')

    expect((await hs.ask('GET', `${AV}?impu=${IMPU}`)).body).toContain(HA1)
  })

  test('and a digest may both be had', async () => {
    const both = JSON.stringify({ plaintext_password: 's3cret', aka: { k: TEST_KEY.k, opc: TEST_KEY.opc } })
    await hs.provision('PUT', '/private/alice%40example.com', both)

    expect((await hs.ask('GET', `${AV}/digest?impu=${IMPU}`)).body).toContain(HA1)
    expect((await vector()).version).toBe(1)
  })
})

test('a SHA-256 digest is given beside that of MD5', async () => {
  const ha1 = ha1Of(IMPI, 'example.com', 's3cret', 'SHA-256')
  const body = JSON.stringify({ plaintext_password: 's3cret', digest_ha1_sha256: ha1 })
  await hs.provision('PUT', '/private/alice%40example.com', body)

  expect(JSON.parse((await hs.ask('GET', `${AV}?impu=${IMPU}`)).body)).toEqual({
    digest: { ha1: HA1, realm: 'example.com', qop: 'auth', ha1_sha256: ha1 },
  })
  const client = new HttpHomestead({ origin: `http://127.0.0.1:${hs.port}`, timeout: millis(5000) })
  expect(await client.authVector({ impi: IMPI, impu: IMPU })).toEqual(
    await hs.homestead.authVector({ impi: IMPI, impu: IMPU }),
  )
  await client.close()
})

describe('a wildcard', () => {
  const CHAT = 'sip:chat-!.*!@example.com' as Impu
  const ROOM = '/impu/sip%3Achat-7%40example.com'

  async function provision(impu: string, more: string): Promise<string> {
    const at =
      (await hs.provision('GET', `/public/${encodeURIComponent(IMPU)}/service_profile`)).location ?? ''
    const xml = `<PublicIdentity><Identity>${impu}</Identity>${more}</PublicIdentity>`
    const path = `${at}/public_ids/${encodeURIComponent(impu)}`
    expect((await hs.provision('PUT', path, xml)).status).toBe(200)
    return path
  }

  test.each([
    [CHAT, '<Extension><IdentityType>2</IdentityType></Extension>'],
    [
      'sip:chat@example.com',
      `<Extension><IdentityType>3</IdentityType><Extension><Extension><WildcardedIMPU>${CHAT}</WildcardedIMPU></Extension></Extension></Extension>`,
    ],
  ])('stands for the identities it matches: %s', async (impu, more) => {
    expect(await status('GET', `${ROOM}/location`)).toBe(404)
    const path = await provision(impu, more)

    const found = await hs.ask('GET', `${ROOM}/location`)
    expect(JSON.parse(found.body)).toEqual({ 'result-code': 2001, scscf: SCSCF, 'wildcard-identity': CHAT })
    expect(await reqtype('call', `${ROOM}/reg-data`)).toBe('200 UNREGISTERED')
    expect(await status('GET', '/impu/sip%3Achat-7%40example.org/location')).toBe(404)

    await hs.provision('DELETE', path)
    expect(await status('GET', `${ROOM}/location`)).toBe(404)
  })

  test('comes after an identity of that very name', async () => {
    await provision(CHAT, '<Extension><IdentityType>2</IdentityType></Extension>')
    await provisionUser(hs, 'chat-7@example.com', 'sip:chat-7@example.com')

    expect(JSON.parse((await hs.ask('GET', `${ROOM}/location`)).body)).toEqual({
      'result-code': 2001,
      scscf: SCSCF,
    })
    expect((await hs.ask('GET', `${ROOM}/reg-data`)).body).not.toContain('chat-!')
  })
})

test('the registration status is the one S-CSCF there is, without a look at the user (4.2)', async () => {
  const reply = await hs.ask('GET', '/impi/x/registration-status?impu=sip%3Ax')

  expect([reply.status, JSON.parse(reply.body)]).toEqual([200, { 'result-code': 2001, scscf: SCSCF }])
  expect(await status('GET', '/impi/x/registration-status')).toBe(400)
  expect(await status('PUT', '/impi/x/registration-status?impu=sip%3Ax')).toBe(405)
})

test('a location is known for who is provisioned (4.3)', async () => {
  const reply = await hs.ask(
    'GET',
    '/impu/sip%3Aalice%40example.com/location?originating=true&auth-type=CAPAB',
  )

  expect([reply.status, JSON.parse(reply.body)]).toEqual([200, { 'result-code': 2001, scscf: SCSCF }])
  expect(await status('GET', '/impu/sip%3Abob%40example.com/location')).toBe(404)
})

describe('registration data (4.4)', () => {
  test('registration goes there and back', async () => {
    expect(await reqtype('call')).toBe('200 UNREGISTERED')
    expect(await reqtype('dereg-user')).toBe('400')
    expect(await reqtype('reg', `${REG_DATA}?private_id=${IMPI}`)).toBe('200 REGISTERED')
    expect(await reqtype('reg')).toBe('200 REGISTERED')
    expect(await reqtype('call')).toBe('200 REGISTERED')
    expect(await reqtype('dereg-auth-failed')).toBe('200 REGISTERED')
    expect(await reqtype('dereg-auth-timeout')).toBe('200 REGISTERED')
    expect((await hs.ask('GET', REG_DATA)).body).toContain('>REGISTERED<')
    expect(hs.cache.getSubscription(IMPU)?.impis).toEqual([IMPI])
    expect(await reqtype('dereg-timeout')).toBe('200 UNREGISTERED')
    expect(await reqtype('dereg-admin')).toBe('400')
  })

  test('an unknown identity is NOT_REGISTERED to look at, and 404 to register or call', async () => {
    const path = '/impu/sip%3Abob%40example.com/reg-data'

    expect((await hs.ask('GET', path)).body).toBe(
      '<ClearwaterRegData><RegistrationState>NOT_REGISTERED</RegistrationState></ClearwaterRegData>',
    )
    expect(await reqtype('reg', path)).toBe('404')
    expect(await reqtype('call', path)).toBe('404')
    expect(await reqtype('dereg-user', path)).toBe('400')
    expect(await reqtype('dereg-auth-failed', path)).toBe('200 NOT_REGISTERED')
  })

  test.each(['', 'reg', '{}', '{"reqtype":"deregister"}', '[]', 'null', '{"reqtype":7}'])(
    'the body %j is refused with 400',
    async body => {
      expect(await status('PUT', REG_DATA, body)).toBe(400)
    },
  )

  test('the profile and the charging addresses come along', async () => {
    const { body } = await hs.ask('GET', REG_DATA)

    expect(body).toBe(
      '<ClearwaterRegData><RegistrationState>UNREGISTERED</RegistrationState>' +
        '<IMSSubscription><PrivateID>Unspecified</PrivateID><ServiceProfile><PublicIdentity>' +
        '<Identity>sip:alice@example.com</Identity></PublicIdentity></ServiceProfile></IMSSubscription>' +
        '<ChargingAddresses><CCF priority="1">aaa://ccf1.example.com</CCF></ChargingAddresses></ClearwaterRegData>',
    )
    expect(await status('DELETE', REG_DATA)).toBe(405)
  })

  test('all identities of a set are registered by one', async () => {
    const { profile } = await provisionUser(hs, 'carol@example.com', 'sip:carol@example.com')
    const tel = '<PublicIdentity><Identity>tel:+16505550001</Identity></PublicIdentity>'
    await hs.provision('PUT', `${profile}/public_ids/tel%3A%2B16505550001`, tel)

    await reqtype('reg', '/impu/tel%3A%2B16505550001/reg-data')

    expect((await hs.ask('GET', '/impu/sip%3Acarol%40example.com/reg-data')).body).toContain('>REGISTERED<')
  })

  test('the bare subscription, as once asked for (4.5)', async () => {
    expect((await hs.ask('GET', '/impu/sip%3Aalice%40example.com')).body).toMatch(/^<IMSSubscription>/)
    expect(hs.cache.getSubscription(IMPU)?.registered).toBe(false)
    expect(await status('GET', `/impu/sip%3Aalice%40example.com?private_id=${IMPI}`)).toBe(200)
    expect(hs.cache.getSubscription(IMPU)?.registered).toBe(true)
    expect(await status('GET', '/impu/sip%3Abob%40example.com')).toBe(404)
  })

  test('a stored document that cannot be read is 500', async () => {
    await hs.cache.putSubscription([BOB], '<IMSSubscription>', { ccf: [], ecf: [] })

    expect(await status('GET', '/impu/sip%3Abob%40example.com/reg-data')).toBe(500)
  })
})

test('the client of the interface answers as homestead in the same process does', async () => {
  const http = new HttpHomestead({ origin: `http://127.0.0.1:${hs.port}`, timeout: millis(5000) })
  const questions: ((homestead: Homestead) => Awaitable<unknown>)[] = [
    h =>
      h.registrationStatus({
        impi: IMPI,
        impu: IMPU,
        authType: 'CAPAB',
        visitedNetwork: 'a b+c',
        emergency: true,
      }),
    h => h.location({ impu: IMPU, originating: true }),
    h => h.location({ impu: BOB, authType: 'CAPAB' }),
    h => h.authVector({ impi: IMPI, impu: IMPU }),
    h => h.authVector({ impi: IMPI, impu: BOB, scheme: 'digest' }),
    h => h.registrationData(IMPU, { type: 'call' }),
    h => h.registrationData(IMPU, { type: 'dereg-user' }),
    h => h.registrationData(BOB, { type: 'reg', impi: IMPI, serverName: SCSCF, bypassCache: true }),
    h => h.readRegistrationData(IMPU),
    h => h.readRegistrationData(BOB),
  ]

  for (const ask of questions) expect(await ask(http)).toEqual(await ask(hs.homestead))

  await hs.close()
  expect(await http.location({ impu: IMPU })).toEqual({ ok: false, status: 503 })
  await http.close()
})
