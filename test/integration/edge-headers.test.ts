import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApplicationServer } from '../support/application-server.ts'
import { callBetween, phoneAt, registeredPhone } from '../support/calls.ts'
import { Core } from '../support/core.ts'
import type { Phone } from '../support/phone.ts'
import { statusOf, valueOf, valuesOf, type SipText } from '../support/sip-text.ts'
import { provision, provisionCriteria, subscriber } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'
import { openTcp } from '../support/wire.ts'

const MMTEL = 'urn:urn-7:3gpp-service.ims.icsi.mmtel'
const IPTV = 'urn:urn-7:3gpp-service.ims.icsi.iptv'

let core: Core
let caller: Phone
let callee: Phone

beforeAll(async () => {
  core = await Core.start()
  for (const user of ['alice', 'bob', 'telephonist']) {
    await provision(core.port('provisioning'), subscriber(user))
  }
  caller = await registeredPhone(core, 'alice')
  callee = await registeredPhone(core, 'bob', 'TCP')
})
afterAll(async () => {
  await caller[Symbol.asyncDispose]()
  await callee[Symbol.asyncDispose]()
  await core[Symbol.asyncDispose]()
})

/** One service, and a server that is asked about its requests only. */
function profileWith(server: ApplicationServer): string {
  return (
    '<InitialFilterCriteria><TriggerPoint><ConditionTypeCNF>1</ConditionTypeCNF><SPT><Group>0</Group>' +
    `<SIPHeader><Header>P-Asserted-Service</Header><Content>${MMTEL}</Content></SIPHeader></SPT></TriggerPoint>` +
    `<ApplicationServer><ServerName>${server.uri}</ServerName></ApplicationServer></InitialFilterCriteria>` +
    '<CoreNetworkServicesAuthorization><Extension><ListOfServiceIds>' +
    `<ServiceId>${MMTEL}</ServiceId></ListOfServiceIds></Extension></CoreNetworkServicesAuthorization>`
  )
}

type Headers = readonly (readonly [string, string])[]

/** What the callee gets of an INVITE, and the caller of its answer. */
async function declined(
  headers: Headers,
  options: { from?: Phone; answer?: Headers } = {},
): Promise<{ readonly arrived: SipText; readonly answer: SipText }> {
  const from = options.from ?? caller
  const sent = from.invite(callee.aor, { headers })
  const arrived = await callee.request('INVITE')
  callee.reply(arrived, 183, { headers: options.answer ?? [] })
  const answer = await from.response(sent, 183)
  callee.reply(arrived, 486)
  from.ack(sent, await from.response(sent))
  await callee.request('ACK')
  return { arrived, answer }
}

describe('P-Early-Media (RFC 5009)', () => {
  test('a client’s call says that its network understands it, and hears what is authorised', async () => {
    const { arrived, answer } = await declined([], { answer: [['P-Early-Media', 'sendonly']] })

    expect(valuesOf(arrived, 'p-early-media')).toEqual(['supported'])
    expect(valuesOf(answer, 'p-early-media')).toEqual(['sendonly'])
  })

  test('what a client says of it itself stays', async () => {
    const { arrived } = await declined([['P-Early-Media', 'supported']])

    expect(valuesOf(arrived, 'p-early-media')).toEqual(['supported'])
  })
})

describe('keep-alives (RFC 6223, RFC 5626)', () => {
  /** The 200 of a registration whose Via and Contact have these parameters. */
  async function registered(phone: Phone, via: string, contact: string): Promise<SipText> {
    const { token, local } = phone.wire
    const ask = (branch: string, more: Headers): Promise<SipText> =>
      phone.response(
        phone.send('REGISTER', 'sip:ims.test', {
          to: `<${phone.aor}>`,
          callId: `register-${local}`,
          headers: [
            ['Via', `SIP/2.0/${token} ${local};rport;branch=z9hG4bK-${branch}${via}`],
            ['Contact', phone.contact + contact],
            ['Expires', '300'],
            ['Supported', 'path, outbound'],
            ...more,
          ],
        }),
      )
    const challenge = await ask('1', [])
    const credentials = phone.credentials(valueOf(challenge, 'www-authenticate'), {
      method: 'REGISTER',
      uri: 'sip:ims.test',
    })
    return ask('2', [['Authorization', credentials]])
  }

  test.each([
    ['UDP', 29],
    ['TCP', 120],
    ['WS', 120],
  ] as const)('a client on %s that offers them is told: every %i s', async (transport, seconds) => {
    await using phone = await phoneAt(core, 'alice', transport)
    const answer = await registered(phone, ';keep', ';reg-id=1;+sip.instance="<urn:uuid:1>"')

    expect(statusOf(answer)).toBe(200)
    expect(valueOf(answer, 'via')).toContain(`;keep=${seconds}`)
    expect(valueOf(answer, 'require')).toContain('outbound')
    expect(valueOf(answer, 'flow-timer')).toBe(`${seconds}`)
    await phone.register({ contact: '*', expires: 0 })
    await caller.register()
  })

  test('one that does not, and has no flow of its own, is told nothing', async () => {
    await using phone = await phoneAt(core, 'alice')
    const answer = await registered(phone, '', '')

    expect(statusOf(answer)).toBe(200)
    expect(valueOf(answer, 'via')).not.toContain('keep')
    expect(valuesOf(answer, 'flow-timer')).toEqual([])
    await phone.register({ contact: '*', expires: 0 })
    await caller.register()
  })

  test('a double line end is answered with one', async () => {
    await using wire = await openTcp(core.port('client'))
    let heard = ''
    wire.socket.on('data', data => (heard += data.toString('latin1')))

    wire.send('\r\n\r\n')

    expect(await waitUntil('the pong', () => heard || undefined)).toBe('\r\n')
  })
})

