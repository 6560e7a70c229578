import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApplicationServer } from '../support/application-server.ts'
import { phoneAt, registeredPhone } from '../support/calls.ts'
import { Core } from '../support/core.ts'
import { statusOf, valueOf, valuesOf } from '../support/sip-text.ts'
import { provision, provisionCriteria, subscriber } from '../support/subscribers.ts'
import { TempDir } from '../support/temp-dir.ts'
import { eventsOf, nextTold, subscribing, toldBy, watch } from '../support/reginfo.ts'
import { openTcp } from '../support/wire.ts'
import { Phone } from '../support/phone.ts'

let core: Core
let users = 0

beforeAll(async () => {
  core = await Core.start()
})
afterAll(() => core[Symbol.asyncDispose]())

async function newUser(at = core): Promise<string> {
  const user = `watched${++users}`
  await provision(at.port('provisioning'), subscriber(user))
  return user
}

/** The URI of a phone's contact. */
function uriOf(phone: Phone): string {
  return phone.contact.slice(1, -1)
}

describe('a phone that watches its own registration', () => {
  test('is told everything at once, and then each change, with rising versions', async () => {
    const user = await newUser()
    await using first = await registeredPhone(core, user)
    const { told, answer } = await watch(first, first.aor)
    expect(valueOf(answer, 'expires')).toBe('300')
    expect(told).toMatchObject({ version: 0, state: 'full', subscription: 'active;expires=300' })
    expect(told.registrations).toMatchObject([{ aor: first.aor, state: 'active' }])
    expect(eventsOf(told)).toEqual([`${uriOf(first)} registered`])

    await using second = await registeredPhone(core, user, 'TCP')
    const joined = await nextTold(first)
    expect(joined).toMatchObject({ version: 1, state: 'partial' })
    expect(eventsOf(joined)).toEqual([`${uriOf(second)} created`])

    await second.register()
    const renewed = await nextTold(first)
    expect(renewed).toMatchObject({ version: 2, state: 'partial' })
    expect(eventsOf(renewed)).toEqual([`${uriOf(second)} refreshed`])

    await second.register({ expires: 60 })
    expect(eventsOf(await nextTold(first))).toEqual([`${uriOf(second)} shortened`])

    await second.register({ expires: 0 })
    const gone = await nextTold(first)
    expect(gone).toMatchObject({ version: 4, subscription: expect.stringMatching(/^active/) as string })
    expect(gone.registrations).toMatchObject([{ state: 'active', contacts: [{ state: 'terminated' }] }])
    expect(eventsOf(gone)).toEqual([`${uriOf(second)} unregistered`])
  })

  test('gets NOTIFYs of the one dialog it has made, with rising CSeq', async () => {
    await using phone = await registeredPhone(core, await newUser(), 'TCP')
    const sent = phone.send('SUBSCRIBE', phone.aor, { headers: subscribing(200) })
    const answer = await phone.response(sent)
    const first = await phone.request('NOTIFY')
    phone.reply(first, 200)
    await phone.register()
    const second = await phone.request('NOTIFY')
    phone.reply(second, 200)

    for (const notify of [first, second]) {
      expect(notify.startLine).toBe(`NOTIFY ${uriOf(phone)} SIP/2.0`)
      expect(valueOf(notify, 'call-id')).toBe(valueOf(sent, 'call-id'))
      expect(valueOf(notify, 'from')).toBe(valueOf(answer, 'to'))
      expect(valueOf(notify, 'to')).toBe(valueOf(sent, 'from'))
      expect(valueOf(notify, 'event')).toBe('reg')
      expect(valueOf(notify, 'content-type')).toBe('application/reginfo+xml')
      expect(valueOf(notify, 'contact')).toBe(valueOf(answer, 'contact'))
    }
    const numbers = [first, second].map(notify => Number(valueOf(notify, 'cseq').split(' ')[0]))
    expect(numbers[1]).toBeGreaterThan(numbers[0] ?? Infinity)
  })

  test('renews the subscription, and is told everything again', async () => {
    await using phone = await registeredPhone(core, await newUser())
    const { dialog } = await watch(phone, phone.aor, 100)
    const renewal = phone.inDialog('SUBSCRIBE', dialog, { headers: subscribing(200) })
    const answer = await phone.response(renewal)
    expect(statusOf(answer)).toBe(200)
    expect(valueOf(answer, 'expires')).toBe('200')
    expect(await nextTold(phone)).toMatchObject({
      version: 1,
      state: 'full',
      subscription: 'active;expires=200',
    })
  })

  test('ends it, and the dialog is gone', async () => {
    await using phone = await registeredPhone(core, await newUser())
    const { dialog } = await watch(phone, phone.aor)
    const end = await phone.response(phone.inDialog('SUBSCRIBE', dialog, { headers: subscribing(0) }))
    expect(valueOf(end, 'expires')).toBe('0')
    expect(await nextTold(phone)).toMatchObject({ state: 'full', subscription: 'terminated;reason=timeout' })
    const late = await phone.response(phone.inDialog('SUBSCRIBE', dialog, { headers: subscribing(60) }))
    expect(statusOf(late)).toBe(481)
  })

  test('asks once, without a subscription', async () => {
    await using phone = await registeredPhone(core, await newUser())
    const { told } = await watch(phone, phone.aor, 0)
    expect(told).toMatchObject({ version: 0, state: 'full', subscription: 'terminated;reason=timeout' })
    expect(eventsOf(told)).toEqual([`${uriOf(phone)} registered`])
  })

  test('is told when the subscription has run out', async () => {
    await using phone = await registeredPhone(core, await newUser())
    await watch(phone, phone.aor, 1)
    expect(await nextTold(phone)).toMatchObject({ version: 1, subscription: 'terminated;reason=timeout' })
  })

  test('is not asked for more once a NOTIFY was answered 481', async () => {
    const user = await newUser()
    await using watcher = await registeredPhone(core, user)
    const { dialog } = await watch(watcher, watcher.aor)
    await using other = await registeredPhone(core, user)
    watcher.reply(await watcher.request('NOTIFY'), 481)
    const later = async () =>
      statusOf(await watcher.response(watcher.inDialog('SUBSCRIBE', dialog, { headers: subscribing(60) })))
    expect(await later()).toBe(481)
    await other.register()
    expect(watcher.received.filter(message => message.startLine.startsWith('NOTIFY'))).toHaveLength(2)
  })
})

