import { beforeEach, describe, expect, test, vi } from 'vitest'
import { defaultEnum } from '../../../lib/ims/enum/enum.ts'
import type { Impi, Impu } from '../../../lib/ims/identity.ts'
import type { TestExchange } from '../../../lib/ims/testing.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { openCore, registrationData, type TestCore } from '../testing.ts'
import { register } from './registrar.ts'
import { session } from './session.ts'

const BOB = 'sip:bob@example.com'
const ORIG = 'Route: <sip:scscf.sprout.example.com;transport=TCP;lr;orig>'
const TERM = 'Route: <sip:scscf.sprout.example.com:5054;transport=TCP;lr>'

let opened: TestCore

beforeEach(() => {
  opened = openCore()
  opened.homestead.data = impu => registrationData([impu])
})

function call(method: string, uri: string, ...lines: string[]): Promise<TestExchange> {
  return opened.run(session, method, uri, lines)
}

async function bobRegisters(...contacts: string[]): Promise<void> {
  const user = { impi: 'bob@example.com' as Impi, impu: BOB as Impu }
  const lines = contacts.map(contact => `Contact: ${contact}`)
  await opened.run((one, core) => register(one, user, core), 'REGISTER', 'sip:example.com', [
    'Path: <sip:token@127.0.0.1:5058;transport=TCP;lr;ob>',
    ...lines,
  ])
}

