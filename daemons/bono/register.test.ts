import { describe, expect, test } from 'vitest'
import { sipRequest, TestExchange, TestFlow } from '../../lib/ims/testing.ts'
import { H } from '../../lib/sip/header-names.ts'
import { answerAsRegistrar, openEdge, UPSTREAM } from './testing.ts'

const TO = 'To: <sip:alice@example.com>'
const CONTACT = 'Contact: <sip:alice@10.0.0.1>'
const ALICE = '<sip:alice@example.com>'

async function sentFor(lines: readonly string[], uri = 'sip:example.com', flow = new TestFlow()) {
  const { outside, sender, flows } = openEdge()
  await outside(flow, 'REGISTER', uri, [CONTACT, ...lines])
  return { request: sender.only.request, to: sender.only.to, token: flows.open(flow).token }
}

describe('a REGISTER on its way to the core', () => {
  test('has a Path back to its flow, the network it visits and the Route upstream, and none of its own', async () => {
    const { request, to, token } = await sentFor([
      TO,
      'Route: <sip:evil.example.org;lr>',
      'Path: <sip:evil.org>',
    ])
    expect(request.uri).toBe('sip:example.com')
    expect(request.headers.list(H.Path)).toEqual([`<sip:${token}@127.0.0.1:5058;transport=TCP;lr;ob>`])
    expect(request.headers.list(H.Route)).toEqual([UPSTREAM])
    expect(request.headers.list(H['P-Visited-Network-ID'])).toEqual(['example.com'])
    expect(request.headers.has(H['Record-Route'])).toBe(false)
    expect(to).toBe(UPSTREAM.slice(1, -1))
  })

  test('the token is ten characters, one for each flow', async () => {
    const flow = new TestFlow()
    const opened = openEdge()
    await opened.outside(flow, 'REGISTER', 'sip:example.com', [TO, CONTACT])
    const { token } = opened.flows.open(flow)
    await opened.outside(flow, 'REGISTER', 'sip:example.com', [TO, CONTACT])
    expect(token).toMatch(/^[\w-]{10}$/)
    expect(opened.flows.open(flow).token).toBe(token)
    expect(
      opened.sender.sent.every(({ request }) => request.headers.top(H.Path)?.includes(`:${token}@`)),
    ).toBe(true)
  })

  test('ob only from the first hop; sips when the user registers a sips address', async () => {
    const vias = 'Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK-a, SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK-b'
    const { request } = await sentFor([vias, 'To: <sips:alice@example.com>'])
    expect(request.headers.top(H.Path)).toMatch(/^<sips:[\w-]+@127\.0\.0\.1:5058;transport=TCP;lr>$/)
  })

  test('for an emergency: 503, however it is written', async () => {
    const { outside, sender } = openEdge()
    for (const sos of ['sos', 'SOS']) {
      const contact = `Contact: <sip:alice@10.0.0.1;${sos}>`
      expect((await outside(new TestFlow(), 'REGISTER', 'sip:example.com', [TO, contact])).statuses).toEqual([
        503,
      ])
    }
    expect(sender.sent).toEqual([])
  })
})

test('a registration for an emergency goes like any other where it is allowed', async () => {
  const { outside, sender } = openEdge({ allowEmergencyRegistration: true })

  await outside(new TestFlow(), 'REGISTER', 'sip:example.com', [TO, 'Contact: <sip:alice@10.0.0.1;sos>'])

  expect(sender.only.to).toBe(UPSTREAM.slice(1, -1))
})

describe('an AKA challenge on its way to the phone', () => {
  const CHALLENGE = 'Digest realm="example.com",nonce="UkFORA==",algorithm=AKAv1-MD5,qop="auth"'

  async function shown(...challenges: readonly string[]): Promise<readonly string[]> {
    const opened = openEdge()
    opened.sender.farSide = sent =>
      sent.answer(401, headers => {
        for (const text of challenges) headers.append(H['WWW-Authenticate'], text)
      })
    const exchange = await opened.outside(new TestFlow(), 'REGISTER', 'sip:example.com', [TO, CONTACT])
    return exchange.final.headers.lines(H['WWW-Authenticate'])
  }

  test('has lost the keys that were meant for the edge', async () => {
    const [seen = '', ...more] = await shown(`${CHALLENGE},ck="00112233",IK = "44556677"`)

    expect(more).toEqual([])
    expect(seen).toContain('nonce="UkFORA=="')
    expect(seen).not.toMatch(/ck|ik|0011|4455/i)
  })

  test('goes at all only if it can be read', async () => {
    expect(await shown(`${CHALLENGE},ck="00112233`)).toEqual([])
  })

  test('is left as it is without keys, and so is any other', async () => {
    const plain = ['Digest realm="x",nonce="y",algorithm=SHA-256', 'Digest realm="x",nonce="y",algorithm=MD5']

    expect(await shown(...plain)).toEqual(plain)
    expect(await shown(CHALLENGE)).toEqual([CHALLENGE])
  })
})

