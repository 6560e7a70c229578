import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { seconds } from '../../lib/kit/clock.ts'
import { digestHa1 } from './provisioning.ts'
import { openTestHomestead, provisionUser, type TestHomestead } from './testing.ts'

const IMPI = 'alice@example.com'
const IMPU = 'sip:alice@example.com'
const PRIVATE = '/private/alice%40example.com'
const PUBLIC = '/public/sip%3Aalice%40example.com'
const REG_DATA = '/impu/sip%3Aalice%40example.com/reg-data'
const NOWHERE = '/irs/00000000-0000-4000-8000-000000000000'
const NOT_FOUND = '{"error":true,"status":404,"message":"Not Found","reason":"Not Found","detail":{}}'

let hs: TestHomestead
beforeEach(async () => {
  hs = await openTestHomestead()
})
afterEach(() => hs.stop())

async function status(method: string, path: string, body?: string): Promise<number> {
  return (await hs.provision(method, path, body)).status
}

async function object(path: string): Promise<unknown> {
  return JSON.parse((await hs.provision('GET', path)).body)
}

describe('private ids (2.2)', () => {
  test('a plaintext password is kept, and its HA1 computed', async () => {
    expect(await status('PUT', PRIVATE, '{"plaintext_password":"s3cret"}')).toBe(200)

    expect(await object(PRIVATE)).toEqual({
      digest_ha1: digestHa1(IMPI, 'example.com', 's3cret'),
      realm: 'example.com',
      plaintext_password: 's3cret',
    })
  })

  test('a digest replaces it, with a realm of its own', async () => {
    await status('PUT', PRIVATE, '{"plaintext_password":"s3cret"}')
    await status('PUT', PRIVATE, '{"digest_ha1":"b0a4","realm":"other.org"}')

    expect(await object(PRIVATE)).toEqual({ digest_ha1: 'b0a4', realm: 'other.org' })
  })

  test.each([
    ['no body', undefined],
    ['no JSON', 'digest_ha1=b0a4'],
    ['no object', '"b0a4"'],
    ['null', 'null'],
    ['no credential', '{}'],
    ['both credentials', '{"digest_ha1":"a","plaintext_password":"b"}'],
    ['a number', '{"digest_ha1":1}'],
    ['an empty password', '{"plaintext_password":""}'],
    ['a strange realm', '{"digest_ha1":"a","realm":7}'],
  ])('%s is refused with 400', async (_, body) => {
    const reply = await hs.provision('PUT', PRIVATE, body)

    expect(reply.status).toBe(400)
    expect(JSON.parse(reply.body)).toMatchObject({ error: true, status: 400, message: 'Bad Request' })
    expect(await status('GET', PRIVATE)).toBe(404)
  })

  test('an unknown one is 404 to read and 204 to delete', async () => {
    const reply = await hs.provision('GET', PRIVATE)

    expect([reply.status, reply.body]).toEqual([404, NOT_FOUND])
    expect(await status('DELETE', PRIVATE)).toBe(204)
    expect(await status('GET', `${PRIVATE}/associated_public_ids`)).toBe(404)
    expect(await status('GET', `${PRIVATE}/associated_implicit_registration_sets`)).toBe(404)
  })

  test('a deleted one can no longer authenticate and is in no set', async () => {
    const { irs } = await provisionUser(hs, IMPI, IMPU)

    expect(await status('DELETE', PRIVATE)).toBe(200)

    expect(await status('GET', PRIVATE)).toBe(404)
    expect(await object(`${irs}/private_ids`)).toEqual({ private_ids: [] })
    expect((await hs.ask('GET', `/impi/alice%40example.com/av?impu=${IMPU}`)).status).toBe(404)
  })

  test('a changed password is effective at once', async () => {
    await provisionUser(hs, IMPI, IMPU)
    await status('PUT', PRIVATE, '{"digest_ha1":"b0a4"}')

    const vector = await hs.ask('GET', `/impi/alice%40example.com/av?impu=${IMPU}`)

    expect(JSON.parse(vector.body)).toEqual({ digest: { ha1: 'b0a4', realm: 'example.com', qop: 'auth' } })
  })
})