describe('who else may watch', () => {
  test('not a stranger: 403', async () => {
    await using alice = await registeredPhone(core, await newUser())
    await using stranger = await registeredPhone(core, await newUser())
    const forged = stranger.send('SUBSCRIBE', alice.aor, {
      headers: [
        ...subscribing(300),
        ['From', `<${alice.aor}>;tag=forged`],
        ['P-Asserted-Identity', `<${alice.aor}>`],
      ],
    })
    expect(statusOf(await stranger.response(forged))).toBe(403)
    const plain = stranger.send('SUBSCRIBE', alice.aor, { headers: subscribing(300) })
    expect(statusOf(await stranger.response(plain))).toBe(403)
  })

  test('an application server of the profile, until the phone has gone; no other server', async () => {
    await using server = await ApplicationServer.start((request, as) => as.reply(request, 200))
    const user = await newUser()
    const criteria =
      '<InitialFilterCriteria><TriggerPoint><ConditionTypeCNF>1</ConditionTypeCNF><SPT><Group>0</Group>' +
      `<Method>PUBLISH</Method></SPT></TriggerPoint><ApplicationServer><ServerName>sip:as.example.net</ServerName>` +
      '</ApplicationServer></InitialFilterCriteria>'
    await provisionCriteria(core.port('provisioning'), subscriber(user), criteria)
    await using phone = await registeredPhone(core, user)
    await using as = new Phone(subscriber('as'), await openTcp(core.port('scscf')))
    const ask = (identity: string) =>
      as.send('SUBSCRIBE', phone.aor, {
        headers: [
          ...subscribing(300),
          ['From', `<${identity}>;tag=${Math.random()}`],
          ['Contact', `<${server.uri}>`],
        ],
      })
    expect(statusOf(await as.response(ask('sip:other.example.net')))).toBe(403)
    expect(statusOf(await as.response(ask('sip:as.example.net')))).toBe(200)
    expect(toldBy(await server.request('NOTIFY'))).toMatchObject({ version: 0, state: 'full' })

    await phone.register({ expires: 0 })
    const last = toldBy(await server.request('NOTIFY', 2))
    expect(last).toMatchObject({ version: 1, state: 'full', subscription: 'terminated;reason=deactivated' })
    expect(last.registrations).toMatchObject([{ state: 'terminated' }])
    expect(eventsOf(last)).toEqual([`${uriOf(phone)} unregistered`])
  })

  test('an expired binding is told as such', async () => {
    await using server = await ApplicationServer.start((request, as) => as.reply(request, 200))
    await using phone = await registeredPhone(core, await newUser())
    await using edge = new Phone(subscriber('edge'), await openTcp(core.port('scscf')))
    const asked = edge.send('SUBSCRIBE', phone.aor, {
      headers: [
        ...subscribing(300),
        ['From', `<sip:127.0.0.1:${core.port('trusted')}>;tag=edge`],
        ['Contact', `<${server.uri}>`],
      ],
    })
    expect(statusOf(await edge.response(asked))).toBe(200)
    expect(toldBy(await server.request('NOTIFY'))).toMatchObject({ version: 0 })
    await phone.register({ expires: 1 })
    expect(eventsOf(toldBy(await server.request('NOTIFY', 2)))).toEqual([`${uriOf(phone)} shortened`])
    const last = toldBy(await server.request('NOTIFY', 3))
    expect(last.subscription).toBe('terminated;reason=deactivated')
    expect(eventsOf(last)).toEqual([`${uriOf(phone)} expired`])
  })
})

