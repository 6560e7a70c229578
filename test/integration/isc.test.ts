import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApplicationServer } from '../support/application-server.ts'
import { callAndHangUp, registeredPhone } from '../support/calls.ts'
import { Core } from '../support/core.ts'
import { filterCriterion } from '../support/filter-criteria.ts'
import { Phone } from '../support/phone.ts'
import { statusOf, valueOf, valuesOf } from '../support/sip-text.ts'
import { provision, provisionCriteria, subscriber } from '../support/subscribers.ts'
import { TempDir } from '../support/temp-dir.ts'
import { waitUntil } from '../support/wait.ts'
import { openTcp } from '../support/wire.ts'

let core: Core
let users = 0

beforeAll(async () => {
  core = await Core.start()
})
afterAll(() => core[Symbol.asyncDispose]())

/** A new subscriber with these criteria. */
function subscriberWith(...criteria: readonly string[]): Promise<string> {
  return subscriberOf(core, criteria)
}

async function subscriberOf(owner: Core, criteria: readonly string[]): Promise<string> {
  const user = `user${++users}`
  await provision(owner.port('provisioning'), subscriber(user))
  await provisionCriteria(owner.port('provisioning'), subscriber(user), criteria.join(''))
  return user
}

const proxying = (): Promise<ApplicationServer> => ApplicationServer.start((request, as) => as.proxy(request))

