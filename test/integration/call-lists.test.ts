import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callsIn, readCallList } from '../support/call-lists.ts'
import { callAndHangUp, callBetween, registeredPhone } from '../support/calls.ts'
import { Core, DOMAIN } from '../support/core.ts'
import { filterCriterion } from '../support/filter-criteria.ts'
import { dialogOfCallee } from '../support/phone.ts'
import { isRequest, methodOf, statusOf } from '../support/sip-text.ts'
import { provision, provisionCriteria, subscriber } from '../support/subscribers.ts'
import { TempDir } from '../support/temp-dir.ts'
import { waitUntil } from '../support/wait.ts'

type Calls = ReturnType<typeof callsIn>

let core: Core
let users = 0

beforeAll(async () => {
  core = await Core.start()
})
afterAll(() => core[Symbol.asyncDispose]())

/** A new subscriber whose calls are written down. */
async function recordedUser(owner = core): Promise<string> {
  const user = `user${++users}`
  await provision(owner.port('provisioning'), subscriber(user))
  const criteria = filterCriterion(`sip:memento.${DOMAIN}`)
  await provisionCriteria(owner.port('provisioning'), subscriber(user), criteria)
  return user
}

async function listOf(user: string, owner = core): Promise<Calls> {
  const { status, body } = await readCallList(owner.port('callLists'), subscriber(user))
  if (status !== 200) throw new Error(`the list of ${user} was answered ${status}`)
  return callsIn(body)
}

/** The list, once it has so many calls. */
function listWith(count: number, user: string, owner = core): Promise<Calls> {
  return waitUntil(`${count} calls of ${user}`, async () => {
    const calls = await listOf(user, owner)
    return calls.length === count && calls
  })
}

describe('the call list of a subscriber', () => {
  test('is empty without calls', async () => {
    expect(await readCallList(core.port('callLists'), subscriber(await recordedUser()))).toEqual({
      status: 200,
      type: 'application/vnd.projectclearwater.call-list+xml',
      body: '<call-list><calls></calls></call-list>',
    })
  })

  test('has an answered call, at the caller as outgoing and at the callee as incoming', async () => {
    await using caller = await registeredPhone(core, await recordedUser())
    await using callee = await registeredPhone(core, await recordedUser())

    await callAndHangUp(caller, callee)

    const [made] = await listWith(1, caller.identity.user)
    const [got] = await listWith(1, callee.identity.user)
    const who = { 'from/URI': caller.aor, 'to/URI': callee.aor, answered: '1' }
    expect(made).toMatchObject({ ...who, outgoing: '1' })
    expect(got).toMatchObject({ ...who, outgoing: '0' })
    for (const call of [made, got]) {
      const times = ['start-time', 'answer-time', 'end-time'].map(name => call?.[name] ?? '')
      expect(times.join(' ')).toMatch(/^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d ?){3}$/)
      expect(times).toEqual(times.toSorted())
    }
  })

  test('shows a call once it is over, also when the callee hangs up', async () => {
    await using caller = await registeredPhone(core, await recordedUser())
    await using callee = await registeredPhone(core, await recordedUser())
    const { invite, sentAnswer } = await callBetween(caller, callee)
    expect(await listOf(caller.identity.user)).toEqual([])

    callee.inDialog('BYE', dialogOfCallee(invite, sentAnswer))
    caller.reply(await caller.request('BYE'), 200)

    expect(await listWith(1, caller.identity.user)).toMatchObject([{ answered: '1', outgoing: '1' }])
    expect(await listWith(1, callee.identity.user)).toMatchObject([{ answered: '1', outgoing: '0' }])
  })

  test('has rejected, cancelled and failed calls', async () => {
    await using caller = await registeredPhone(core, await recordedUser())
    await using callee = await registeredPhone(core, await recordedUser())

    const refused = caller.invite(callee.aor)
    callee.reply(await callee.request('INVITE'), 486)
    caller.ack(refused, await caller.response(refused))
    const given = caller.invite(callee.aor)
    const ringing = await callee.request('INVITE')
    callee.reply(ringing, 180)
    await caller.response(given, 180)
    caller.cancel(given)
    await callee.request('CANCEL')
    callee.reply(ringing, 487)
    const cancelled = await caller.response(given)
    caller.ack(given, cancelled)
    const nowhere = caller.invite(`sip:nobody@${DOMAIN}`)
    caller.ack(nowhere, await caller.response(nowhere))

    expect(statusOf(cancelled)).toBe(487)
    const rejected = { answered: '0', outgoing: '1' }
    expect(await listWith(3, caller.identity.user)).toMatchObject([rejected, rejected, rejected])
    const missed = { answered: '0', outgoing: '0', 'from/URI': caller.aor }
    expect(await listWith(2, callee.identity.user)).toMatchObject([missed, missed])
  })

  test('survives a core that is killed', async () => {
    using dir = new TempDir('call-lists')
    const before = await Core.start({ dataDir: dir.path })
    const user = await recordedUser(before)
    const caller = await registeredPhone(before, user)
    const invite = caller.invite(`sip:nobody@${DOMAIN}`)
    caller.ack(invite, await caller.response(invite))
    await listWith(1, user, before)
    await caller[Symbol.asyncDispose]()
    await before.stop('SIGKILL')

    await using after = await Core.start({ dataDir: dir.path })

    expect(await listOf(user, after)).toMatchObject([{ answered: '0', 'to/URI': `sip:nobody@${DOMAIN}` }])
  })

  test('is for nobody else, and not for a wrong password', async () => {
    const [ann, bob] = [await recordedUser(), await recordedUser()]
    const guess = { ...subscriber(ann), password: 'guess' }
    expect((await readCallList(core.port('callLists'), guess)).status).toBe(403)
    const nosy = await readCallList(core.port('callLists'), subscriber(ann), `sip:${bob}@${DOMAIN}`)
    expect(nosy.status).toBe(404)
  })
})

test('a store that takes nothing holds up no call, and gets its records when it is well again', async () => {
  await using caller = await registeredPhone(core, await recordedUser())
  await using callee = await registeredPhone(core, await recordedUser())
  const locking = new DatabaseSync(join(core.dataDir, 'call-lists', 'call-lists.db'))
  try {
    locking.exec('PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE')
    await callAndHangUp(caller, callee)
    expect(await listOf(caller.identity.user)).toEqual([])
    locking.exec('ROLLBACK')
  } finally {
    locking.close()
  }
  expect(await listWith(1, caller.identity.user)).toMatchObject([{ answered: '1' }])
  expect(callee.received.filter(message => isRequest(message) && methodOf(message) === 'BYE')).toHaveLength(1)
})

test('the server tells the health of the core, and its figures', async () => {
  const at = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${core.port('callLists')}${path}`)
  expect((await at('/health')).status).toBe(200)
  const figures = await (await at('/metrics')).text()
  expect(figures).toMatch(/^clearwater_memento_authentications_total\{outcome="failures"\} [1-9]/m)
  expect(figures).toMatch(/^clearwater_memento_fragments_total\{kind="rejected"\} [1-9]/m)
})
