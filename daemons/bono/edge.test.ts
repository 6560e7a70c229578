import { describe, expect, test } from 'vitest'
import { seconds } from '../../lib/kit/clock.ts'
import { sipRequest, TestExchange, TestFlow } from '../../lib/ims/testing.ts'
import { H } from '../../lib/sip/header-names.ts'
import { openEdge, SERVICE_ROUTE, UPSTREAM } from './testing.ts'

const ALICE = '<sip:alice@example.com>'
const ALICE_TEL = '<tel:+15551234>'
const ALIAS = '<sip:al@example.com>'
const TRUNK = new TestFlow('TCP', '203.0.113.1')

async function withAlice(associated: readonly string[] = [ALICE, ALICE_TEL, ALIAS]) {
  const opened = openEdge()
  const flow = new TestFlow()
  const token = await opened.register(flow, associated)
  return { ...opened, flow, token }
}

describe('what every request must have right', () => {
  test.each([
    [416, 'mailto:bob@example.com', []],
    [400, 'sip:', []],
    [483, 'sip:bob@example.com', ['Max-Forwards: 1']],
    [483, 'sip:bob@example.com', ['Max-Forwards: 0']],
  ])('%i for %s %s', async (status, uri, lines) => {
    const { outside, flow, sender } = await withAlice()
    expect((await outside(flow, 'INVITE', uri, lines)).statuses).toEqual([status])
    expect(sender.sent).toEqual([])
  })

  test('420 names the options that are not known here', async () => {
    const { outside, flow } = await withAlice()
    const { final } = await outside(flow, 'INVITE', 'sip:bob@example.com', ['Proxy-Require: foo, bar'])
    expect(final.status).toBe(420)
    expect(final.headers.get(H.Unsupported)).toBe('foo, bar')
  })

  test.each([
    [200, ['Require: resource-priority', 'Resource-Priority: wps.1, ETS.0']],
    [417, ['Require: resource-priority', 'Resource-Priority: wps.1']],
    [417, ['Require: timer, resource-priority']],
    [200, ['Resource-Priority: wps.1']],
    [200, ['Proxy-Require: resource-priority', 'Resource-Priority: ets.0']],
    [417, ['Proxy-Require: resource-priority', 'Resource-Priority: wps.1']],
    [420, ['Proxy-Require: resource-priority, foo', 'Resource-Priority: ets.0']],
  ])('%i for %j where only ets.0 counts (RFC 4412)', async (status, lines) => {
    const { outside, register } = openEdge({ priorities: new Set(['ets.0']) })
    const flow = new TestFlow()
    await register(flow, [ALICE])
    const { responses } = await outside(flow, 'INVITE', 'sip:bob@example.com', lines)
    expect(responses.map(response => response.status)).toEqual([status])
    expect(responses[0]?.headers.get(H['Accept-Resource-Priority'])).toBe(
      status === 417 ? 'ets.0' : undefined,
    )
    if (status === 420) expect(responses[0]?.headers.get(H.Unsupported)).toBe('foo')
  })

  test('where no priority counts, one that is insisted on is the callee’s matter', async () => {
    const { outside, flow } = await withAlice()
    const lines = ['Require: resource-priority', 'Resource-Priority: wps.1']
    expect((await outside(flow, 'INVITE', 'sip:bob@example.com', lines)).statuses).toEqual([200])
  })

  test('an ACK that would be refused is dropped', async () => {
    const { outside, sender } = openEdge()
    const exchange = await outside(new TestFlow(), 'ACK', 'sip:bob@example.com')
    expect(exchange.statuses).toEqual([])
    expect(sender.acks).toEqual([])
  })

  test("a monitor's OPTIONS is answered here, one for somebody behind us is not", async () => {
    const { outside, sender } = openEdge()
    expect((await outside(new TestFlow(), 'OPTIONS', 'sip:192.0.2.9:5060')).statuses).toEqual([200])
    expect((await outside(new TestFlow(), 'OPTIONS', 'sip:bob@example.com')).statuses).toEqual([403])
    expect(sender.sent).toEqual([])
  })
})

