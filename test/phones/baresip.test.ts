import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Core } from '../support/core.ts'
import { provision, subscriber } from '../support/subscribers.ts'
import { Baresip } from './baresip.ts'
import { follows, melodyIn } from './tones.ts'

const ALICE_SAYS = [0, 2, 4, 1, 5]
const BOB_SAYS = [7, 3, 6, 2, 0]

let core: Core
let alice: Baresip
let bob: Baresip

beforeAll(async () => {
  core = await Core.start()
  for (const user of ['alice', 'bob']) await provision(core.port('provisioning'), subscriber(user))
  const proxyPort = core.port('client')
  alice = await Baresip.start({
    identity: subscriber('alice'),
    transport: 'udp',
    proxyPort,
    melody: ALICE_SAYS,
  })
  bob = await Baresip.start({ identity: subscriber('bob'), transport: 'tcp', proxyPort, melody: BOB_SAYS })
})
afterAll(async () => {
  await alice[Symbol.asyncDispose]()
  await bob[Symbol.asyncDispose]()
  await core[Symbol.asyncDispose]()
})

describe('two baresip phones, alice on UDP and bob on TCP', () => {
  test('alice calls bob, each hears the other, alice hangs up', async () => {
    await talk(alice, bob)
    alice.hangUp()
    await bob.event('CALL_CLOSED')
    await alice.event('CALL_CLOSED')

    expectHeard()
  })

  test('bob calls alice, each hears the other, alice hangs up', async () => {
    await talk(bob, alice)
    alice.hangUp()
    await bob.event('CALL_CLOSED')
    await alice.event('CALL_CLOSED')

    expectHeard()
  })

  test('the one who called is told when the other hangs up', async () => {
    await talk(alice, bob)
    bob.hangUp()
    await alice.event('CALL_CLOSED')
    await bob.event('CALL_CLOSED')

    expectHeard()
  })

  test('a call that is declined ends at the caller', async () => {
    alice.dial('sip:bob@ims.test')
    await bob.event('CALL_INCOMING')
    await alice.event('CALL_RINGING')
    bob.hangUp()

    const closed = await alice.event('CALL_CLOSED')

    expect(closed.param).toMatch(/486|603/)
  })

  test('a call that is given up stops ringing', async () => {
    alice.dial('sip:bob@ims.test')
    await bob.event('CALL_INCOMING')
    await alice.event('CALL_RINGING')
    alice.hangUp()

    await bob.event('CALL_CLOSED')
  })
})

async function talk(caller: Baresip, callee: Baresip): Promise<void> {
  caller.dial(`sip:${callee.identity.user}@${callee.identity.domain}`)
  await callee.event('CALL_INCOMING')
  await caller.event('CALL_RINGING')
  callee.accept()
  await caller.event('CALL_ESTABLISHED')
  await callee.event('CALL_ESTABLISHED')
  await caller.hears(3)
  await callee.hears(3)
}

function expectHeard(): void {
  const [atAlice, atBob] = [melodyIn(alice.recording()), melodyIn(bob.recording())]
  expect(follows(atAlice, BOB_SAYS), `alice heard ${atAlice.join(' ')}`).toBe(true)
  expect(follows(atBob, ALICE_SAYS), `bob heard ${atBob.join(' ')}`).toBe(true)
}