describe('calls', () => {
  test('pass the servers of the caller and of the callee, and are hung up past them', async () => {
    await using one = await proxying()
    await using two = await proxying()
    await using three = await proxying()
    await using caller = await registeredPhone(
      core,
      await subscriberWith(
        filterCriterion(one.uri, { sessionCase: 0 }),
        filterCriterion(two.uri, { sessionCase: 0 }),
      ),
    )
    await using callee = await registeredPhone(
      core,
      await subscriberWith(filterCriterion(three.uri, { sessionCase: 1 })),
    )

    await callAndHangUp(caller, callee)

    const [first, second, third] = [one, two, three].map(as => as.received[0])
    if (first === undefined || second === undefined || third === undefined)
      throw new Error('a server was missed')
    expect(valueOf(first, 'p-served-user')).toBe(`<${caller.aor}>;sescase=orig;regstate=reg`)
    expect(valueOf(second, 'p-served-user')).toBe(`<${caller.aor}>;sescase=orig;regstate=reg`)
    expect(valueOf(third, 'p-served-user')).toBe(`<${callee.aor}>;sescase=term;regstate=reg`)
    expect(valuesOf(first, 'route').join()).toMatch(/;lr>,\s*<sip:odi_[^>]+;service=scscf;orig>/)
    expect(one.received.some(message => message.startLine.startsWith('BYE'))).toBe(false)
  })

  test('go on when a server is not there, and when it is broken', async () => {
    await using broken = await ApplicationServer.start((request, as) => as.reply(request, 500))
    await using caller = await registeredPhone(
      core,
      await subscriberWith(filterCriterion('sip:127.0.0.1:1;transport=TCP'), filterCriterion(broken.uri)),
    )
    await using callee = await registeredPhone(core, await subscriberWith())
    await callAndHangUp(caller, callee)
    expect(broken.received.length).toBeGreaterThan(0)
  })

  test('go on when a server says nothing, and end when it cannot be done without', async () => {
    await using silent = await ApplicationServer.start(() => undefined)
    const must = filterCriterion(silent.uri, { more: '<DefaultHandling>1</DefaultHandling>' })
    await using caller = await registeredPhone(core, await subscriberWith(filterCriterion(silent.uri)))
    await using strict = await registeredPhone(core, await subscriberWith(must))
    await using callee = await registeredPhone(core, await subscriberWith())

    await callAndHangUp(caller, callee)
    const invite = strict.invite(callee.aor)
    const answer = await strict.response(invite)
    strict.ack(invite, answer)

    expect(statusOf(answer)).toBe(408)
  })

  test('end with the answer of a server that rejects or redirects them', async () => {
    await using refusing = await ApplicationServer.start((request, as) => as.reply(request, 403))
    await using redirecting = await ApplicationServer.start((request, as) =>
      as.reply(request, 302, [['Contact', '<sip:elsewhere@ims.test>']]),
    )
    for (const [server, status] of [
      [refusing, 403],
      [redirecting, 302],
    ] as const) {
      await using caller = await registeredPhone(core, await subscriberWith(filterCriterion(server.uri)))
      const invite = caller.invite('sip:nobody@ims.test')
      const answer = await caller.response(invite)
      caller.ack(invite, answer)
      expect(statusOf(answer)).toBe(status)
    }
  })

  test('to what was dialled (RFC 4967) are for a server to translate, and nobody is called without one', async () => {
    await using callee = await registeredPhone(core, await subscriberWith())
    await using translating = await ApplicationServer.start((request, as) =>
      as.proxy(request, { uri: callee.aor }),
    )
    const dialled = 'sip:0,42;phone-context=ims.test@ims.test;user=dialstring'
    await using caller = await registeredPhone(
      core,
      await subscriberWith(filterCriterion(translating.uri, { sessionCase: 0 })),
    )
    const sent = caller.invite(dialled)
    callee.reply(await callee.request('INVITE'), 486)
    const busy = await caller.response(sent)
    caller.ack(sent, busy)
    expect(statusOf(busy)).toBe(486)
    expect(translating.received[0]?.startLine).toBe(`INVITE ${dialled} SIP/2.0`)

    await using plain = await registeredPhone(core, await subscriberWith())
    const alone = plain.invite(dialled)
    const nobody = await plain.response(alone)
    plain.ack(alone, nobody)
    expect(statusOf(nobody)).toBe(404)
  })

  test('that a server of the callee sends elsewhere ring there, by way of the services for that', async () => {
    await using other = await registeredPhone(core, await subscriberWith())
    await using diverting = await ApplicationServer.start((request, as) =>
      as.proxy(request, { uri: other.aor }),
    )
    await using diverted = await proxying()
    await using callee = await registeredPhone(
      core,
      await subscriberWith(
        filterCriterion(diverting.uri, { sessionCase: 1 }),
        filterCriterion(diverted.uri, { sessionCase: 4 }),
      ),
    )
    await using caller = await registeredPhone(core, await subscriberWith())

    const invite = caller.invite(callee.aor)
    const ringing = await other.request('INVITE')
    other.reply(ringing, 486)
    const answer = await caller.response(invite)
    caller.ack(invite, answer)

    expect(statusOf(answer)).toBe(486)
    expect(valueOf(await diverted.request('INVITE'), 'p-served-user')).toBe(`<${callee.aor}>;orig-cdiv`)
    expect(callee.received.some(message => message.startLine.startsWith('INVITE'))).toBe(false)
  })

  test('pass a server over UDP too', async () => {
    await using as = await ApplicationServer.start((request, server) => server.proxy(request), 'UDP')
    await using caller = await registeredPhone(
      core,
      await subscriberWith(filterCriterion(as.uri, { sessionCase: 0 })),
    )
    await using callee = await registeredPhone(core, await subscriberWith())
    await callAndHangUp(caller, callee)
    expect(valuesOf(await as.request('INVITE'), 'route').join()).toContain(
      ';transport=UDP;lr;service=scscf;orig>',
    )
  })

  test('that a server forks ring everywhere, each with the services that are left', async () => {
    await using one = await registeredPhone(core, await subscriberWith())
    await using other = await registeredPhone(core, await subscriberWith())
    await using forking = await ApplicationServer.start((request, as) => {
      if (!request.startLine.startsWith('INVITE')) return
      as.proxy(request, { uri: one.aor })
      as.proxy(request, { uri: other.aor })
    })
    await using next = await proxying()
    await using caller = await registeredPhone(
      core,
      await subscriberWith(filterCriterion(forking.uri), filterCriterion(next.uri)),
    )

    const invite = caller.invite('sip:nobody@ims.test')
    one.reply(await one.request('INVITE'), 180)
    other.reply(await other.request('INVITE'), 200)
    const answer = await caller.response(invite)
    caller.ack(invite, answer)
    one.reply(one.received[0] ?? answer, 486)

    expect(statusOf(answer)).toBe(200)
    const invited = next.received.filter(message => message.startLine.startsWith('INVITE'))
    expect(invited.map(message => message.startLine.split(' ')[1]).sort()).toEqual(
      [one.aor, other.aor].sort(),
    )
  })

  test('go on when a server answers nonsense', async () => {
    await using babbling = await ApplicationServer.start((request, as) => {
      as.write(request, 'SIP/2.0 two hundred OK\r\nVia: ?\r\nContent-Length: -1\r\n\r\n')
    })
    await using caller = await registeredPhone(core, await subscriberWith(filterCriterion(babbling.uri)))
    await using callee = await registeredPhone(core, await subscriberWith())
    await callAndHangUp(caller, callee)
  })

  test('of a server in a circle come to an end', async () => {
    const server = await ApplicationServer.start((request, as) => as.proxy(request))
    await using circling = server
    const users = [
      await subscriberWith(filterCriterion(server.uri, { sessionCase: 2 })),
      await subscriberWith(),
    ]
    await provisionCriteria(
      core.port('provisioning'),
      subscriber(users[1] ?? ''),
      filterCriterion(server.uri, { sessionCase: 2 }),
    )
    const [a, b] = users.map(user => `sip:${user}@ims.test`)
    circling.behaviour = (request, as) => {
      as.proxy(request, { uri: request.startLine.includes(a ?? '') ? (b ?? '') : (a ?? '') })
    }
    await using caller = await registeredPhone(core, await subscriberWith())
    const invite = caller.invite(a ?? '')
    const answer = await caller.response(invite)
    caller.ack(invite, answer)
    expect(statusOf(answer)).toBe(483)
    expect(circling.received.length).toBeLessThan(100)
  })
})