describe('who a client says it is', () => {
  const asserted = async (...preferred: string[]): Promise<string[] | number> => {
    const { outside, flow, sender } = await withAlice()
    const lines = preferred.map(value => `P-Preferred-Identity: ${value}`)
    const exchange = await outside(flow, 'INVITE', 'sip:bob@example.com', [
      'From: <sip:x@y.org>;tag=1',
      ...lines,
    ])
    if (sender.sent.length === 0) return exchange.final.status
    expect(sender.only.request.headers.has(H['P-Preferred-Identity'])).toBe(false)
    return sender.only.request.headers.list(H['P-Asserted-Identity'])
  }

  test('no preference: the default identity of the flow', async () => {
    expect(await asserted()).toEqual([ALICE])
  })

  test('one: that identity, as the registrar wrote it', async () => {
    expect(await asserted('"Al" <sip:al@EXAMPLE.com;user=phone>')).toEqual([ALIAS])
  })

  test('two: a name and a number', async () => {
    expect(await asserted(ALICE_TEL, ALIAS)).toEqual([ALICE_TEL, ALIAS])
    expect(await asserted(`${ALIAS}, ${ALICE_TEL}`)).toEqual([ALIAS, ALICE_TEL])
  })

  test.each([
    ['two names', [ALICE, ALIAS]],
    ['three', [ALICE, ALIAS, ALICE_TEL]],
    ['a foreign one', ['<sip:bob@example.com>']],
    ['one of two foreign', [ALICE, '<tel:+15559999>']],
    ['no identity at all', ['<mailto:alice@example.com>']],
    ['nonsense', ['<<']],
  ])('%s: 403', async (_what, preferred) => {
    expect(await asserted(...preferred)).toBe(403)
  })

  test('the identity of From, when it is one of the flow', async () => {
    const { outside, flow, sender } = await withAlice()
    await outside(flow, 'INVITE', 'sip:bob@example.com', ['From: <sip:al@example.com>;tag=1'])
    expect(sender.only.request.headers.list(H['P-Asserted-Identity'])).toEqual([ALIAS])
  })

  test('a client without a registration, or whose registration is over, is nobody', async () => {
    const { outside, flow, sender } = await withAlice()
    expect((await outside(new TestFlow(), 'INVITE', 'sip:bob@example.com')).statuses).toEqual([403])
    sender.clock.advance(seconds(629))
    expect((await outside(flow, 'MESSAGE', 'sip:bob@example.com')).statuses).toEqual([200])
    sender.clock.advance(seconds(1))
    expect((await outside(flow, 'MESSAGE', 'sip:bob@example.com')).statuses).toEqual([403])
  })
})

