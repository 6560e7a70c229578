import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApplicationServer } from '../support/application-server.ts'
import { contactsIn, registeredPhone } from '../support/calls.ts'
import { Core, cw, DOMAIN } from '../support/core.ts'
import { Phone } from '../support/phone.ts'
import { eventsOf, nextTold, watch } from '../support/reginfo.ts'
import { statusOf, valueOf, valuesOf } from '../support/sip-text.ts'
import { provision, provisionCriteria, subscriber } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'

let core: Core
let numbers = 6505550000

beforeAll(async () => {
  core = await Core.start()
})
afterAll(() => core[Symbol.asyncDispose]())

async function newUser(): Promise<string> {
  const user = `${++numbers}`
  await provision(core.port('provisioning'), subscriber(user))
  return user
}

function origin(): string {
  return `http://127.0.0.1:${core.port('sproutHttp')}`
}

async function bindingsOf(aor: string): Promise<readonly string[] | undefined> {
  const response = await fetch(`${origin()}/impu/${encodeURIComponent(aor)}/bindings`)
  if (response.status === 404) return undefined
  const { bindings } = (await response.json()) as { bindings: Record<string, { uri: string }> }
  return Object.values(bindings).map(({ uri }) => uri)
}

/** What homestead says of a user's state. */
async function stateOf(aor: string): Promise<string | undefined> {
  const response = await fetch(
    `http://127.0.0.1:${core.port('homestead')}/impu/${encodeURIComponent(aor)}/reg-data`,
  )
  return /<RegistrationState>(\w+)</.exec(await response.text())?.[1]
}

const ON_REGISTER = (server: string): string =>
  '<InitialFilterCriteria><TriggerPoint><ConditionTypeCNF>1</ConditionTypeCNF><SPT><Group>0</Group>' +
  `<Method>REGISTER</Method></SPT></TriggerPoint><ApplicationServer><ServerName>${server}</ServerName>` +
  '</ApplicationServer></InitialFilterCriteria>'

describe('cw user deregister', () => {
  test('ends a registration: phone, application server and homestead are told', async () => {
    await using server = await ApplicationServer.start((request, as) => as.reply(request, 200))
    const user = await newUser()
    await provisionCriteria(core.port('provisioning'), subscriber(user), ON_REGISTER(server.uri))
    await using phone = await registeredPhone(core, user)
    await server.request('REGISTER')
    await watch(phone, phone.aor)
    expect(await bindingsOf(phone.aor)).toEqual([phone.contact.slice(1, -1)])
    expect(await stateOf(phone.aor)).toBe('REGISTERED')

    const ended = await cw('user', 'deregister', user, DOMAIN, '--port-offset', `${core.portOffset}`)

    expect(ended).toMatchObject({ code: 0, stdout: 'deregistered 1 subscriber\n' })
    const last = await nextTold(phone)
    expect(last).toMatchObject({ version: 1, subscription: 'terminated;reason=deactivated' })
    expect(eventsOf(last)).toEqual([`${phone.contact.slice(1, -1)} deactivated`])
    expect(valueOf(await server.request('REGISTER', 2), 'expires')).toBe('0')
    expect(await bindingsOf(phone.aor)).toBeUndefined()
    expect(await stateOf(phone.aor)).toBe('UNREGISTERED')
    await using caller = await registeredPhone(core, await newUser())
    const invite = caller.invite(phone.aor)
    const answer = await caller.response(invite)
    caller.ack(invite, answer)
    expect(statusOf(answer)).toBe(480)

    expect(contactsIn(await phone.register())).toHaveLength(1)
  })

  test('tells of those who are not registered, who are not there, and of a sprout that is not', async () => {
    await newUser()
    const first = numbers
    await using phone = await registeredPhone(core, await newUser())
    const args = [`${first}..${first + 2}`, DOMAIN, '--port-offset', `${core.portOffset}`]

    const some = await cw('user', 'deregister', ...args, '--keep-going', '--json')
    const none = await cw('user', 'deregister', `${first}`, DOMAIN, '--sprout', '127.0.0.1:1')

    expect(some.code).toBe(1)
    const { result } = JSON.parse(some.stdout) as { result: unknown }
    expect(result).toMatchObject({ deregistered: 1, not_registered: 1, failed: 1, total: 3 })
    expect(some.stdout).toContain('SUBSCRIBER_UNKNOWN')
    expect(none.code).not.toBe(0)
    expect(none.stderr).toContain('--sprout HOST:PORT')
    expect(await bindingsOf(phone.aor)).toBeUndefined()
  })
})

