import { gunzipSync } from 'node:zlib'
import { request as httpRequest } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Answer, AuthVector, Homestead } from '../../lib/ims/homestead.ts'
import { HttpHomestead } from '../../lib/ims/homestead-http.ts'
import type { Impu } from '../../lib/ims/identity.ts'
import { minutes, seconds, TestClock } from '../../lib/kit/clock.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { noLog } from '../../lib/kit/log.ts'
import { authParam, parseCredentials } from '../../lib/sip/credentials.ts'
import { digestResponse, ha1Of } from '../../lib/sip/digest.ts'
import type { CallFragment, CallListStore } from '../../lib/store/call-list-store.ts'
import { MemoryChallengeStore } from '../../lib/store/memory-challenges.ts'
import { openTestHomestead, provisionUser, type TestHomestead } from '../homestead/testing.ts'
import type { HttpChallenge } from './authentication.ts'
import { startMemento, type RunningMemento } from './memento.ts'

const ALICE = 'sip:alice@example.com' as Impu
const BOB = 'sip:bob@example.com' as Impu
const KEY = { 'ngv-api-key': 'open sesame' }

/** A store of fixed fragments. */
class FixedCallLists implements CallListStore {
  readonly lists = new Map<Impu, readonly CallFragment[]>()
  broken = false

  async add(): Promise<void> {
    throw new Error('the server only reads')
  }

  async fragments(impu: Impu): Promise<readonly CallFragment[]> {
    if (this.broken) throw new CwError('STORE_FAILED', 'the store is broken')
    return this.lists.get(impu) ?? []
  }

  async remove(): Promise<void> {
    throw new Error('the server only reads')
  }
}

const clock = new TestClock()
let homestead: TestHomestead
let asked: HttpHomestead
let callLists: FixedCallLists
let memento: RunningMemento

beforeEach(async () => {
  homestead = await openTestHomestead()
  await provisionUser(homestead, 'alice@example.com', ALICE)
  await provisionUser(homestead, 'bob@example.com', BOB)
  asked = new HttpHomestead({ origin: `http://127.0.0.1:${homestead.port}`, timeout: seconds(5) })
  callLists = new FixedCallLists()
  memento = await start(asked)
})
afterEach(async () => {
  await memento.close()
  await asked.close()
  await homestead.stop()
})

function start(subscribers: Pick<Homestead, 'authVector'>): Promise<RunningMemento> {
  return startMemento({
    clock,
    log: noLog,
    callLists,
    homestead: subscribers,
    challenges: new MemoryChallengeStore<HttpChallenge>({ clock }),
    homeDomain: 'example.com',
    apiKey: 'open sesame',
    bind: '127.0.0.1',
    port: 0,
  })
}

const pathOf = (impu: string): string =>
  `/org.projectclearwater.call-list/users/${encodeURIComponent(impu)}/call-list.xml`

interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly body: string
}

async function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Reply> {
  const response = await fetch(`http://127.0.0.1:${memento.port}${path}`, { method, headers })
  return { status: response.status, headers: response.headers, body: await response.text() }
}

/** The parameter of the challenge in an answer. */
function challenged(reply: Reply, name: string): string {
  const challenge = parseCredentials(reply.headers.get('www-authenticate') ?? '')
  if (challenge === undefined) throw new Error(`no challenge in a ${reply.status}`)
  return authParam(challenge, name) ?? ''
}

interface Attempt {
  readonly user?: string
  readonly password?: string
  readonly nc?: string
  readonly qop?: string
  readonly realm?: string
  readonly opaque?: string
  readonly nonce?: string
  readonly leaveOut?: string
}

/** Authorization that answers a challenge, as a client would write it unless the test says otherwise. */
function answerTo(challenge: Reply, attempt: Attempt = {}, path = pathOf(ALICE)): Record<string, string> {
  const { user = 'alice@example.com', password = 's3cret', nc = '00000001', qop = 'auth' } = attempt
  const realm = attempt.realm ?? challenged(challenge, 'realm')
  const nonce = attempt.nonce ?? challenged(challenge, 'nonce')
  const opaque = attempt.opaque ?? challenged(challenge, 'opaque')
  const response = digestResponse({
    algorithm: 'MD5',
    ha1: ha1Of(user, realm, password),
    method: 'GET',
    uri: path,
    nonce,
    qop: 'auth',
    cnonce: 'c0',
    nc,
    body: '',
  })
  const params = [
    `username="${user}"`,
    `realm="${realm}"`,
    `nonce="${nonce}"`,
    `uri="${path}"`,
    `qop=${qop}`,
    `nc=${nc}`,
    'cnonce="c0"',
    `response="${response}"`,
    `opaque="${opaque}"`,
  ]
  const left = params.filter(param => !param.startsWith(`${attempt.leaveOut ?? ' '}=`))
  return { authorization: `Digest ${left.join(', ')}` }
}