describe('sets and profiles (2.3, 2.4)', () => {
  test('the worked sequence gives a subscriber whom homestead knows', async () => {
    const { irs, profile } = await provisionUser(hs, IMPI, IMPU)

    expect(irs).toMatch(/^\/irs\/[0-9a-f-]{36}$/)
    expect(profile).toMatch(new RegExp(`^${irs}/service_profiles/[0-9a-f-]{36}$`))
    expect(await object(`${PRIVATE}/associated_implicit_registration_sets`)).toEqual({
      associated_implicit_registration_sets: [irs.slice(5)],
    })
    expect(await object(`${PRIVATE}/associated_public_ids`)).toEqual({ associated_public_ids: [IMPU] })
    expect(await object(`${irs}/public_ids`)).toEqual({ public_ids: [IMPU] })
    expect(await object(`${irs}/private_ids/`)).toEqual({ private_ids: [IMPI] })
    expect(await object(`${profile}/public_ids`)).toEqual({ public_ids: [IMPU] })
    expect((await hs.ask('GET', REG_DATA)).body).toContain('<RegistrationState>UNREGISTERED<')
  })

  test('bodies where none belong are refused', async () => {
    const { irs } = await provisionUser(hs, IMPI, IMPU)

    for (const [method, path] of [
      ['POST', '/irs'],
      ['POST', `${irs}/service_profiles`],
      ['PUT', `${irs}/private_ids/alice%40example.com`],
    ] as const) {
      const reply = await hs.provision(method, path, 'x')
      expect(reply.status).toBe(400)
      expect(JSON.parse(reply.body)).toMatchObject({ reason: 'Body not empty' })
    }
  })

  test('what does not exist is 404, or 204 where it would be deleted', async () => {
    await status('PUT', PRIVATE, '{"digest_ha1":"a"}')
    const association = `${PRIVATE}/associated_implicit_registration_sets/${NOWHERE.slice(5)}`

    expect(await status('PUT', association)).toBe(404)
    expect(await status('DELETE', association)).toBe(204)
    expect(await status('PUT', `${NOWHERE}/private_ids/alice%40example.com`)).toBe(404)
    expect(await status('DELETE', `${NOWHERE}/private_ids/alice%40example.com`)).toBe(404)
    expect(await status('DELETE', NOWHERE)).toBe(204)
    expect(await status('GET', `${NOWHERE}/public_ids`)).toBe(404)
    expect(await status('GET', `${NOWHERE}/private_ids`)).toBe(404)
    expect(await status('POST', `${NOWHERE}/service_profiles`)).toBe(404)
    const profile = `${NOWHERE}/service_profiles/${NOWHERE.slice(5)}`
    expect(await status('DELETE', profile)).toBe(404)
    expect(await status('GET', `${profile}/public_ids`)).toBe(404)
    expect(await status('GET', `${profile}/filter_criteria`)).toBe(404)
    expect(await status('PUT', `${profile}/filter_criteria`, '<ServiceProfile/>')).toBe(404)
    expect(await status('DELETE', `${profile}/public_ids/${IMPU}`)).toBe(404)
  })

  test('a profile named in another set is 403', async () => {
    const { profile } = await provisionUser(hs, IMPI, IMPU)
    const { irs: other } = await provisionUser(hs, 'bob@example.com', 'sip:bob@example.com')
    const wrong = `${other}/service_profiles/${profile.split('/').at(-1) ?? ''}`
    const identity = `<PublicIdentity><Identity>${IMPU}</Identity></PublicIdentity>`

    expect(await status('GET', `${wrong}/public_ids`)).toBe(403)
    expect(await status('GET', `${wrong}/filter_criteria`)).toBe(403)
    expect(await status('PUT', `${wrong}/filter_criteria`, '<ServiceProfile/>')).toBe(403)
    expect(await status('PUT', `${wrong}/public_ids/${IMPU}`, identity)).toBe(403)
    expect(await status('DELETE', `${wrong}/public_ids/${IMPU}`)).toBe(403)
    expect(await status('DELETE', wrong)).toBe(403)
  })

  test.each([
    ['no XML', 'hello', 400],
    ['nothing', '', 400],
    ['another root', '<Identity>sip:alice@example.com</Identity>', 400],
    ['another identity', '<PublicIdentity><Identity>sip:bob@example.com</Identity></PublicIdentity>', 403],
  ])('a public identity that is %s is refused', async (_, body, expected) => {
    const { profile } = await provisionUser(hs, IMPI, 'sip:other@example.com')

    expect(await status('PUT', `${profile}/public_ids/sip%3Aalice%40example.com`, body)).toBe(expected)
    expect(await status('GET', `${PUBLIC}/irs`)).toBe(404)
  })

  test('an identity with a slash, its host in any case, is one part of the path', async () => {
    const { profile } = await provisionUser(hs, IMPI, 'sip:a/b@EXAMPLE.com')

    expect((await hs.provision('GET', '/public/sip%3Aa%2Fb%40example.com/service_profile')).location).toBe(
      profile,
    )
    expect(await status('GET', '/public/sip%3Aa/b%40example.com/service_profile')).toBe(404)
  })

  test.each([
    ['nothing', ''],
    ['no XML', '<ServiceProfile>'],
    ['another root', '<InitialFilterCriteria/>'],
  ])('filter criteria that are %s are refused with 400', async (_, body) => {
    const { profile } = await provisionUser(hs, IMPI, IMPU)

    expect(await status('PUT', `${profile}/filter_criteria`, body)).toBe(400)
  })

  test('filter criteria come back as they were stored, and reach homestead', async () => {
    const criteria =
      '<?xml version="1.0"?>\n<ServiceProfile><InitialFilterCriteria><ApplicationServer><ServerName>sip:as@x</ServerName></ApplicationServer></InitialFilterCriteria></ServiceProfile>'
    const { profile } = await provisionUser(hs, IMPI, IMPU, criteria)

    expect((await hs.provision('GET', `${profile}/filter_criteria`)).body).toBe(criteria)
    expect((await hs.ask('GET', REG_DATA)).body).toContain('<ServerName>sip:as@x</ServerName>')
  })

  test('a second public identity joins the document of the set, and leaves it', async () => {
    const { profile } = await provisionUser(hs, IMPI, IMPU)
    const tel = '<PublicIdentity><Identity>tel:+16505550001</Identity></PublicIdentity>'

    expect(await status('PUT', `${profile}/public_ids/tel%3A%2B16505550001`, tel)).toBe(200)
    const both = await hs.ask('GET', '/impu/tel%3A%2B16505550001/reg-data')
    expect(both.body).toMatch(/<Identity>sip:alice@example.com<.*<Identity>tel:\+16505550001</)
    expect((await hs.ask('GET', '/impi/alice%40example.com/av?impu=tel%3A%2B16505550001')).status).toBe(200)

    expect(await status('DELETE', `${profile}/public_ids/tel%3A%2B16505550001`)).toBe(200)
    expect(await status('DELETE', `${profile}/public_ids/tel%3A%2B16505550001`)).toBe(404)
    expect((await hs.ask('GET', '/impu/tel%3A%2B16505550001/reg-data')).body).toContain('>NOT_REGISTERED<')
    expect((await hs.ask('GET', REG_DATA)).body).not.toContain('tel:')
    expect((await hs.ask('GET', '/impi/alice%40example.com/av?impu=tel%3A%2B16505550001')).status).toBe(404)
  })

  test('nothing is pushed for a set without a SIP identity', async () => {
    await provisionUser(hs, IMPI, 'tel:+16505550001')

    expect((await hs.ask('GET', '/impu/tel%3A%2B16505550001/location')).status).toBe(404)
  })

  test('a profile, then its set, go with all that is in them', async () => {
    const { irs, profile } = await provisionUser(hs, IMPI, IMPU)

    expect(await status('DELETE', profile)).toBe(200)
    expect(await status('GET', `${PUBLIC}/service_profile`)).toBe(404)
    expect((await hs.ask('GET', '/impu/sip%3Aalice%40example.com/location')).status).toBe(404)
    expect(await status('DELETE', irs)).toBe(200)
    expect(await object(`${PRIVATE}/associated_implicit_registration_sets`)).toEqual({
      associated_implicit_registration_sets: [],
    })
  })

  test('a dissociated private id can no longer use the public ones', async () => {
    const { irs } = await provisionUser(hs, IMPI, IMPU)
    const association = `${PRIVATE}/associated_implicit_registration_sets/${irs.slice(5)}`

    expect(await status('DELETE', association)).toBe(200)

    expect((await hs.ask('GET', `/impi/alice%40example.com/av?impu=${IMPU}`)).status).toBe(404)
    expect(await status('PUT', association)).toBe(200)
    expect((await hs.ask('GET', `/impi/alice%40example.com/av?impu=${IMPU}`)).status).toBe(200)
  })
})

