import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callAndHangUp, callBetween, registeredPhone } from '../support/calls.ts'
import { Child } from '../support/child.ts'
import { Core, DOMAIN, PROJECT } from '../support/core.ts'
import { filterCriterion } from '../support/filter-criteria.ts'
import type { Phone } from '../support/phone.ts'
import { freePortOffset } from '../support/ports.ts'
import { statusOf, valueOf, valuesOf } from '../support/sip-text.ts'
import { provision, provisionCriteria, subscriber } from '../support/subscribers.ts'
import { TempDir } from '../support/temp-dir.ts'
import { waitUntil } from '../support/wait.ts'

let core: Core
let users = 0

beforeAll(async () => {
  core = await Core.start()
})
afterAll(() => core[Symbol.asyncDispose]())

/** The phone of a new subscriber whose calls go by these servers. */
async function phoneWith(...servers: readonly string[]): Promise<Phone> {
  const user = `user${++users}`
  await provision(core.port('provisioning'), subscriber(user))
  const criteria = servers.map(server => filterCriterion(server)).join('')
  await provisionCriteria(core.port('provisioning'), subscriber(user), criteria)
  return registeredPhone(core, user)
}

/** Whether a server has seen the call: it hides the caller as he has asked. */
async function isServedBy(server: string): Promise<boolean> {
  await using caller = await phoneWith()
  await using callee = await phoneWith(server)
  caller.invite(callee.aor, { headers: [['Privacy', 'user']] })
  const invite = await callee.request('INVITE')
  callee.reply(invite, 486)
  return valueOf(invite, 'from').includes('anonymous.invalid')
}

describe('a server that is built into sprout', () => {
  test('is reached by its names, and at its port', async () => {
    expect(await isServedBy(`sip:mmtel.${DOMAIN}`)).toBe(true)
    expect(await isServedBy(`sip:mmtel.sprout.${DOMAIN};transport=TCP`)).toBe(true)
    expect(await isServedBy(`sip:127.0.0.1:${core.port('mmtel')};transport=TCP`)).toBe(true)
  })

  test('leaves a call alone that nobody has asked it about, from its beginning to its end', async () => {
    await using caller = await phoneWith(`sip:mmtel.${DOMAIN}`)
    await using callee = await phoneWith(`sip:mmtel.${DOMAIN}`)
    await callAndHangUp(caller, callee)
  })

  test('that is not switched on is passed over', async () => {
    expect(await isServedBy(`sip:memento.nowhere.${DOMAIN}`)).toBe(false)
  })

  test('stands alone too, as a sprout of its own that the S-CSCF reaches over the network', async () => {
    using dir = new TempDir('as')
    const offset = await freePortOffset()
    const where = ['--domain', DOMAIN, '--sprout-hostname', `as.${DOMAIN}`, '--port-offset', `${offset}`]
    await using server = new Child(`${PROJECT}/bin/cw`, [
      ...['daemon', 'sprout', '--data-dir', dir.path, '--bind', '127.0.0.1', ...where],
    ])
    await waitUntil('the server to be ready', () => {
      if (server.exit !== undefined) throw new Error(`it ended: ${server.stderr}`)
      return server.stdout.includes('is ready')
    })
    expect(server.stdout).toContain(`mmtel ${5055 + offset}`)

    expect(await isServedBy(`sip:127.0.0.1:${5055 + offset};transport=TCP`)).toBe(true)
    expect(await isServedBy(`sip:mmtel@127.0.0.1:${5054 + offset};transport=TCP`)).toBe(true)
  })
})

describe('privacy of the caller, at the callee’s MMTel server', () => {
  const revealing = [
    ['Subject', 'it is me'],
    ['User-Agent', 'MyPhone'],
    ['Organization', 'Mine'],
  ] as const

  test('hides what he asks to have hidden, and the call goes on as any other', async () => {
    await using caller = await phoneWith()
    await using callee = await phoneWith(`sip:mmtel.${DOMAIN}`)
    const sent = caller.invite(callee.aor, { headers: [...revealing, ['Privacy', 'id;header;user']] })
    const invite = await callee.request('INVITE')
    callee.reply(invite, 180)
    const ringing = await caller.response(sent, 180)
    callee.reply(invite, 603)
    caller.ack(sent, await caller.response(sent))

    expect(valueOf(invite, 'from')).toMatch(/^"Anonymous" <sip:anonymous@anonymous\.invalid>;tag=/)
    for (const name of ['subject', 'user-agent', 'organization', 'p-asserted-identity']) {
      expect(valuesOf(invite, name), name).toEqual([])
    }
    expect(valueOf(ringing, 'from')).toBe(valueOf(sent, 'from'))
  })

  test('refuses what cannot be done, if it must be', async () => {
    await using caller = await phoneWith()
    await using callee = await phoneWith(`sip:mmtel.${DOMAIN}`)
    const sent = caller.invite(callee.aor, { headers: [['Privacy', 'session;critical']] })
    const answer = await caller.response(sent)
    caller.ack(sent, answer)
    expect(statusOf(answer)).toBe(503)
  })

  test('is not asked for: the callee sees all', async () => {
    await using caller = await phoneWith()
    await using callee = await phoneWith(`sip:mmtel.${DOMAIN}`)
    const { invite } = await callBetween(caller, callee)
    expect(valueOf(invite, 'from')).toContain(caller.aor)
    expect(valuesOf(invite, 'p-asserted-identity').join()).toContain(caller.aor)
  })
})