function rejected(id: string, xml: string): CallFragment {
  return { timestamp: '20260101000000', id, kind: 'rejected', xml }
}

describe('a subscriber', () => {
  test('is challenged, and reads the own list with the SIP password', async () => {
    callLists.lists.set(ALICE, [rejected('1', '<answered>0</answered>')])

    const challenge = await get(pathOf(ALICE))
    const list = await get(pathOf(ALICE), answerTo(challenge))

    expect(challenge.status).toBe(401)
    expect(challenge.headers.get('www-authenticate')).toMatch(
      /^Digest realm="example\.com",qop="auth",nonce="[\w-]{32}",opaque="[\w-]{32}"$/,
    )
    expect(list.status).toBe(200)
    expect(list.headers.get('content-type')).toBe('application/vnd.projectclearwater.call-list+xml')
    expect(list.body).toBe('<call-list><calls><call><answered>0</answered></call></calls></call-list>')
  })

  test('without calls reads an empty list', async () => {
    const list = await get(pathOf(ALICE), answerTo(await get(pathOf(ALICE))))
    expect(list.body).toBe('<call-list><calls></calls></call-list>')
  })

  test('may say only who is there, to be challenged as that user', async () => {
    const challenge = await get(pathOf(ALICE), { authorization: 'Digest username="alice@example.com"' })
    expect(challenge.status).toBe(401)
    expect((await get(pathOf(ALICE), answerTo(challenge))).status).toBe(200)
  })

  test('uses a nonce again with a rising count, also beyond nine', async () => {
    const challenge = await get(pathOf(ALICE))
    for (const nc of ['00000001', '00000009', '0000000a', '00000010']) {
      expect((await get(pathOf(ALICE), answerTo(challenge, { nc }))).status).toBe(200)
    }
  })

  test('who repeats a count is challenged anew, as stale', async () => {
    const challenge = await get(pathOf(ALICE))
    await get(pathOf(ALICE), answerTo(challenge, { nc: '00000002' }))

    for (const nc of ['00000001', '00000002']) {
      const again = await get(pathOf(ALICE), answerTo(challenge, { nc }))
      expect(again.status).toBe(401)
      expect(again.headers.get('www-authenticate')).toMatch(/,stale=TRUE$/)
    }
  })

  test('who sends one count twice at once is let in once', async () => {
    const challenge = await get(pathOf(ALICE))
    const both = await Promise.all([1, 2].map(() => get(pathOf(ALICE), answerTo(challenge))))
    expect(both.map(({ status }) => status).sort()).toEqual([200, 401])
  })

  test('whose nonce is five minutes old is challenged anew, as stale', async () => {
    const challenge = await get(pathOf(ALICE))
    clock.advance(minutes(5))
    const late = await get(pathOf(ALICE), answerTo(challenge))
    expect(late.status).toBe(401)
    expect(late.headers.get('www-authenticate')).toMatch(/,stale=TRUE$/)
  })

  test('with a wrong password is refused', async () => {
    const challenge = await get(pathOf(ALICE))
    expect((await get(pathOf(ALICE), answerTo(challenge, { password: 'guess' }))).status).toBe(403)
  })

  test('does not get the list of another, neither asking at once nor with a nonce of the own list', async () => {
    const fresh = await get(pathOf(BOB), { authorization: 'Digest username="alice@example.com"' })
    const challenge = await get(pathOf(ALICE))
    const reused = await get(pathOf(BOB), answerTo(challenge, {}, pathOf(BOB)))
    expect([fresh.status, reused.status]).toEqual([404, 404])
  })

  test('that nobody knows is not found', async () => {
    expect((await get(pathOf('sip:nobody@example.com'))).status).toBe(404)
  })
})

describe('a program with the API key', () => {
  test('reads any list', async () => {
    callLists.lists.set(BOB, [rejected('1', '<a/>')])
    expect((await get(pathOf(BOB), KEY)).body).toContain('<call><a/></call>')
    expect((await get(pathOf('tel:+16505550001'), KEY)).status).toBe(200)
  })

  test('that is wrong has to authenticate like anybody', async () => {
    expect((await get(pathOf(BOB), { 'ngv-api-key': 'open' })).status).toBe(401)
  })

  test('reads a list under any spelling of the identity', async () => {
    callLists.lists.set(BOB, [rejected('1', '<a/>')])
    expect((await get(pathOf('sip:bob@EXAMPLE.com;user=phone'), KEY)).body).toContain('<a/>')
  })
})