describe('what the edge vouches for', () => {
  const CLAIM = 'integrity-protected="tls-yes"'
  const authorization = async (value: string) => {
    const { request } = await sentFor([TO, `Authorization: ${value}`])
    return request.headers.lines(H.Authorization)
  }

  test('a client’s own claim is taken out', async () => {
    expect(await authorization(`Digest username="a", Integrity-Protected = yes, realm="x"`)).toEqual([
      'Digest username="a", realm="x"',
    ])
    expect(await authorization(`Digest username="a", ${CLAIM}, ${CLAIM}`)).toEqual(['Digest username="a"'])
  })

  test('a claim that is all there is leaves no credentials, so that the user is challenged', async () => {
    expect(await authorization(`Digest ${CLAIM}`)).toEqual([])
  })

  test.each([`Digest username="a,${CLAIM},,`, `Digest ,${CLAIM}`, `Digest ${CLAIM} junk`])(
    'a claim in malformed credentials: %s',
    async value => {
      expect((await authorization(value)).join()).not.toMatch(/integrity-protected/i)
    },
  )

  test('a claim in a second header goes as well', async () => {
    const { request } = await sentFor([
      TO,
      'Authorization: Digest username="a"',
      `Authorization: Digest ${CLAIM}`,
    ])
    expect(request.headers.lines(H.Authorization)).toEqual(['Digest username="a"'])
  })

  test('a response is marked as pending, an empty one is not', async () => {
    expect(await authorization('Digest username="a",response="0f"')).toEqual([
      'Digest username="a",response="0f",integrity-protected=ip-assoc-pending',
    ])
    expect(await authorization('Digest username="a",response=""')).toEqual([
      'Digest username="a",response=""',
    ])
  })

  test('an identity that is registered over the flow is marked so, with credentials or without', async () => {
    const opened = openEdge()
    const flow = new TestFlow()
    await opened.register(flow, [ALICE])
    await opened.outside(flow, 'REGISTER', 'sip:example.com', [TO, CONTACT])
    await opened.outside(flow, 'REGISTER', 'sip:example.com', [
      TO,
      CONTACT,
      'Authorization: Digest username="a",response="0f"',
    ])
    expect(opened.sender.sent.map(({ request }) => request.headers.get(H.Authorization))).toEqual([
      'Digest username="alice@example.com", integrity-protected=ip-assoc-yes',
      'Digest username="a",response="0f",integrity-protected=ip-assoc-yes',
    ])
  })
})

describe('what an accepted registration gives the flow', () => {
  const identitiesAfter = async (...answers: (readonly [readonly string[], number])[]) => {
    const { outside, sender, flows } = openEdge()
    const flow = new TestFlow()
    for (const [associated, expires] of answers) {
      sender.farSide = sent => answerAsRegistrar(sent, associated, expires)
      await outside(flow, 'REGISTER', 'sip:example.com', [TO, CONTACT])
    }
    return { identities: [...(flows.find(flow)?.identities.values() ?? [])], now: sender.clock.now() }
  }

  test('every associated identity, the first as the default, until half a minute after the binding', async () => {
    const { identities, now } = await identitiesAfter([[ALICE, '"Al" <tel:+15551234>'], 600])
    expect(identities.map(({ impu, asserted, isDefault }) => [impu, asserted, isDefault])).toEqual([
      ['sip:alice@example.com', ALICE, true],
      ['tel:+15551234', '"Al" <tel:+15551234>', false],
    ])
    expect(identities.map(({ expiresAt }) => expiresAt - now)).toEqual([630_000, 630_000])
  })

  test('without a list, who registered', async () => {
    const { identities } = await identitiesAfter([[], 60])
    expect(identities.map(({ impu }) => impu)).toEqual(['sip:alice@example.com'])
  })

  test('nothing any more when no binding is left', async () => {
    const { identities } = await identitiesAfter([[ALICE], 600], [[ALICE], 0])
    expect(identities).toEqual([])
  })

  test('a phone that removes its contact loses its identity here, though another phone keeps its own', async () => {
    const { outside, sender, flows } = openEdge()
    const flow = new TestFlow()
    const accept = (contacts: readonly string[]): void => {
      sender.farSide = sent =>
        sent.answer(200, headers => {
          headers.append(H.Path, sent.request.headers.get(H.Path) ?? '').append(H['P-Associated-URI'], ALICE)
          for (const contact of contacts) headers.append(H.Contact, contact)
        })
    }
    const own = /Contact: (<[^>]*>)/.exec(CONTACT)?.[1] ?? ''
    accept([`${own};expires=60`, '<sip:other@192.0.2.77>;expires=600'])
    await outside(flow, 'REGISTER', 'sip:example.com', [TO, CONTACT])
    expect(flows.find(flow)?.identities.size).toBe(1)

    accept(['<sip:other@192.0.2.77>;expires=600'])
    await outside(flow, 'REGISTER', 'sip:example.com', [TO, CONTACT, 'Expires: 0'])

    expect(flows.find(flow)?.identities.size).toBe(0)
  })

  test('nothing when the answer has not passed this flow’s Path, or is no 200', async () => {
    const { outside, sender, flows } = openEdge()
    const flow = new TestFlow()
    sender.farSide = sent =>
      sent.answer(200, headers =>
        headers
          .append(H.Path, '<sip:other@127.0.0.1:5058;lr>')
          .append(H.Contact, '<sip:a@b>;expires=60')
          .append(H['P-Associated-URI'], ALICE),
      )
    await outside(flow, 'REGISTER', 'sip:example.com', [TO, CONTACT])
    sender.farSide = sent => sent.answer(401)
    await outside(flow, 'REGISTER', 'sip:example.com', [TO, CONTACT])
    expect(flows.find(flow)).toBeUndefined()
    expect(flows.size).toBe(0)
  })
})

test('the client hears the challenge, and nothing of charging', async () => {
  const { edge, sender } = openEdge()
  sender.farSide = sent =>
    sent.answer(401, headers =>
      headers
        .append(H['WWW-Authenticate'], 'Digest realm="x"')
        .append(H['P-Charging-Vector'], 'icid-value=1'),
    )
  const exchange = new TestExchange(sipRequest('REGISTER', 'sip:example.com', [TO, CONTACT]), new TestFlow())
  await edge.fromOutside(exchange)
  expect(exchange.final.headers.get(H['WWW-Authenticate'])).toBe('Digest realm="x"')
  expect(exchange.final.headers.has(H['P-Charging-Vector'])).toBe(false)
})