describe("a client's request", () => {
  test('what only the core may say is taken out', async () => {
    const { outside, flow, sender } = await withAlice()
    const claims = [
      'P-Asserted-Identity: <sip:boss@example.com>',
      'P-Served-User: <sip:boss@example.com>',
      'P-Charging-Vector: icid-value=1',
      'P-Charging-Function-Addresses: ccf=1',
      'P-Profile-Key: <sip:x@example.com>',
      'P-Visited-Network-ID: elsewhere',
      'P-Called-Party-ID: <sip:boss@example.com>',
      'P-Associated-URI: <sip:boss@example.com>',
      'Service-Route: <sip:evil.example.org;lr>',
      'Path: <sip:evil.example.org;lr>',
    ]
    await outside(flow, 'INVITE', 'sip:bob@example.com', claims)
    const { headers } = sender.only.request
    expect(headers.list(H['P-Asserted-Identity'])).toEqual([ALICE])
    expect(sender.only.request.format()).not.toMatch(/boss|evil|elsewhere|icid|ccf|Profile-Key/)
  })

  test('enters the core by the Service-Route of its identity; its own Routes do not matter', async () => {
    const { outside, flow, sender } = await withAlice()
    await outside(flow, 'INVITE', 'sip:bob@example.com', [
      'Route: <sip:192.0.2.9;lr>',
      'Route: <sip:evil.example.org;lr>',
    ])
    expect(sender.only.request.headers.list(H.Route)).toEqual([SERVICE_ROUTE])
    expect(sender.only.to).toBe('sip:scscf.sprout.example.com;transport=TCP;lr;orig')
  })

  test('two Record-Routes, the one of the core side on top', async () => {
    const { outside, flow, token, sender } = await withAlice()
    await outside(flow, 'INVITE', 'sip:bob@example.com')
    expect(sender.only.request.headers.list(H['Record-Route'])).toEqual([
      '<sip:127.0.0.1:5058;transport=TCP;lr>',
      `<sip:${token}@192.0.2.9:5060;transport=TCP;lr>`,
    ])
  })

  test('a WebSocket client is reached at the WebSocket port', async () => {
    const { outside, register, sender } = openEdge()
    const flow = new TestFlow('WS')
    const token = await register(flow, [ALICE])
    await outside(flow, 'INVITE', 'sip:bob@example.com')
    expect(sender.only.request.headers.list(H['Record-Route'])[1]).toBe(
      `<sip:${token}@192.0.2.9:5062;transport=WS;lr>`,
    )
  })

  test('asks for a session timer, and keeps it when the callee knows none', async () => {
    const { outside, flow, sender } = await withAlice()
    const { final } = await outside(flow, 'INVITE', 'sip:bob@example.com', ['Supported: timer'])
    expect(sender.only.request.headers.get(H['Session-Expires'])).toBe('600')
    expect(final.headers.get(H['Session-Expires'])).toBe('600;refresher=uac')
  })

  test('the answer tells the client nothing that is the core’s own', async () => {
    const { outside, flow, sender } = await withAlice()
    sender.farSide = sent =>
      sent.answer(200, headers => headers.append(H['P-Charging-Vector'], 'icid-value=1'))
    const { final } = await outside(flow, 'INVITE', 'sip:bob@example.com')
    expect(final.headers.has(H['P-Charging-Vector'])).toBe(false)
  })

  test('charging headers only where charging is configured', async () => {
    const { outside, register, sender } = openEdge({ cdfIdentity: 'cdf.example.com' })
    const flow = new TestFlow()
    await register(flow, [ALICE])
    await outside(flow, 'INVITE', 'sip:bob@example.com', ['Call-ID: 1"2@host'])
    const { headers } = sender.only.request
    expect(headers.get(H['P-Charging-Function-Addresses'])).toBe('ccf=cdf.example.com')
    expect(headers.get(H['P-Charging-Vector'])).toBe('icid-value=12host;icid-generated-at=192.0.2.9')
  })
})

describe('a request from the core', () => {
  test('goes over the flow that the token names, without the core’s secrets', async () => {
    const { core, flow, token, sender } = await withAlice()
    await core('INVITE', 'sip:alice@10.0.0.1', [
      `Route: <sip:${token}@127.0.0.1:5058;transport=TCP;lr;ob>`,
      'P-Asserted-Identity: <sip:bob@example.com>',
      'P-Charging-Vector: icid-value=1',
      'P-Access-Network-Info: IEEE-802.11',
      'P-Visited-Network-ID: example.com',
      'P-Served-User: <sip:bob@example.com>',
      'Authorization: Digest username="bob"',
      'Proxy-Authorization: Digest username="bob"',
    ])
    const { request, to } = sender.only
    expect(to).toBe(`flow ${flow.id}`)
    expect(request.headers.get(H['P-Asserted-Identity'])).toBe('<sip:bob@example.com>')
    expect(request.format()).not.toMatch(/^(P-Charging|P-Access|P-Visited|P-Served|Auth|Proxy-Auth|Route)/m)
    const [outer, inner] = request.headers.list(H['Record-Route'])
    expect(outer).toMatch(
      new RegExp(`^<sip:${token}@192\\.0\\.2\\.9:5060;transport=TCP;lr;seal=[\\w-]{12}>$`),
    )
    expect(inner).toBe('<sip:127.0.0.1:5058;transport=TCP;lr>')
  })

  test('430 when the token is not known, and when its connection is gone', async () => {
    const { core, flow, token } = await withAlice()
    const to = (name: string) => [`Route: <sip:${name}@127.0.0.1:5058;transport=TCP;lr>`]
    expect((await core('INVITE', 'sip:alice@10.0.0.1', to('nobody'))).statuses).toEqual([430])
    flow.close()
    expect((await core('INVITE', 'sip:alice@10.0.0.1', to(token))).statuses).toEqual([430])
  })

  test('the client cannot speak for the core in its answer', async () => {
    const { core, token, sender } = await withAlice()
    sender.farSide = sent =>
      sent.answer(200, headers => headers.append(H['P-Asserted-Identity'], '<sip:boss@example.com>'))
    const { final } = await core('INVITE', 'sip:alice@10.0.0.1', [`Route: <sip:${token}@127.0.0.1:5058;lr>`])
    expect(final.headers.has(H['P-Asserted-Identity'])).toBe(false)
  })

  test('REGISTER does not come this way: 405', async () => {
    const { core } = openEdge()
    expect((await core('REGISTER', 'sip:example.com')).statuses).toEqual([405])
  })

  test('one for this node, with no Route left, goes to the core’s entrance', async () => {
    const { core, sender } = openEdge()
    await core('MESSAGE', 'sip:bob@127.0.0.1:5058')
    await core('MESSAGE', 'sip:bob@127.0.0.1:5058', ['Route: <sip:127.0.0.1:5058;lr>'])
    expect(sender.sent.map(({ to }) => to)).toEqual(Array(2).fill(UPSTREAM.slice(1, -1)))
  })

  test('416 when it leads nowhere', async () => {
    const { core } = openEdge()
    expect((await core('INVITE', 'tel:+15551234')).statuses).toEqual([416])
  })

  test('an ACK follows its flow', async () => {
    const { core, flow, token, sender } = await withAlice()
    await core('ACK', 'sip:alice@10.0.0.1', [`Route: <sip:${token}@127.0.0.1:5058;lr>`])
    expect(sender.acks.map(({ hop }) => hop)).toEqual([{ via: 'flow', flow }])
  })
})

