import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { HttpServer } from '../../lib/http/server.ts'
import type { Impi, Impu } from '../../lib/ims/identity.ts'
import { noLog } from '../../lib/kit/log.ts'
import { H } from '../../lib/sip/header-names.ts'
import { addRegistrationRoutes } from './registrations-api.ts'
import { register } from './scscf/registrar.ts'
import { subscribe } from './scscf/subscribe.ts'
import { filterCriterion, openCore, registrationData, type TestCore } from './testing.ts'

const ALICE = 'sip:alice@example.com' as Impu
const TEL = 'tel:+15551234'
const AS = 'sip:as.example.net'
const settled = () => new Promise(resolve => setImmediate(resolve))

let opened: TestCore
let origin = ''
const servers: HttpServer[] = []

afterAll(() => Promise.all(servers.map(server => server.close())))

beforeEach(async () => {
  opened = openCore()
  opened.homestead.data = impu =>
    impu.includes('nobody')
      ? { ok: true, value: { state: 'NOT_REGISTERED', charging: { ccf: [], ecf: [] } } }
      : registrationData([ALICE, TEL], { filterCriteria: [filterCriterion(AS, { method: 'REGISTER' })] })
  const server = new HttpServer({ log: noLog })
  addRegistrationRoutes(server, opened.core)
  servers.push(server)
  origin = `http://127.0.0.1:${await server.listen('127.0.0.1', 0)}`
  for (const impi of ['alice@example.com', 'home@example.com']) await aliceRegisters(impi)
  await opened.run(subscribe, 'SUBSCRIBE', ALICE, [
    `To: <${ALICE}>`,
    'Event: reg',
    'Contact: <sip:w@192.0.2.5>',
  ])
  await settled()
  opened.sender.sent.length = 0
  opened.homestead.asked.length = 0
})

async function aliceRegisters(impi: string): Promise<void> {
  const user = { impi: impi as Impi, impu: ALICE }
  await opened.run((one, core) => register(one, user, core), 'REGISTER', 'sip:example.com', [
    `Contact: <sip:${impi.replace('@', '-')}@10.0.0.1>;q=0.5;+sip.instance="<urn:uuid:${impi}>";audio`,
    'Path: <sip:token@edge:5058;lr>',
  ])
  await settled()
}

async function call(method: string, path: string, body?: unknown): Promise<{ status: number; body: string }> {
  const init = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }
  const response = await fetch(origin + path, { method, ...init })
  const answer = { status: response.status, body: await response.text() }
  await settled()
  return answer
}

const impuPath = (impu: string, rest = ''): string => `/impu/${encodeURIComponent(impu)}${rest}`

/** Methods sent, each with what is asked for by it. */
function sent(): string[] {
  return opened.sender.sent.map(({ request }) => {
    const { headers, method, uri } = request
    if (uri.startsWith('sip:token@edge')) return `${method} to the edge`
    return `${method} ${headers.get(method === 'NOTIFY' ? H['Subscription-State'] : H.Expires) ?? ''}`
  })
}

describe('what is kept', () => {
  test('is shown by any identity of the set', async () => {
    for (const impu of [ALICE, TEL]) {
      const { status, body } = await call('GET', impuPath(impu, '/bindings'))
      expect(status).toBe(200)
      const { bindings } = JSON.parse(body) as { bindings: Record<string, unknown> }
      expect(Object.keys(bindings)).toEqual(['<urn:uuid:alice@example.com>', '<urn:uuid:home@example.com>'])
      expect(bindings['<urn:uuid:alice@example.com>']).toEqual({
        uri: 'sip:alice-example.com@10.0.0.1',
        cid: 'call@192.0.2.1',
        cseq: 1,
        expires: Math.ceil((opened.sender.clock.now() + 300_000) / 1000),
        priority: 500,
        params: { '+sip.instance': '<urn:uuid:alice@example.com>', audio: '' },
        paths: ['<sip:token@edge:5058;lr>'],
        private_id: 'alice@example.com',
        emergency_reg: false,
      })
    }
    const { body } = await call('GET', impuPath(ALICE, '/subscriptions'))
    expect(Object.values((JSON.parse(body) as { subscriptions: object }).subscriptions)).toMatchObject([
      { req_uri: 'sip:w@192.0.2.5', to_uri: ALICE, cid: 'call@192.0.2.1', routes: [] },
    ])
  })

  test('404 where there is nothing', async () => {
    expect((await call('GET', impuPath('sip:nobody@example.com', '/bindings'))).status).toBe(404)
    expect((await call('GET', impuPath('nonsense-nobody', '/subscriptions'))).status).toBe(404)
  })
})