describe('public ids (2.5)', () => {
  test('look-ups see other resources', async () => {
    const { irs, profile } = await provisionUser(hs, IMPI, IMPU)

    const toProfile = await hs.provision('GET', `${PUBLIC}/service_profile`)
    expect([toProfile.status, toProfile.location]).toEqual([303, profile])
    const toIrs = await hs.provision('GET', `${PUBLIC}/irs`)
    expect([toIrs.status, toIrs.location]).toEqual([303, irs])
    expect(await object(`${PUBLIC}/associated_private_ids`)).toEqual({ private_ids: [IMPI] })
    expect(await status('GET', `${PUBLIC.slice(0, -1)}/irs`)).toBe(404)
    expect(await status('GET', `${PUBLIC.slice(0, -1)}/associated_private_ids`)).toBe(404)
  })

  test('the parts of a list hold each public id once, with or without its UUIDs', async () => {
    for (let i = 0; i < 20; i++) await provisionUser(hs, `${i}@example.com`, `sip:${i}@example.com`)

    const parts: { public_ids: { public_id: string; sp: string; irs: string }[] }[] = []
    for (let chunk = 0; chunk < 4; chunk++) {
      const path = `/public/?chunk-proportion=4&chunk=${chunk}`
      parts.push((await object(path)) as (typeof parts)[0])
    }
    const users = parts.flatMap(part => part.public_ids)

    expect(users.map(user => user.public_id).toSorted()).toEqual(
      Array.from({ length: 20 }, (_, i) => `sip:${i}@example.com`).toSorted(),
    )
    const { public_id: impu, sp, irs } = users[0] ?? { public_id: '', sp: '', irs: '' }
    expect((await hs.provision('GET', `/public/${encodeURIComponent(impu)}/service_profile`)).location).toBe(
      `/irs/${irs}/service_profiles/${sp}`,
    )
    const bare = (await object('/public?excludeuuids=true&chunk-proportion=1&chunk=0')) as (typeof parts)[0]
    expect(bare.public_ids).toHaveLength(20)
    expect(bare.public_ids.every(user => Object.keys(user).join() === 'public_id')).toBe(true)
  })

  test('a whole list pauses between its parts', async () => {
    await provisionUser(hs, IMPI, IMPU)
    const list = object('/public/?chunk-proportion=3')

    for (let pauses = 0; pauses < 2; pauses++) {
      await vi.waitFor(() => expect(hs.clock.pending).toBe(1))
      hs.clock.advance(seconds(1))
    }

    expect(await list).toMatchObject({ public_ids: [{ public_id: IMPU }] })
  })

  test('a part that does not exist is 400', async () => {
    for (const query of [
      'chunk-proportion=0',
      'chunk-proportion=x',
      'chunk-proportion=4&chunk=4',
      'chunk=-1',
    ])
      expect(await status('GET', `/public/?${query}`)).toBe(400)
  })
})