describe('originating', () => {
  test('the request stays in sight, and goes to the I-CSCF for a user of ours', async () => {
    await call('INVITE', BOB, ORIG, 'P-Asserted-Identity: <sip:alice@example.com>')
    const { request, to } = opened.sender.only
    expect(opened.homestead.asked).toEqual(['call sip:alice@example.com'])
    expect(to).toBe('sip:icscf.sprout.example.com;transport=TCP;lr')
    expect(request.uri).toBe(BOB)
    expect(request.headers.list(H.Route)).toEqual(['<sip:icscf.sprout.example.com;transport=TCP;lr>'])
    expect(request.headers.list(H['Record-Route'])).toEqual([
      '<sip:scscf.sprout.example.com;transport=TCP;lr;billing-role=charge-orig>',
    ])
  })

  test.each([
    ['a number', 'tel:+15551234', 'icscf'],
    ['a number at home', 'sip:+15551234@example.com;user=phone', 'icscf'],
    ['somebody elsewhere', 'sip:carol@example.org', 'bgcf'],
  ])('%s: %s goes to the %s', async (_what, uri, next) => {
    await call('INVITE', uri, ORIG)
    expect(opened.sender.only.to).toBe(`sip:${next}.sprout.example.com;transport=TCP;lr`)
  })

  const PBX = 'Route: <sip:scscf.sprout.example.com;transport=TCP;lr;orig;auto-reg>'

  test.each([
    [
      'the private identity that it claims',
      ['Proxy-Authorization: Digest username="pbx@example.com"'],
      'pbx@example.com',
    ],
    [
      'the one that its public one has by custom',
      ['Proxy-Authorization: Digest username=""'],
      'alice@example.com',
    ],
    ['the same, where nothing is claimed', [], 'alice@example.com'],
  ])('who calls by a Route with auto-reg is registered, as %s', async (_what, lines, impi) => {
    const asked: unknown[] = []
    const { homestead } = opened
    const ask = homestead.registrationData.bind(homestead)
    homestead.registrationData = (impu, request) => {
      asked.push([impu, request])
      return ask(impu, request)
    }
    await call('INVITE', BOB, PBX, ...lines)
    expect(asked).toEqual([
      ['sip:alice@example.com', { type: 'reg', impi, bypassCache: true, serverName: opened.core.scscfUri }],
    ])
    expect(opened.sender.only.request.uri).toBe(BOB)
  })

  test('a target that is neither: 400', async () => {
    expect((await call('INVITE', 'urn:service:counseling', ORIG)).statuses).toEqual([400])
  })

  test('an emergency service: to where the operator wants such calls, else 404', async () => {
    expect((await call('INVITE', 'urn:service:sos', ORIG)).statuses).toEqual([404])
    opened = openCore({ emergencyUri: 'sip:psap.example.com' })
    opened.homestead.data = impu => registrationData([impu])
    await call('INVITE', 'urn:service:sos', ORIG)
    expect(opened.sender.only.to).toBe('sip:psap.example.com;lr')
  })

  describe('with ENUM', () => {
    const withEnum = (
      entries: Readonly<Record<string, string>>,
      options: Parameters<typeof openCore>[0] = {},
    ) => {
      opened = openCore(options, undefined, { lookup: async number => entries[number] })
      opened.homestead.data = impu => registrationData([impu])
    }

    test.each([
      ['a user of ours', 'tel:+1-650-1', BOB, BOB, 'icscf'],
      [
        'a user of ours with a number for a name',
        'tel:+16501',
        'sip:+16501@example.com',
        'sip:+16501@example.com',
        'icscf',
      ],
      ['somebody elsewhere', 'sip:+16501@example.com', 'sip:b@example.org', 'sip:b@example.org', 'bgcf'],
      ['nobody, dialled as a number', 'tel:+16502', BOB, 'tel:+16502', 'bgcf'],
      [
        'nobody, with an address that looks like a number',
        'sip:16502@example.com',
        BOB,
        'sip:16502@example.com',
        'icscf',
      ],
      ['a number', 'tel:+16501', 'tel:+16502', 'tel:+16501', 'bgcf'],
      ['nonsense', 'tel:+16501', 'nonsense', 'tel:+16501', 'bgcf'],
      [
        'a ported number',
        'tel:+16501',
        'sip:+16501;rn=+44;npdi@example.com',
        'sip:+16501;rn=+44;npdi@example.com',
        'bgcf',
      ],
      [
        'a number that stays',
        'tel:+16501',
        'sip:+16501;npdi@example.com',
        'sip:+16501;npdi@example.com',
        'bgcf',
      ],
    ])('%s: %s', async (_what, uri, entry, becomes, next) => {
      withEnum({ '+16501': entry })
      await call('INVITE', uri, ORIG)
      expect(opened.sender.only.request.uri).toBe(becomes)
      expect(opened.sender.only.to).toBe(`sip:${next}.sprout.example.com;transport=TCP;lr`)
    })

    test('portability is looked up anew only where the operator wants it', async () => {
      const ported = 'tel:+16501;rn=+44;npdi'
      const entry = { '+16501': 'sip:+16501;rn=+33;npdi@example.com' }
      withEnum(entry)
      await call('INVITE', ported, ORIG)
      expect(opened.sender.only.request.uri).toBe(ported)

      withEnum(entry, { overrideNpdi: true })
      await call('INVITE', ported, ORIG)
      expect(opened.sender.only.request.uri).toContain('rn=+33')
    })

    test('user=phone and global numbers only, where the operator wants that', async () => {
      const options = { enforceUserPhone: true, enforceGlobalOnlyLookups: true }
      const entries = { '6501': BOB, '+6501': BOB }
      for (const [uri, next] of [
        ['sip:6501@example.com', 'icscf'],
        ['tel:6501', 'bgcf'],
        ['sip:6501@example.com;user=phone', 'bgcf'],
      ] as const) {
        withEnum(entries, options)
        await call('INVITE', uri, ORIG)
        expect(opened.sender.only.request.uri).toBe(uri)
        expect(opened.sender.only.to).toContain(next)
      }
      withEnum(entries, options)
      await call('INVITE', 'sip:+6501@example.com;user=phone', ORIG)
      expect(opened.sender.only.request.uri).toBe(BOB)
    })

    test('that takes each number for a user of ours: so does this, but for where one has been ported to', async () => {
      for (const [uri, becomes, next] of [
        ['tel:+1-650', 'sip:+1650@example.com', 'icscf'],
        ['sip:+1650@example.com;user=phone', 'sip:+1650@example.com;user=phone', 'icscf'],
        ['sip:1650@example.com', 'sip:1650@example.com', 'icscf'],
        ['tel:+1650;rn=+44', 'tel:+1650;rn=+44', 'bgcf'],
      ] as const) {
        opened = openCore({}, undefined, defaultEnum('example.com'))
        opened.homestead.data = impu => registrationData([impu])
        await call('INVITE', uri, ORIG)
        expect(opened.sender.only.request.uri).toBe(becomes)
        expect(opened.sender.only.to).toContain(next)
      }
    })

    test('a foreign I-CSCF in place of ours', async () => {
      withEnum({ '+16501': BOB }, { externalIcscfUri: 'sip:icscf.example.org:5070' })
      await call('INVITE', 'tel:+16501', ORIG)
      expect(opened.sender.only.to).toBe('sip:icscf.example.org:5070;lr')
    })
  })

  test('the served user is who P-Served-User says, then P-Asserted-Identity, then From', async () => {
    const asserted = 'P-Asserted-Identity: sip:asserted@example.com'
    await call('INVITE', BOB, ORIG, asserted, 'P-Served-User: <sip:served@example.com>;sescase=orig')
    await call('INVITE', BOB, ORIG, asserted)
    await call('INVITE', BOB, ORIG)
    expect(opened.homestead.asked).toEqual([
      'call sip:served@example.com',
      'call sip:asserted@example.com',
      'call sip:alice@example.com',
    ])
  })

  test('a user elsewhere is not served, the request goes by its Routes', async () => {
    await call('INVITE', BOB, `${ORIG}, <sip:as.example.com;lr>`, 'From: <sip:x@example.org>;tag=1')
    expect(opened.sender.only.to).toBe('sip:as.example.com;lr')
    expect(opened.homestead.asked).toEqual([])
  })

  test('a user with a number is asserted by both', async () => {
    opened.homestead.data = () => registrationData(['sip:alice@example.com', 'tel:+15550000'])
    await call('INVITE', BOB, ORIG, 'P-Asserted-Identity: <sip:alice@example.com>')
    expect(opened.sender.only.request.headers.list(H['P-Asserted-Identity'])).toEqual([
      '<sip:alice@example.com>',
      '<tel:+15550000>',
    ])
  })

  test('403 for a barred user', async () => {
    opened.homestead.data = impu => registrationData([`!${impu}`])
    expect((await call('INVITE', BOB, ORIG)).statuses).toEqual([403])
  })

  test('a MESSAGE makes no dialog, so nobody stays in it', async () => {
    await call('MESSAGE', BOB, ORIG)
    expect(opened.sender.only.request.headers.has(H['Record-Route'])).toBe(false)
  })
})