describe('an operator ends a registration', () => {
  test('all of it, and tells homestead, watchers and servers', async () => {
    expect(await call('DELETE', impuPath(TEL))).toEqual({ status: 200, body: '{"bindings":2}' })
    expect(opened.registrations.records.size).toBe(0)
    expect(opened.homestead.asked).toEqual([`read ${TEL}`, `dereg-admin ${ALICE}`])
    expect(sent()).toEqual(['NOTIFY to the edge', 'NOTIFY terminated;reason=deactivated', 'REGISTER 0'])
    const [atEdge, notify] = opened.sender.sent
    expect(atEdge?.request.uri).toBe('sip:token@edge:5058;lr')
    expect(atEdge?.request.body.match(/aor="[^"]*" id="[^"]*" state="terminated"/g)).toHaveLength(2)
    expect(notify?.request.body.match(/event="deactivated"/g)).toHaveLength(4)
  })

  test('but not of contacts for emergency calls', async () => {
    const user = { impi: 'alice@example.com' as Impi, impu: ALICE }
    await opened.run((one, core) => register(one, user, core), 'REGISTER', 'sip:example.com', [
      'Contact: <sip:alice@10.0.0.9;sos>',
    ])
    expect(await call('DELETE', impuPath(ALICE))).toEqual({ status: 200, body: '{"bindings":2}' })
    expect(opened.registrations.contacts(ALICE)).toEqual(['sip:alice@10.0.0.9;sos'])
    expect(sent()).toEqual(['NOTIFY to the edge', 'NOTIFY terminated;reason=deactivated'])
  })

  test('of one who is not registered: nothing is told', async () => {
    opened.registrations.records.clear()
    opened.homestead.data = () => registrationData([ALICE], { state: 'UNREGISTERED' })
    expect(await call('DELETE', impuPath(ALICE))).toEqual({ status: 200, body: '{"bindings":0}' })
    expect(opened.homestead.asked.join()).not.toContain('dereg')
  })

  test('that has no binding and is open at the subscriber server', async () => {
    opened.registrations.records.clear()
    expect((await call('DELETE', impuPath(ALICE))).status).toBe(200)
    expect(opened.homestead.asked.at(-1)).toBe(`dereg-admin ${ALICE}`)
  })

  test.each([
    [404, () => ({ ok: false, status: 404 }) as const],
    [502, () => ({ ok: false, status: 503 }) as const],
  ])('%i when homestead says so', async (status, data) => {
    opened.homestead.data = data
    expect((await call('DELETE', impuPath(ALICE))).status).toBe(status)
    expect(opened.registrations.contacts(ALICE)).toHaveLength(2)
  })

  test('404 for one whom nobody knows, 500 when the store does not take it', async () => {
    expect((await call('DELETE', impuPath('sip:nobody@example.com'))).status).toBe(404)
    opened.registrations.remove = async () => 'conflict'
    expect((await call('DELETE', impuPath(ALICE))).status).toBe(500)
  })
})