describe('what is refused', () => {
  test.each([
    ['a phone that is not registered any more', 480, true, ''],
    ['a contact for emergency calls', 489, false, ';sos'],
  ] as const)('%s: %i', async (_what, status, leaves, parameter) => {
    const user = await newUser()
    await using phone = await registeredPhone(core, user)
    await using direct = new Phone(subscriber(user), await openTcp(core.port('scscf')))
    if (leaves) await phone.register({ expires: 0 })
    const contact = `<${uriOf(phone)}${parameter}>`
    const asked = direct.send('SUBSCRIBE', phone.aor, {
      headers: [...subscribing(300), ['Contact', contact]],
    })
    const answer = await direct.response(asked)
    expect(statusOf(answer)).toBe(status)
    if (status === 489) expect(valuesOf(answer, 'allow-events')).toEqual(['reg'])
  })
})

describe.for(['SIGTERM', 'SIGKILL'] as const)('after %s and a new start', signal => {
  test('a subscription goes on where it was', async () => {
    using dir = new TempDir('watch')
    const first = await Core.start({ dataDir: dir.path })
    const { portOffset } = first
    const user = await newUser(first)
    await using watcher = await registeredPhone(first, user)
    const { dialog, told } = await watch(watcher, watcher.aor)
    expect(told.version).toBe(0)
    await first.stop(signal)
    await using second = await Core.start({ dataDir: dir.path, portOffset })

    await using other = await phoneAt(second, user)
    await other.register()
    const next = await nextTold(watcher)
    const renewed = await watcher.response(
      watcher.inDialog('SUBSCRIBE', dialog, { headers: subscribing(100) }),
    )

    expect(next).toMatchObject({ version: 1, state: 'partial' })
    expect(eventsOf(next)).toEqual([`${uriOf(other)} created`])
    expect(statusOf(renewed)).toBe(200)
    await first[Symbol.asyncDispose]()
  })
})