describe('any input', () => {
  test('methods that a path does not have are 405, unknown paths 404, both with an explanation', async () => {
    const method = await hs.provision('PATCH', PRIVATE, 'x')
    const path = await hs.provision('GET', '/nothing/here')

    expect([method.status, path.status, path.body]).toEqual([405, 404, NOT_FOUND])
    expect(JSON.parse(method.body)).toMatchObject({ status: 405, message: 'Method Not Allowed' })
    expect(await status('GET', '/ping')).toBe(200)
  })

  test('a body without end is refused', async () => {
    expect(await status('PUT', PRIVATE, `"${'x'.repeat(2_000_000)}"`)).toBe(413)
  })

  test('changes to one set from many sides at once leave cache and database in agreement', async () => {
    const { profile } = await provisionUser(hs, IMPI, IMPU)
    const names = Array.from({ length: 10 }, (_, i) => `sip:alias${i}@example.com`)

    await Promise.all(
      names.map(name =>
        hs.provision(
          'PUT',
          `${profile}/public_ids/${encodeURIComponent(name)}`,
          `<PublicIdentity><Identity>${name}</Identity></PublicIdentity>`,
        ),
      ),
    )
    await Promise.all(
      names.slice(5).map(name => hs.provision('DELETE', `${profile}/public_ids/${encodeURIComponent(name)}`)),
    )

    const { body } = await hs.ask('GET', REG_DATA)
    expect(names.filter(name => body.includes(`<Identity>${name}<`))).toEqual(names.slice(0, 5))
  })
})
