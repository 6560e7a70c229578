import { describe, expect, test } from 'vitest'
import { callAndHangUp, contactsIn, phoneAt, registeredPhone } from '../support/calls.ts'
import { Core } from '../support/core.ts'
import type { Phone } from '../support/phone.ts'
import { statusOf } from '../support/sip-text.ts'
import { isProvisioned, provision, subscriber } from '../support/subscribers.ts'
import { TempDir } from '../support/temp-dir.ts'

/** Runs `use` against a core, ends that core with `signal`, and starts one again on the same data and ports. */
async function restarted(
  dir: TempDir,
  signal: NodeJS.Signals,
  use: (core: Core) => Promise<void>,
): Promise<Core> {
  await using core = await Core.start({ dataDir: dir.path })
  const { portOffset } = core
  await use(core)
  const exit = await core.stop(signal)
  if (signal === 'SIGTERM') expect(exit, core.log).toEqual({ code: 0, signal: null })
  return await Core.start({ dataDir: dir.path, portOffset })
}

describe.for(['SIGTERM', 'SIGINT', 'SIGKILL'] as const)('after %s and a new start', signal => {
  test('subscribers are still known and can register', async () => {
    using dir = new TempDir('restart')
    await using core = await restarted(dir, signal, async first => {
      await provision(first.port('provisioning'), subscriber('ann'))
    })

    await using phone = await phoneAt(core, 'ann')

    expect(statusOf(await phone.register())).toBe(200)
  })

  test('a registered phone is still listed', async () => {
    using dir = new TempDir('restart')
    let contact = ''
    await using core = await restarted(dir, signal, async first => {
      await provision(first.port('provisioning'), subscriber('ann'))
      await using phone = await registeredPhone(first, 'ann')
      contact = phone.wire.local
    })

    await using phone = await phoneAt(core, 'ann')
    const listed = contactsIn(await phone.register({ contact: 'none' }))

    expect(listed).toHaveLength(1)
    expect(listed[0]).toContain(contact)
  })

  test('two UDP phones call each other without registering again', async () => {
    using dir = new TempDir('restart')
    const phones: Phone[] = []
    await using core = await restarted(dir, signal, async first => {
      for (const user of ['ann', 'bob']) {
        await provision(first.port('provisioning'), subscriber(user))
        phones.push(await registeredPhone(first, user))
      }
    })
    const [ann, bob] = phones
    if (!ann || !bob) throw new Error('the phones are gone')

    try {
      await callAndHangUp(ann, bob)
    } finally {
      for (const phone of phones) await phone[Symbol.asyncDispose]()
    }
    expect(core.exit).toBeUndefined()
  })
})

describe('SIGKILL in the middle of work loses nothing that was acknowledged', () => {
  test('provisioning', async () => {
    using dir = new TempDir('restart')
    const acknowledged: string[] = []
    await using core = await restarted(dir, 'SIGKILL', async first => {
      const killed = killAfter(first, () => acknowledged.length >= 40)
      const lanes = Array.from({ length: 4 }, async (_, lane) => {
        for (let index = 0; index < 1000; index++) {
          const identity = subscriber(`lane${lane}x${index}`)
          await provision(first.port('provisioning'), identity)
          acknowledged.push(identity.user)
        }
      })
      await Promise.allSettled(lanes)
      await killed
    })

    expect(acknowledged.length).toBeGreaterThanOrEqual(40)
    for (const user of acknowledged) {
      expect(await isProvisioned(core.port('provisioning'), subscriber(user)), user).toBe(true)
    }
  })

  test('registering', async () => {
    using dir = new TempDir('restart')
    const users = Array.from({ length: 60 }, (_, index) => `user${index}`)
    const acknowledged = new Map<string, string>()
    await using core = await restarted(dir, 'SIGKILL', async first => {
      for (const user of users) await provision(first.port('provisioning'), subscriber(user))
      const killed = killAfter(first, () => acknowledged.size >= 30)
      const registering = users.map(async user => {
        await using phone = await phoneAt(first, user)
        const answer = await phone.register()
        if (statusOf(answer) === 200) acknowledged.set(user, phone.wire.local)
      })
      await Promise.allSettled(registering)
      await killed
    })

    expect(acknowledged.size).toBeGreaterThanOrEqual(30)
    for (const [user, contact] of acknowledged) {
      await using phone = await phoneAt(core, user)
      expect(contactsIn(await phone.register({ contact: 'none' })).join(), user).toContain(contact)
    }
  })
})

/** Kills the core the moment enough is done; the work in flight is then cut off wherever it is. */
async function killAfter(core: Core, enough: () => boolean): Promise<void> {
  while (!enough() && !core.exit) await new Promise(resolve => setImmediate(resolve))
  await core.stop('SIGKILL')
}