describe('the service of a call (RFC 6050)', () => {
  test('what a phone prefers is asserted to the core, and shown to no phone', async () => {
    const { arrived } = await declined([['P-Preferred-Service', IPTV]])

    expect(valuesOf(arrived, 'p-preferred-service')).toEqual([])
    expect(valuesOf(arrived, 'p-asserted-service')).toEqual([])
  })

  test.each([
    ['prefers none', []],
    ['prefers what the profile does not list', [['P-Preferred-Service', IPTV]]],
    ['asserts one itself', [['P-Asserted-Service', IPTV]]],
    ['prefers the same', [['P-Preferred-Service', MMTEL]]],
  ] as const)('an application server hears that it is telephony if the phone %s', async (_, headers) => {
    await using server = await ApplicationServer.start((request, as) => as.reply(request, 603))
    await provisionCriteria(core.port('provisioning'), subscriber('telephonist'), profileWith(server))
    await using phone = await registeredPhone(core, 'telephonist')

    const sent = phone.invite(callee.aor, { headers })
    phone.ack(sent, await phone.response(sent))

    const heard = await server.request('INVITE')
    expect(valuesOf(heard, 'p-asserted-service')).toEqual([MMTEL])
    expect(valuesOf(heard, 'p-preferred-service')).toEqual([])
  })
})

describe('agreements with the next hop only (RFC 3329)', () => {
  test.each(['Security-Client', 'Security-Server', 'Security-Verify'])('%s goes no further', async name => {
    const { arrived } = await declined([[name, 'ipsec-3gpp;alg=hmac-md5-96;spi-c=1;spi-s=2']])

    expect(valuesOf(arrived, name)).toEqual([])
  })

  test('a client that insists is told that there is none: 420', async () => {
    const sent = caller.send('MESSAGE', callee.aor, { headers: [['Proxy-Require', 'sec-agree']] })
    const answer = await caller.response(sent)

    expect(statusOf(answer)).toBe(420)
    expect(valueOf(answer, 'unsupported')).toBe('sec-agree')
  })
})

describe('Session-ID (RFC 7989)', () => {
  const NIL = '0'.repeat(32)

  test('each side’s half reaches the other as it is, in the call and within it', async () => {
    const mine = 'ab30317f1a784dc48ff824d0d3715d86'
    const theirs = '47755a9de7794ba387653f2099600ef2'
    const { arrived, answer } = await declined([['Session-ID', `${mine};remote=${NIL}`]], {
      answer: [['Session-ID', `${theirs};remote=${mine}`]],
    })
    expect(valueOf(arrived, 'session-id')).toBe(`${mine};remote=${NIL}`)
    expect(valueOf(answer, 'session-id')).toBe(`${theirs};remote=${mine}`)

    const { dialog } = await callBetween(caller, callee)
    const headers: Headers = [['Session-ID', `${mine};remote=${theirs}`]]
    const bye = caller.inDialog('BYE', dialog, { headers })
    const ending = await callee.request('BYE')
    callee.reply(ending, 200)
    await caller.response(bye)
    expect(valueOf(ending, 'session-id')).toBe(`${mine};remote=${theirs}`)
  })

  test('none is made up for a phone that has none', async () => {
    const { arrived } = await declined([])

    expect(valuesOf(arrived, 'session-id')).toEqual([])
  })
})

describe('433 Anonymity Disallowed (RFC 5079)', () => {
  test('a callee that takes no anonymous calls is heard', async () => {
    const headers: Headers = [
      ['From', '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=hidden'],
      ['Privacy', 'id'],
    ]
    const sent = caller.invite(callee.aor, { headers })
    const arrived = await callee.request('INVITE')
    callee.reply(arrived, 433)
    const answer = await caller.response(sent)
    caller.ack(sent, answer)
    await callee.request('ACK')

    expect(valuesOf(arrived, 'p-asserted-identity')).toEqual([])
    expect(statusOf(answer)).toBe(433)
  })
})