describe('a trunk', () => {
  test('its request enters the core as one for a user, not of one', async () => {
    const { outside, sender } = openEdge()
    await outside(TRUNK, 'INVITE', 'sip:+15551234@example.com', [
      'Route: <sip:evil.example.org;lr>',
      'P-Served-User: <sip:boss@example.com>',
      'P-Asserted-Identity: <sip:boss@example.com>',
    ])
    expect(sender.only.request.headers.list(H.Route)).toEqual([UPSTREAM.replace(';orig', '')])
    expect(sender.only.request.headers.list(H['Record-Route'])).toEqual([
      '<sip:127.0.0.1:5058;transport=TCP;lr>',
      '<sip:192.0.2.9:5060;transport=TCP;lr>',
    ])
    expect(sender.only.request.format()).not.toContain('boss')
  })

  test('says who its users are, but not who ours are', async () => {
    const { outside, sender } = openEdge()
    await outside(TRUNK, 'INVITE', 'sip:bob@example.com', [
      'P-Asserted-Identity: "Carol" <sip:carol@example.org>, <sip:boss@EXAMPLE.com>',
      'P-Asserted-Identity: <tel:+15557890>, garbage',
    ])
    expect(sender.only.request.headers.list(H['P-Asserted-Identity'])).toEqual([
      '"Carol" <sip:carol@example.org>',
      '<tel:+15557890>',
    ])
  })

  test('who calls this node by its own name means the home domain', async () => {
    const { outside, sender } = openEdge()
    await outside(TRUNK, 'INVITE', 'sip:192.0.2.9@192.0.2.9:5060;user=phone')
    expect(sender.only.request.uri).toBe('sip:192.0.2.9@example.com:5060;user=phone')
  })

  test('may not ask for originating services, nor register', async () => {
    const { outside } = openEdge()
    const route = ['Route: <sip:192.0.2.9;lr;orig>']
    expect((await outside(TRUNK, 'INVITE', 'sip:bob@example.com', route)).statuses).toEqual([403])
    expect((await outside(TRUNK, 'REGISTER', 'sip:example.com')).statuses).toEqual([405])
  })

  test('is told neither secrets of the core nor to what they belong', async () => {
    const { core, sender } = openEdge()
    await core('INVITE', 'sip:+15559999@203.0.113.1', [
      'Route: <sip:127.0.0.1:5058;lr>, <sip:203.0.113.1;lr>',
      'P-Charging-Vector: icid-value=1',
    ])
    expect(sender.only.to).toBe('sip:203.0.113.1;lr')
    expect(sender.only.request.headers.has(H['P-Charging-Vector'])).toBe(false)
    expect(sender.only.request.headers.list(H['Record-Route'])).toEqual([
      '<sip:192.0.2.9:5060;transport=TCP;lr>',
      '<sip:127.0.0.1:5058;transport=TCP;lr>',
    ])
  })
})