describe('bad input', () => {
  test.each<[string, Attempt]>([
    ['another qop', { qop: 'auth-int' }],
    ['another realm', { realm: 'example.org' }],
    ['another opaque', { opaque: 'x' }],
    ['a count that is no number', { nc: 'zzzzzzzz' }],
    ['no response', { leaveOut: 'response' }],
    ['no cnonce', { leaveOut: 'cnonce' }],
    ['no opaque', { leaveOut: 'opaque' }],
  ])('credentials with %s are 400', async (_what, attempt) => {
    const challenge = await get(pathOf(ALICE))
    expect((await get(pathOf(ALICE), answerTo(challenge, attempt))).status).toBe(400)
  })

  test.each([
    ['of another scheme', 'Basic YWxpY2U6czNjcmV0'],
    ['without a user', 'Digest realm="example.com"'],
    ['that break off', 'Digest username="ali'],
    ['that are empty', 'Digest'],
    ['that are huge', `Digest username="${'x'.repeat(8000)}", realm="y"`],
  ])('credentials %s are 400', async (_what, authorization) => {
    expect((await get(pathOf(ALICE), { authorization })).status).toBe(400)
  })

  test('a nonce that was never given is stale', async () => {
    const challenge = await get(pathOf(ALICE))
    expect((await get(pathOf(ALICE), answerTo(challenge, { nonce: 'made-up' }))).status).toBe(401)
  })

  test.each([
    ['no SIP identity', pathOf('tel:+16505550001'), 400],
    ['no URI', pathOf('alice'), 400],
    ['an escape that is none', '/org.projectclearwater.call-list/users/%zz/call-list.xml', 400],
    ['another document', '/org.projectclearwater.call-list/users/sip%3Aalice%40example.com/other.xml', 404],
    ['nothing', '/', 404],
  ])('a path with %s is refused', async (_what, path, status) => {
    expect((await get(path)).status).toBe(status)
  })

  test.each(['PUT', 'POST', 'DELETE'])('%s is not allowed, whoever asks', async method => {
    const reply = await get(pathOf(ALICE), KEY, method)
    expect(reply.status).toBe(405)
    expect(reply.headers.get('allow')).toBe('GET')
  })
})

test('a long list is compressed for those who accept it', async () => {
  callLists.lists.set(
    ALICE,
    Array.from({ length: 200 }, (_, i) => rejected(String(i), '<to>somebody</to>')),
  )
  const { headers, body } = await new Promise<{ headers: NodeJS.Dict<string | string[]>; body: Buffer }>(
    (resolve, reject) => {
      const sent = httpRequest(
        {
          port: memento.port,
          host: '127.0.0.1',
          path: pathOf(ALICE),
          headers: { ...KEY, 'accept-encoding': 'gzip' },
        },
        response => {
          const pieces: Buffer[] = []
          response.on('data', (piece: Buffer) => pieces.push(piece))
          response.on('end', () => resolve({ headers: response.headers, body: Buffer.concat(pieces) }))
        },
      )
      sent.on('error', reject)
      sent.end()
    },
  )

  expect(headers['content-encoding']).toBe('gzip')
  expect(body.length).toBeLessThan(2000)
  expect(
    gunzipSync(body)
      .toString()
      .match(/<call>/g),
  ).toHaveLength(200)
})

describe('what stands behind it', () => {
  test('a store that fails is 500, and the next request is served', async () => {
    callLists.broken = true
    expect((await get(pathOf(ALICE), KEY)).status).toBe(500)
    callLists.broken = false
    expect((await get(pathOf(ALICE), KEY)).status).toBe(200)
  })

  test.each<[string, Answer<AuthVector>, number]>([
    ['is overloaded', { ok: false, status: 503 }, 503],
    ['does not answer', { ok: false, status: 504 }, 504],
    [
      'has a SIM for the user',
      {
        ok: true,
        value: { kind: 'aka', version: 1, challenge: 'a', response: 'b', cryptKey: 'c', integrityKey: 'd' },
      },
      400,
    ],
    [
      'wants another qop',
      { ok: true, value: { kind: 'digest', realm: 'example.com', qop: 'auth-int', ha1: 'x' } },
      400,
    ],
  ])('a homestead that %s is told as it is', async (_what, vector, status) => {
    await memento.close()
    memento = await start({ authVector: async () => vector })
    expect((await get(pathOf(ALICE))).status).toBe(status)
  })
})

test('attempts and lists are counted', async () => {
  const challenge = await get(pathOf(ALICE))
  await get(pathOf(ALICE), answerTo(challenge))
  await get(pathOf(ALICE), answerTo(challenge))
  await get(pathOf(ALICE), answerTo(challenge, { nc: '00000002', password: 'guess' }))

  const figures = Object.fromEntries(
    memento
      .metrics()
      .flatMap(({ name, samples }) =>
        samples.map(({ labels, value }) => [`${name} ${labels?.outcome ?? ''}`.trim(), value]),
      ),
  )
  expect(figures).toEqual({
    clearwater_memento_requests_total: 4,
    clearwater_memento_requests_refused_total: 0,
    'clearwater_memento_authentications_total challenges': 2,
    'clearwater_memento_authentications_total successes': 1,
    'clearwater_memento_authentications_total failures': 1,
    'clearwater_memento_authentications_total stale': 1,
    clearwater_memento_lists_total: 1,
    clearwater_memento_calls_total: 0,
  })
})
