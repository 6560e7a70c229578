import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startAstaire } from '../../daemons/astaire/astaire.ts'
import { TimerWheel } from '../../lib/kit/clock.ts'
import { openLog } from '../../lib/kit/log.ts'
import { callAndHangUp, contactsIn, phoneAt, registeredPhone } from '../support/calls.ts'
import { Core, cw } from '../support/core.ts'
import { MemcachedServers } from '../support/memcached.ts'
import { Nodes } from '../support/nodes.ts'
import { statusOf } from '../support/sip-text.ts'
import { freePortOffset } from '../support/ports.ts'
import { PASSWORD, provision, subscriber } from '../support/subscribers.ts'
import { TempDir } from '../support/temp-dir.ts'
import { waitUntil } from '../support/wait.ts'

const SPROUTS = ['sprout', 'second-sprout'] as const

let memcached: MemcachedServers
let nodes: Nodes

beforeAll(async () => {
  memcached = await MemcachedServers.start(2)
  nodes = await Nodes.start({ memcached: memcached.addresses })
  const provisioning = `${nodes.address('homestead')}:${nodes.port('provisioning')}`
  const range = ['6505550001..6505550020', 'ims.test', PASSWORD, '--hsprov', provisioning]
  const created = await cw('user', 'create', ...range)
  expect(created.code, created.stderr).toBe(0)
})
afterAll(async () => {
  await nodes[Symbol.asyncDispose]()
  await memcached[Symbol.asyncDispose]()
})

async function figure(sprout: (typeof SPROUTS)[number], name: string): Promise<number> {
  const metrics = await fetch(`http://${nodes.address(sprout)}:${nodes.port('sproutHttp')}/metrics`)
  const line = (await metrics.text()).split('\n').find(each => each.startsWith(`${name} `))
  return Number(line?.split(' ')[1])
}

/** What a sprout knows of a user, as it tells homestead and operators. */
async function bindingsAt(sprout: (typeof SPROUTS)[number], user: string): Promise<unknown> {
  const impu = encodeURIComponent(`sip:${user}@ims.test`)
  const origin = `http://${nodes.address(sprout)}:${nodes.port('sproutHttp')}`
  return (await fetch(`${origin}/impu/${impu}/bindings`)).json()
}

/** What homestead knows of a user. */
async function stateOf(user: string): Promise<string | undefined> {
  const impu = encodeURIComponent(`sip:${user}@ims.test`)
  const origin = `http://${nodes.address('homestead')}:${nodes.port('homestead')}`
  const page = await (await fetch(`${origin}/impu/${impu}/reg-data`)).text()
  return /<RegistrationState>([A-Z_]+)</.exec(page)?.[1]
}