describe('a PBX that does not register', () => {
  const PBX = new TestFlow('UDP', '203.0.113.7')
  const route = 'sip:sprout.example.com:5054;transport=tcp;lr;orig;auto-reg'

  test('is known by its address; the core is asked to challenge it', async () => {
    const { outside, sender } = openEdge({ pbxServiceRoute: route })
    await outside(PBX, 'INVITE', 'sip:bob@example.com', [
      'From: <sip:+15551000@example.com>;tag=1',
      'Route: <sip:evil.example.org;lr>',
      'P-Served-User: <sip:boss@example.com>',
      'P-Asserted-Identity: <sip:boss@example.com>',
    ])
    const { headers } = sender.only.request
    expect(headers.list(H.Route)).toEqual([`<${route}>`])
    expect(headers.get(H['Proxy-Authorization'])).toMatch(/^Digest username="", .*response=""$/)
    expect(headers.list(H['Record-Route'])).toEqual([
      '<sip:127.0.0.1:5058;transport=TCP;lr>',
      '<sip:192.0.2.9:5060;transport=TCP;lr>',
    ])
    expect(sender.only.request.format()).not.toContain('boss')
  })

  test('its answer to the challenge goes on as it is, by the usual way where no other is set', async () => {
    const { outside, sender } = openEdge()
    const credentials = 'Digest username="pbx", realm="example.com", nonce="n", uri="sip:x", response="r"'
    await outside(PBX, 'INVITE', 'sip:bob@example.com', [`Proxy-Authorization: ${credentials}`])
    expect(sender.only.request.headers.lines(H['Proxy-Authorization'])).toEqual([credentials])
    expect(sender.only.request.headers.list(H.Route)).toEqual([UPSTREAM])
  })

  test('in a dialog it follows its Routes and is not asked again', async () => {
    const { outside, sender } = openEdge()
    const way = ['<sip:192.0.2.9:5060;lr>', '<sip:127.0.0.1:5058;lr>', '<sip:scscf.sprout.example.com;lr>']
    await outside(PBX, 'BYE', 'sip:bob@10.0.0.2', ['To: <sip:bob@example.com>;tag=2', `Route: ${way.join()}`])
    expect(sender.only.request.headers.list(H.Route)).toEqual([way[2]])
    expect(sender.only.request.headers.has(H['Proxy-Authorization'])).toBe(false)
  })

  test('is called past no client’s flow, and told no secrets', async () => {
    const { core, sender } = openEdge()
    await core('INVITE', 'sip:+15551000@203.0.113.7', [
      'Route: <sip:127.0.0.1:5058;lr>, <sip:203.0.113.7;lr>',
      'P-Charging-Vector: icid-value=1',
      'P-Early-Media: supported',
    ])
    expect(sender.only.to).toBe('sip:203.0.113.7;lr')
    expect(sender.only.request.headers.has(H['P-Charging-Vector'])).toBe(false)
    expect(sender.only.request.headers.has(H['P-Early-Media'])).toBe(true)
  })
})

describe('who is turned away before anything is kept of it', () => {
  test.each([
    [403, 'INVITE', 'sip:bob@example.com'],
    [403, 'OPTIONS', 'sip:bob@example.com'],
    [416, 'INVITE', 'mailto:bob@example.com'],
    [undefined, 'REGISTER', 'sip:example.com'],
    [undefined, 'OPTIONS', 'sip:192.0.2.9:5060'],
    [undefined, 'INVITE', 'urn:service:sos.fire'],
  ])('a stranger: %s for %s %s', (status, method, uri) => {
    const { edge } = openEdge()
    expect(edge.turnsAway(sipRequest(method, uri), new TestFlow())).toBe(status)
  })

  test('not a client, a trunk or a PBX', async () => {
    const { edge, flow } = await withAlice()
    for (const known of [flow, TRUNK, new TestFlow('TCP', '203.0.113.7')]) {
      expect(edge.turnsAway(sipRequest('INVITE', 'sip:bob@example.com'), known)).toBeUndefined()
    }
  })
})