describe('the HSS ends registrations (TS 29.228 §6.1.3)', () => {
  const end = (notify: string, ...registrations: unknown[]) =>
    call('DELETE', `/registrations?send-notifications=${notify}`, { registrations })

  test('of one private identity: its bindings go, and nobody else is told than watchers', async () => {
    expect((await end('true', { 'primary-impu': ALICE, impi: 'home@example.com' })).status).toBe(200)
    expect(opened.registrations.contacts(ALICE)).toEqual(['sip:alice-example.com@10.0.0.1'])
    expect(sent()).toEqual(['NOTIFY active;expires=300'])
    expect(opened.homestead.asked).toEqual([])
  })

  test('of all, without a word back to homestead', async () => {
    expect((await end('true', { 'primary-impu': ALICE })).status).toBe(200)
    expect(opened.registrations.records.size).toBe(0)
    expect(opened.homestead.asked).toEqual([`read ${ALICE}`])
    expect(sent()).toEqual(['NOTIFY to the edge', 'NOTIFY terminated;reason=deactivated', 'REGISTER 0'])
  })

  test('with each private identity of one set, and nothing told to watchers', async () => {
    const both = ['alice@example.com', 'home@example.com'].map(impi => ({ 'primary-impu': ALICE, impi }))
    expect((await end('false', ...both)).status).toBe(200)
    expect(opened.registrations.records.size).toBe(0)
    expect(sent()).toEqual(['NOTIFY to the edge', 'REGISTER 0'])
  })

  test('challenges of who has lost a binding are gone', async () => {
    const challenge = {
      nonce: 'n',
      nonceCount: 2,
      expiresAt: opened.sender.clock.now() + 60_000,
      realm: 'r',
      qop: 'auth',
      impu: ALICE,
      scscfUri: '',
      secret: { kind: 'digest', ha1: '' },
    } as const
    for (const impi of ['alice@example.com', 'home@example.com']) opened.challenges.put(impi, challenge)
    await end('true', { 'primary-impu': ALICE, impi: 'home@example.com' })
    expect(opened.challenges.get('home@example.com', 'n')).toBeUndefined()
    expect(opened.challenges.get('alice@example.com', 'n')).toBeDefined()
  })

  test('nobody there is no error; a store that does not take it is', async () => {
    expect((await end('true', { 'primary-impu': 'sip:bob@example.com' })).status).toBe(200)
    opened.registrations.remove = async () => 'conflict'
    expect((await end('true', { 'primary-impu': ALICE })).status).toBe(500)
  })

  test.each([
    ['', { registrations: [] }],
    ['?send-notifications=yes', { registrations: [] }],
    ['?send-notifications=true', 'no JSON'],
    ['?send-notifications=true', []],
    ['?send-notifications=true', { registrations: {} }],
    ['?send-notifications=true', { registrations: [{ impi: 'a' }] }],
    ['?send-notifications=true', { registrations: ['a'] }],
    ['?send-notifications=true', { registrations: [{ 'primary-impu': ALICE, impi: 1 }] }],
  ])('400: %s %j', async (query, body) => {
    expect((await call('DELETE', `/registrations${query}`, body)).status).toBe(400)
    expect(opened.registrations.contacts(ALICE)).toHaveLength(2)
  })

  test('405 for other methods', async () => {
    expect((await call('GET', '/registrations')).status).toBe(405)
  })
})

describe('the HSS has another profile (TS 29.228 §6.6.1)', () => {
  const push = (impu: string, ...identities: string[]) =>
    call('PUT', `/registrations/${encodeURIComponent(impu)}`, {
      'user-data-xml': `<IMSSubscription><PrivateID>a</PrivateID><ServiceProfile>${identities
        .map(each => `<PublicIdentity><Identity>${each}</Identity></PublicIdentity>`)
        .join('')}</ServiceProfile></IMSSubscription>`,
    })

  test('watchers hear of identities that come and go', async () => {
    expect((await push(ALICE, ALICE, 'sip:work@example.com')).status).toBe(200)
    expect(opened.registrations.records.get(ALICE)?.value.associatedUris).toEqual([
      ALICE,
      'sip:work@example.com',
    ])
    const body = opened.sender.only.request.body
    expect(body).toContain('<registration aor="sip:work@example.com"')
    expect(body).toMatch(/<registration aor="tel:\+15551234" id="[^"]*" state="terminated">/)
  })

  test('the same one tells nobody anything, nor does one of who is not registered', async () => {
    expect((await push(ALICE, ALICE, TEL)).status).toBe(200)
    expect((await push('sip:bob@example.com', 'sip:bob@example.com')).status).toBe(200)
    expect(sent()).toEqual([])
    expect(opened.registrations.records.size).toBe(1)
  })

  test.each([
    ['no JSON', 'no JSON'],
    ['no document', { 'user-data-xml': 5 }],
    ['none that can be read', { 'user-data-xml': '<IMSSubscription>' }],
    [
      'one with entities',
      { 'user-data-xml': '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><IMSSubscription/>' },
    ],
  ])('400: %s', async (_what, body) => {
    expect((await call('PUT', `/registrations/${encodeURIComponent(ALICE)}`, body)).status).toBe(400)
  })

  test('400: that of another set', async () => {
    expect((await push(ALICE, 'sip:bob@example.com')).status).toBe(400)
  })
})