test('a server makes a new call out of one, at a core that has restarted since: the chain goes on', async () => {
  using dir = new TempDir('isc')
  await using one = await ApplicationServer.start(() => undefined)
  await using two = await ApplicationServer.start((request, as) => as.reply(request, 480))
  const before = await Core.start({ dataDir: dir.path })
  const user = await subscriberOf(before, [filterCriterion(one.uri), filterCriterion(two.uri)])
  const caller = await registeredPhone(before, user)
  caller.invite('sip:nobody@ims.test')
  const invite = await one.request('INVITE')
  await caller[Symbol.asyncDispose]()
  await before.stop('SIGKILL')

  await using after = await Core.start({ dataDir: dir.path, portOffset: before.portOffset })
  await using calling = new Phone(subscriber('b2bua'), await openTcp(after.port('scscf')))
  const [, back = ''] = valuesOf(invite, 'route').flatMap(line => line.split(/\s*,\s*(?=<)/))
  const anew = calling.invite('sip:nobody@ims.test', { headers: [['Route', back]] })
  const answer = await calling.response(anew)
  calling.ack(anew, answer)

  expect(statusOf(answer)).toBe(480)
  expect(valueOf(await two.request('INVITE'), 'p-served-user')).toContain(`sip:${user}@ims.test`)
  expect(one.received).toHaveLength(1)
})

test('an expression that would never end elsewhere does not hold up a call', async () => {
  const evil =
    '<InitialFilterCriteria><TriggerPoint><ConditionTypeCNF>1</ConditionTypeCNF><SPT><Group>0</Group><SIPHeader>' +
    '<Header>X-Long</Header><Content>^(a+)+$</Content></SIPHeader></SPT></TriggerPoint>' +
    '<ApplicationServer><ServerName>sip:127.0.0.1:1;transport=TCP</ServerName></ApplicationServer></InitialFilterCriteria>'
  await using caller = await registeredPhone(core, await subscriberWith(evil))
  const sent = caller.send('MESSAGE', 'sip:nobody@ims.test', { headers: [['X-Long', `${'a'.repeat(40)}!`]] })
  expect(statusOf(await caller.response(sent))).toBe(404)
})

describe('third-party registration', () => {
  test('tells a server of registration and de-registration, with what the phone sent', async () => {
    await using as = await ApplicationServer.start((request, server) => server.reply(request, 200))
    const more = '<ServiceInfo>gold</ServiceInfo><Extension><IncludeRegisterRequest/></Extension>'
    await using phone = await registeredPhone(
      core,
      await subscriberWith(filterCriterion(as.uri, { method: 'REGISTER', more })),
    )

    const registered = await as.request('REGISTER')
    await phone.register({ expires: 0 })
    const gone = await as.request('REGISTER', 2)

    expect(valueOf(registered, 'to')).toBe(`<${phone.aor}>`)
    expect(registered.body).toContain('<service-info>gold</service-info>')
    expect(registered.body).toMatch(/^REGISTER sip:\S+ SIP\/2\.0\r$/m)
    expect(registered.body).toContain(`Contact: ${phone.contact}`)
    expect([valueOf(registered, 'expires'), valueOf(gone, 'expires')]).toEqual(['300', '0'])
  })

  test('that fails ends the registration, if the server cannot be done without', async () => {
    await using as = await ApplicationServer.start((request, server) => server.reply(request, 500))
    const more = '<DefaultHandling>1</DefaultHandling>'
    await using phone = await registeredPhone(
      core,
      await subscriberWith(filterCriterion(as.uri, { method: 'REGISTER', more })),
    )
    await using caller = await registeredPhone(core, await subscriberWith())

    phone.answerAll('MESSAGE', 200)
    const status = await waitUntil('the phone to be unreachable', async () => {
      const answer = await caller.response(caller.send('MESSAGE', phone.aor))
      return statusOf(answer) === 480 && 480
    })
    expect(status).toBe(480)
  })
})