describe('early media (RFC 5009)', () => {
  test.each([
    [[], 'supported'],
    [['P-Early-Media: supported'], 'supported'],
    [['P-Early-Media: sendrecv', 'P-Early-Media: gated'], 'sendrecv, gated, supported'],
  ])('a client’s call with %j says that it is understood', async (lines, said) => {
    const { outside, flow, sender } = await withAlice()
    await outside(flow, 'INVITE', 'sip:bob@example.com', lines)
    expect(sender.only.request.headers.lines(H['P-Early-Media'])).toEqual([said])
  })

  test.each(['MESSAGE', 'OPTIONS'])('a %s has nothing to say of it', async method => {
    const { outside, flow, sender } = await withAlice()
    await outside(flow, method, 'sip:bob@example.com')
    expect(sender.only.request.headers.has(H['P-Early-Media'])).toBe(false)
  })

  test('it does not leave the network by a trunk, nor come in by one', async () => {
    const { core, sender } = openEdge()
    sender.farSide = sent => sent.answer(200, edit => edit.append(H['P-Early-Media'], 'sendrecv'))
    const { final } = await core('INVITE', 'sip:+15559999@203.0.113.1', [
      'Route: <sip:203.0.113.1;lr>',
      'P-Early-Media: supported',
    ])
    expect(sender.only.request.headers.has(H['P-Early-Media'])).toBe(false)
    expect(final.headers.has(H['P-Early-Media'])).toBe(false)
  })
})

describe('keep-alives (RFC 6223)', () => {
  const viaOf = async (flow: TestFlow, params: string): Promise<string | undefined> => {
    const opened = openEdge()
    await opened.register(flow, [ALICE])
    const via = `Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bK-k${params}`
    await opened.outside(flow, 'INVITE', 'sip:bob@example.com', [via])
    return opened.sender.only.request.headers.top(H.Via)
  }

  test.each([
    [new TestFlow('UDP'), ';keep', ';keep=29'],
    [new TestFlow('TCP'), ';keep;received=10.0.0.1', ';keep=120;received=10.0.0.1'],
    [new TestFlow('WS'), ';KEEP', ';keep=120'],
    [new TestFlow('TCP'), ';keep=7', ';keep=7'],
    [new TestFlow('TCP'), '', ''],
  ])('a client that offers them is told how often', async (flow, offered, agreed) => {
    expect(await viaOf(flow, offered)).toBe(`SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bK-k${agreed}`)
  })
})

test('a CANCEL of the caller reaches who was called', async () => {
  const { edge, flow, sender } = await withAlice()
  sender.farSide = () => undefined
  const exchange = new TestExchange(sipRequest('INVITE', 'sip:bob@example.com'), flow)
  const done = edge.fromOutside(exchange)
  exchange.onCancel?.(sipRequest('CANCEL', 'sip:bob@example.com'))
  expect(sender.only.cancelled).toBe(true)
  sender.only.answer(487)
  await done
  expect(exchange.statuses).toEqual([487])
})