describe('a phone whose registration has been ended', () => {
  async function statusOfCall(from: Phone, to: Phone, as?: string): Promise<number> {
    const headers = as === undefined ? [] : [['P-Preferred-Identity', `<${as}>`] as const]
    const sent = from.invite(to.aor, { headers })
    const answer = await from.response(sent)
    from.ack(sent, answer)
    return statusOf(answer)
  }
  const end = (...users: readonly string[]) =>
    cw('user', 'deregister', ...users, DOMAIN, '--port-offset', `${core.portOffset}`)

  test.each(['UDP', 'TCP', 'WS'] as const)(
    'does not call over its flow (%s), until it registers again',
    async transport => {
      await using callee = await registeredPhone(core, await newUser())
      callee.answerAll('INVITE', 486)
      await using phone = await registeredPhone(core, await newUser(), transport)
      expect(await statusOfCall(phone, callee)).toBe(486)

      expect((await end(phone.identity.user)).code).toBe(0)

      expect(await statusOfCall(phone, callee)).toBe(403)
      expect(statusOf(await phone.register())).toBe(200)
      expect(await statusOfCall(phone, callee)).toBe(486)
    },
  )

  test('is not taken for others at the same address, nor may a user end what is another’s', async () => {
    await using callee = await registeredPhone(core, await newUser())
    callee.answerAll('INVITE', 486)
    await using phone = await registeredPhone(core, await newUser(), 'TCP')
    // Two users behind one connection.
    const other = new Phone(subscriber(await newUser()), phone.wire)
    expect(statusOf(await other.register())).toBe(200)
    const sent = phone.invite(callee.aor)
    const invite = await callee.request('INVITE')
    phone.ack(sent, await phone.response(sent))
    const token = /<sip:([\w-]+)@/.exec(valuesOf(invite, 'record-route').at(-1) ?? '')?.[1] ?? ''
    const document = `<reginfo><registration aor="${phone.aor}" id="a" state="terminated"/></reginfo>`
    // The callee has seen the caller's token, and claims to be the core.
    const forged = callee.send('NOTIFY', `sip:${token}@127.0.0.1:${core.port('trusted')};transport=TCP`, {
      headers: [
        ['Event', 'reg'],
        ['Subscription-State', 'terminated'],
        ['Content-Type', 'application/reginfo+xml'],
      ],
      body: document,
    })
    await callee.response(forged)
    expect(await statusOfCall(phone, callee)).toBe(486)

    expect((await end(phone.identity.user)).code).toBe(0)

    expect(await statusOfCall(other, callee)).toBe(486)
    // Who names it is refused, whoever else there is.
    expect(await statusOfCall(phone, callee, phone.aor)).toBe(403)
    expect(await statusOfCall(phone, callee, other.aor)).toBe(486)
  })
})

test('the HSS ends the registration of one device of a household', async () => {
  const user = await newUser()
  await using phone = await registeredPhone(core, user)
  await watch(phone, phone.aor)
  const registrations = [{ 'primary-impu': phone.aor, impi: `${user}@${DOMAIN}` }]
  const response = await fetch(`${origin()}/registrations?send-notifications=true`, {
    method: 'DELETE',
    body: JSON.stringify({ registrations }),
  })
  expect(response.status).toBe(200)
  expect(eventsOf(await nextTold(phone))).toEqual([`${phone.contact.slice(1, -1)} deactivated`])
  expect(await bindingsOf(phone.aor)).toBeUndefined()
})

test('homestead hears of registrations that ran out while the core was down', async () => {
  const user = await newUser()
  await using own = await Core.start()
  await provision(own.port('provisioning'), subscriber(user))
  const aor = `sip:${user}@${DOMAIN}`
  const state = async (port: number): Promise<string | undefined> => {
    const response = await fetch(`http://127.0.0.1:${port}/impu/${encodeURIComponent(aor)}/reg-data`)
    return /<RegistrationState>(\w+)</.exec(await response.text())?.[1]
  }
  await using phone = await registeredPhone(own, user)
  await phone.register({ expires: 2 })
  const { dataDir, portOffset } = own
  await own.stop('SIGKILL')
  // Two seconds of registration, and ten more that a record is kept for.
  const over = Date.now() + 13_000
  await waitUntil('the registration to be long over', () => Date.now() > over)

  await using again = await Core.start({ dataDir, portOffset })

  await waitUntil(
    'homestead to hear of it',
    async () => (await state(again.port('homestead'))) === 'UNREGISTERED',
  )
})