describe('two sprouts on two memcached servers', () => {
  test('register phones and connect calls, whichever of them a request comes to', async () => {
    for (let number = 1; number <= 9; number += 2) {
      await using caller = await registeredPhone(nodes, `650555000${number}`)
      await using callee = await registeredPhone(nodes, `650555001${number}`)
      await callAndHangUp(caller, callee)
    }

    // DNS spreads them: each sprout has seen some, and both know all.
    for (const sprout of SPROUTS)
      expect(await figure(sprout, 'clearwater_memcached_writes_total')).toBeGreaterThan(0)
  })

  test('both tell the same of a user, and either ends the registration', async () => {
    await using phone = await registeredPhone(nodes, '6505550002')
    const [one, other] = await Promise.all(SPROUTS.map(sprout => bindingsAt(sprout, '6505550002')))
    expect(one).toEqual(other)
    expect(JSON.stringify(one)).toContain(phone.wire.local)

    const renewed = await phone.register()
    expect(statusOf(renewed)).toBe(200)
    expect(contactsIn(renewed)).toHaveLength(1)
  })

  test('a sprout that is killed takes no registration with it', async () => {
    await using caller = await registeredPhone(nodes, '6505550004')
    await using callee = await registeredPhone(nodes, '6505550006')

    for (const sprout of SPROUTS) {
      await nodes.child(sprout).stop('SIGKILL')
      await callAndHangUp(caller, callee)
      await nodes.boot(sprout)
    }
    await callAndHangUp(caller, callee)
  })

  test('memcached servers that are killed one after the other take no registration with them', async () => {
    await using caller = await registeredPhone(nodes, '6505550008')
    await using callee = await registeredPhone(nodes, '6505550010')
    await using astaires = new AsyncDisposableStack()
    const clock = new TimerWheel(error => expect.fail(String(error)))
    astaires.defer(() => clock.close())
    const running: { readonly port: number }[] = []
    for (const local of memcached.addresses) {
      const options = { local, bind: '127.0.0.1', port: 0, clock, log: openLog('silent') }
      const settings = { view: { servers: memcached.addresses }, cpuLimit: 100 }
      const astaire = await startAstaire(options, settings)
      astaires.defer(() => astaire.close())
      running.push(astaire)
    }
    const stateIs = (index: number, state: string): Promise<unknown> =>
      waitUntil(`server ${index} to be ${state}`, async () => {
        const status = await fetch(`http://127.0.0.1:${running[index]?.port ?? 0}/status`)
        return ((await status.json()) as { state: string }).state === state
      })

    for (const index of [0, 1, 0]) {
      await memcached.kill(index)
      await callAndHangUp(caller, callee)
      await stateIs(index, 'no memcached')
      await memcached.run(index)
      await stateIs(index, 'synchronised')
    }
    await callAndHangUp(caller, callee)
  })

  test('a registration ends at its time, also when the sprout that took it and a chronos are gone', async () => {
    await using phone = await phoneAt(nodes, '6505550018')
    expect(statusOf(await phone.register({ expires: 3 }))).toBe(200)
    expect(await stateOf('6505550018')).toBe('REGISTERED')

    for (const sprout of SPROUTS) await nodes.child(sprout).stop('SIGKILL')
    await nodes.child('timers').stop('SIGKILL')
    await nodes.boot('second-sprout')

    await waitUntil(
      'homestead to be told',
      async () => (await stateOf('6505550018')) !== 'REGISTERED',
      30_000,
    )
    await nodes.boot('timers')
    await nodes.boot('sprout')
  })

  test('without memcached a phone is told to try later, and comes back by itself', async () => {
    await using phone = await phoneAt(nodes, '6505550012')
    await Promise.all([memcached.kill(0), memcached.kill(1)])
    try {
      expect(statusOf(await phone.register())).toBeGreaterThanOrEqual(500)
    } finally {
      await Promise.all([memcached.run(0), memcached.run(1)])
    }

    await waitUntil('the phone to be registered', async () => statusOf(await phone.register()) === 200)
  })

  test('servers that are changed while a sprout runs are gone over to; a list that is none changes nothing', async () => {
    await using third = await MemcachedServers.start(1)
    await using caller = await registeredPhone(nodes, '6505550014')
    const all = [...memcached.addresses, ...third.addresses].join(',')

    for (const text of [
      `servers=${memcached.addresses.join(',')}\nnew_servers=${all}\n`,
      'servers=nonsense\n',
    ]) {
      for (const sprout of SPROUTS) {
        const reads = nodes.timesRead(sprout)
        writeFileSync(nodes.file(sprout, 'cluster_settings'), text)
        nodes.child(sprout).signal('SIGHUP')
        await waitUntil('the files to be read', () => nodes.timesRead(sprout) > reads)
      }
      await using callee = await registeredPhone(nodes, '6505550016')
      await callAndHangUp(caller, callee)
    }
    for (const sprout of SPROUTS) {
      const status = await fetch(`http://${nodes.address(sprout)}:${nodes.port('sproutHttp')}/status`)
      expect(await status.json()).toMatchObject({ configurationFaults: 1 })
    }
  })
})

describe('cw up --stores memcached', () => {
  test('takes over what the folder has, and forgets nothing when it starts again', async () => {
    await using servers = await MemcachedServers.start(2)
    using folder = new TempDir('stores')
    const dataDir = folder.path
    const portOffset = await freePortOffset()
    const first = await Core.start({ dataDir, portOffset })
    await provision(first.port('provisioning'), subscriber('alice'))
    await provision(first.port('provisioning'), subscriber('bob'))
    await using alice = await registeredPhone(first, 'alice')
    await using bob = await registeredPhone(first, 'bob')
    await first.stop()

    const extraArgs = ['--stores', 'memcached', '--memcached', servers.addresses.join(',')]
    for (const index of [0, 1]) {
      await using core = await Core.start({ dataDir, portOffset, extraArgs })
      await callAndHangUp(alice, bob)
      await core.stop('SIGKILL')
      if (index === 0) await servers.kill(0)
    }
  })

  test.each([
    [
      ['--stores', 'memcached', '--memcached', '127.0.0.1:1'],
      7,
      'error SERVICE_UNREACHABLE: no memcached answers',
    ],
    [['--stores', 'memcached', '--memcached', 'a:b:c'], 2, 'error OPTION_INVALID: --memcached: "a:b:c"'],
    [['--stores', 'redis'], 2, 'error USAGE: '],
  ])('with %j says why it does not start', async (args, code, message) => {
    using folder = new TempDir('stores')
    const outcome = await cw('up', '--data-dir', folder.path, ...args)

    expect(outcome.code).toBe(code)
    expect(outcome.stderr).toContain(message)
  })
})