describe('the subscriber server', () => {
  test.each([
    [404, 404],
    [500, 404],
    [503, 504],
    [504, 504],
  ] as const)('says %i: %i', async (status, answer) => {
    opened.homestead.data = () => ({ ok: false, status })
    expect((await call('INVITE', BOB, ORIG)).statuses).toEqual([answer])
    expect((await call('INVITE', BOB, TERM)).statuses).toEqual([answer])
  })
})

describe('terminating', () => {
  test('the request goes to the contact by the Path it registered over', async () => {
    await bobRegisters('<sip:bob@10.0.0.2:5070;ob>')
    const exchange = await call('INVITE', BOB, TERM, 'P-Called-Party-ID: <sip:x@y>')
    const { request, to } = opened.sender.only
    expect(exchange.statuses).toEqual([200])
    expect(to).toBe('sip:token@127.0.0.1:5058;transport=TCP;lr;ob')
    expect(request.uri).toBe('sip:bob@10.0.0.2:5070;ob')
    expect(request.headers.list(H.Route)).toEqual(['<sip:token@127.0.0.1:5058;transport=TCP;lr;ob>'])
    expect(request.headers.list(H['P-Called-Party-ID'])).toEqual([`<${BOB}>`])
    expect(request.headers.list(H['Record-Route'])).toEqual([
      '<sip:scscf.sprout.example.com;transport=TCP;lr;billing-role=charge-term>',
    ])
  })

  test('480 when nobody has registered; 404 for a barred user', async () => {
    expect((await call('INVITE', BOB, TERM)).statuses).toEqual([480])
    opened.homestead.data = impu => registrationData([`!${impu}`])
    expect((await call('INVITE', BOB, TERM)).statuses).toEqual([404])
  })

  test('a barred user who has registered for an emergency can be called back there, and nowhere else', async () => {
    await bobRegisters('<sip:bob@10.0.0.2>', '<sip:bob@10.0.0.3;sos>')
    opened.homestead.data = impu => registrationData([`!${impu}`])

    await call('INVITE', BOB, TERM)

    expect(opened.sender.only.request.uri).toBe('sip:bob@10.0.0.3;sos')
  })

  test('who is found by a wildcard is asked for by it, and rings where its set does', async () => {
    const wildcard = 'sip:bob-!\\d+!@example.com'
    opened.homestead.data = () => {
      const answer = registrationData([BOB])
      if (!answer.ok || answer.value.subscription === undefined) return answer
      const [profile] = answer.value.subscription.profiles
      const identities = [...(profile?.identities ?? []), { impu: wildcard as Impu, barred: false, wildcard }]
      const profiles = [{ identities, filterCriteria: [] }]
      return { ok: true, value: { ...answer.value, subscription: { privateId: '', profiles } } }
    }
    await bobRegisters('<sip:bob@10.0.0.2>')
    const asked = vi.spyOn(opened.homestead, 'registrationData')

    await call('INVITE', 'sip:bob-77@example.com', TERM, 'P-Profile-Key: <sip:bob-!%5Cd+!@example.com>')

    expect(asked.mock.calls[0]).toMatchObject(['sip:bob-77@example.com', { wildcardIdentity: wildcard }])
    expect(opened.sender.only.request.uri).toBe('sip:bob@10.0.0.2')
    expect((await call('INVITE', 'sip:bob-x@example.com', TERM)).statuses).toEqual([404])
  })

  test('an alias rings the phones of its set', async () => {
    opened.homestead.data = () => registrationData([BOB, 'tel:+15559999'])
    await bobRegisters('<sip:bob@10.0.0.2>')
    await call('INVITE', 'tel:+1555-9999', TERM)
    expect(opened.sender.only.request.uri).toBe('sip:bob@10.0.0.2')
    expect(opened.sender.only.request.headers.get(H['P-Called-Party-ID'])).toBe('<tel:+15559999>')
  })

  test('all phones ring; the first that answers wins, the others are told', async () => {
    await bobRegisters('<sip:bob@10.0.0.2>;q=0.1', '<sip:bob@10.0.0.3>')
    opened.sender.farSide = sent => {
      if (sent.request.uri.includes('10.0.0.3')) sent.answer(180)
      else setImmediate(() => sent.answer(200))
    }
    const exchange = await call('INVITE', BOB, TERM)
    expect(opened.sender.sent.map(({ request }) => request.uri)).toEqual([
      'sip:bob@10.0.0.3',
      'sip:bob@10.0.0.2',
    ])
    expect(exchange.statuses).toEqual([180, 200])
    expect(opened.sender.sent.map(({ cancelled }) => cancelled)).toEqual([true, false])
  })

  test('no more than ten ring', async () => {
    await bobRegisters(...Array.from({ length: 12 }, (_, i) => `<sip:bob@10.0.0.${i}>;q=0.${i < 2 ? 1 : 5}`))
    opened.sender.farSide = sent => sent.answer(486)
    expect((await call('INVITE', BOB, TERM)).statuses).toEqual([486])
    expect(opened.sender.sent).toHaveLength(10)
    expect(opened.sender.sent.some(({ request }) => /\.[01]$/.test(request.uri))).toBe(false)
  })

  test('430 removes the binding; the call goes on at the others', async () => {
    await bobRegisters('<sip:bob@10.0.0.2>', '<sip:bob@10.0.0.3>')
    opened.sender.farSide = sent => sent.answer(sent.request.uri.includes('10.0.0.2') ? 430 : 200)
    expect((await call('INVITE', BOB, TERM)).statuses).toEqual([200])
    await vi.waitFor(() => expect(opened.registrations.contacts(BOB)).toEqual(['sip:bob@10.0.0.3']))
  })

  test('a phone that does not answer is a 408, a flow that cannot be reached a 503', async () => {
    await bobRegisters('<sip:bob@10.0.0.2>')
    opened.sender.farSide = sent => sent.noAnswer('timeout')
    expect((await call('INVITE', BOB, TERM)).statuses).toEqual([408])
    opened.sender.farSide = sent => sent.noAnswer('unreachable')
    expect((await call('INVITE', BOB, TERM)).statuses).toEqual([503])
  })

  test('a Route below ours has chosen the target already', async () => {
    await call('INVITE', BOB, TERM, 'Route: <sip:elsewhere.example.com;lr>')
    expect(opened.sender.only.to).toBe('sip:elsewhere.example.com;lr')
    expect(opened.homestead.asked).toEqual([])
  })
})

