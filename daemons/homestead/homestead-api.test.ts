import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HttpHomestead } from '../../lib/ims/homestead-http.ts'
import type { Homestead } from '../../lib/ims/homestead.ts'
import type { Impi, Impu } from '../../lib/ims/identity.ts'
import { millis } from '../../lib/kit/clock.ts'
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
    expect((await hs.cache.getSubscription(IMPU))?.impis).toEqual([IMPI])
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
    expect((await hs.cache.getSubscription(IMPU))?.registered).toBe(false)
    expect(await status('GET', `/impu/sip%3Aalice%40example.com?private_id=${IMPI}`)).toBe(200)
    expect((await hs.cache.getSubscription(IMPU))?.registered).toBe(true)
    expect(await status('GET', '/impu/sip%3Abob%40example.com')).toBe(404)
  })

  test('a stored document that cannot be read is 500', async () => {
    await hs.cache.putSubscription([BOB], '<IMSSubscription>', { ccf: [], ecf: [] })

    expect(await status('GET', '/impu/sip%3Abob%40example.com/reg-data')).toBe(500)
  })
})

test('the client of the interface answers as homestead in the same process does', async () => {
  const http = new HttpHomestead({ origin: `http://127.0.0.1:${hs.port}`, timeout: millis(5000) })
  const questions: ((homestead: Homestead) => Promise<unknown>)[] = [
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