describe('the way of a dialog', () => {
  const CORE = [
    '<sip:scscf.sprout.example.com;transport=TCP;lr;billing-role=charge-term>',
    '<sip:as.example.com;lr>',
  ]
  const IN_DIALOG = 'To: <sip:bob@example.com>;tag=b'

  /** The Route set that a caller has from the 200 of its INVITE (RFC 3261 §12.1.2). */
  async function asCaller() {
    const opened = await withAlice()
    opened.sender.farSide = sent => {
      const recorded = [...CORE, ...sent.request.headers.list(H['Record-Route'])]
      sent.answer(200, headers => headers.set(H['Record-Route'], recorded.join(', ')))
    }
    const { final } = await opened.outside(opened.flow, 'INVITE', 'sip:bob@example.com')
    return { ...opened, routes: final.headers.list(H['Record-Route']).reverse() }
  }

  /** The Route set that a callee has from the INVITE (§12.1.1). */
  async function asCallee() {
    const opened = await withAlice()
    const recorded = CORE.map(route => `Record-Route: ${route}`)
    await opened.core('INVITE', 'sip:alice@10.0.0.1', [
      `Route: <sip:${opened.token}@127.0.0.1:5058;lr>`,
      ...recorded,
    ])
    return { ...opened, routes: opened.sender.only.request.headers.list(H['Record-Route']) }
  }

  test.each([
    ['caller', asCaller, CORE.toReversed()],
    ['callee', asCallee, CORE],
  ])('the %s goes the way it was given, without the two Routes of this edge', async (_, begin, way) => {
    const { outside, flow, sender, routes } = await begin()
    const { statuses } = await outside(flow, 'BYE', 'sip:bob@10.0.0.2', [
      IN_DIALOG,
      `Route: ${routes.join(', ')}`,
    ])
    expect(statuses).toEqual([200])
    expect(sender.sent.at(-1)?.request.headers.list(H.Route)).toEqual(way)
  })

  test('it is kept over a new registration on another connection', async () => {
    const { outside, register, routes } = await asCaller()
    const other = new TestFlow()
    await register(other, [ALICE])
    const { statuses } = await outside(other, 'BYE', 'sip:bob@10.0.0.2', [
      IN_DIALOG,
      `Route: ${routes.join(', ')}`,
    ])
    expect(statuses).toEqual([200])
  })

  test.each([
    ['a Route added', (routes: readonly string[]) => [...routes, '<sip:10.0.0.1:7;lr>']],
    ['a Route changed', (routes: readonly string[]) => routes.with(2, '<sip:10.0.0.1:7;lr>')],
    ['only the two of this edge', (routes: readonly string[]) => routes.slice(0, 2)],
    [
      'a way without a seal',
      (routes: readonly string[]) => routes.with(0, (routes[0] ?? '').replace(/;seal=[^>]*/, '')),
    ],
    ['a way of its own', () => ['<sip:10.0.0.1:7;lr>']],
    ['no way at all', () => []],
  ])('%s: 403', async (_, change) => {
    const { outside, flow, sender, routes } = await asCaller()
    const before = sender.sent.length
    const way = change(routes).map(route => `Route: ${route}`)
    expect((await outside(flow, 'BYE', 'sip:bob@10.0.0.2', [IN_DIALOG, ...way])).statuses).toEqual([403])
    expect(sender.sent).toHaveLength(before)
  })
})

describe('the core ends a registration', () => {
  const NOTICE = ['Event: reg', 'Subscription-State: terminated;reason=deactivated']
  const told = (token: string, aor = ALICE_URI, state = 'terminated') => ({
    uri: `sip:${token}@127.0.0.1:5058;transport=TCP;lr;ob`,
    body: `<reginfo xmlns="urn:ietf:params:xml:ns:reginfo"><registration aor="${aor}" id="a" state="${state}"/></reginfo>`,
  })
  const ALICE_URI = 'sip:alice@example.com'

  async function after(
    change: (token: string) => { uri: string; body: string },
    lines: readonly string[] = NOTICE,
  ): Promise<{ readonly notice: number[]; readonly call: number[] }> {
    const { core, outside, register } = openEdge()
    const flow = new TestFlow()
    const { uri, body } = change(await register(flow, [ALICE]))
    const notice = await core('NOTIFY', uri, lines, body)
    return { notice: notice.statuses, call: (await outside(flow, 'INVITE', 'sip:bob@example.com')).statuses }
  }

  test('and the flow may no longer speak for it', async () => {
    expect(await after(told)).toEqual({ notice: [200], call: [403] })
  })

  test.each([
    ['of somebody else', (token: string) => told(token, 'sip:carol@example.com'), NOTICE, [200]],
    ['that goes on', (token: string) => told(token, ALICE_URI, 'active'), NOTICE, [200]],
    ['over another flow', () => told('unknown'), NOTICE, [481]],
    ['said in no document', (token: string) => ({ ...told(token), body: '<reginfo' }), NOTICE, [400]],
    // What comes through an edge is anybody's word: it goes to where it is addressed, which is nowhere.
    ['said by a user', told, [...NOTICE, 'Record-Route: <sip:edge.example.com;lr>'], [200]],
    ['said by the way', told, ['Event: presence'], [200]],
  ])('%s: it may', async (_what, change, lines, notice) => {
    expect(await after(change, lines)).toEqual({ notice, call: [200] })
  })
})