describe('in a dialog', () => {
  const BYE = ['To: <sip:bob@example.com>;tag=b', TERM, 'Route: <sip:127.0.0.1:5058;transport=TCP;lr>']

  test('the Routes decide, nobody is looked up', async () => {
    await call('BYE', 'sip:bob@10.0.0.2', ...BYE)
    expect(opened.sender.only.to).toBe('sip:127.0.0.1:5058;transport=TCP;lr')
    expect(opened.sender.only.request.headers.count(H.Route)).toBe(1)
    expect(opened.homestead.asked).toEqual([])
  })

  test('an ACK goes the same way, and is not answered', async () => {
    const exchange = await call('ACK', 'sip:bob@10.0.0.2', ...BYE)
    expect(opened.sender.acks).toHaveLength(1)
    expect(exchange.statuses).toEqual([])
  })

  test('a request that passes for the caller and for the callee does so at once', async () => {
    await call('BYE', 'sip:bob@192.0.2.9', BYE[0] ?? '', TERM, ...BYE.slice(1))
    const { request, to } = opened.sender.only
    expect(to).toBe('sip:127.0.0.1:5058;transport=TCP;lr')
    expect(request.headers.list(H.Route)).toEqual(['<sip:127.0.0.1:5058;transport=TCP;lr>'])
  })

  test('no SIP URI to go to: 400', async () => {
    expect((await call('BYE', 'tel:+15551234', 'To: <sip:b@x>;tag=b')).statuses).toEqual([400])
  })
})
