import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CassandraServers } from '../support/cassandra.ts'
import { callAndHangUp, registeredPhone } from '../support/calls.ts'
import { Core, cw } from '../support/core.ts'
import { Nodes } from '../support/nodes.ts'
import { statusOf } from '../support/sip-text.ts'
import { PASSWORD } from '../support/subscribers.ts'
import { TempDir } from '../support/temp-dir.ts'
import { waitUntil } from '../support/wait.ts'

let cassandra: CassandraServers
let nodes: Nodes

beforeAll(async () => {
  cassandra = await CassandraServers.start()
  nodes = await Nodes.start({ cassandra: cassandra.addresses[0]?.split(':')[0] ?? '' })
  await create('6505550001..6505550020')
}, 240_000)
afterAll(async () => {
  await nodes[Symbol.asyncDispose]()
  await cassandra[Symbol.asyncDispose]()
})

type Homestead = 'homestead' | 'second-homestead'

async function create(numbers: string, at: Homestead = 'homestead'): Promise<void> {
  const provisioning = `${nodes.address(at)}:${nodes.port('provisioning')}`
  const created = await cw('user', 'create', numbers, 'ims.test', PASSWORD, '--hsprov', provisioning)
  expect(created.code, created.stderr).toBe(0)
}

async function get(at: Homestead, path: string): Promise<Response> {
  return fetch(`http://${nodes.address(at)}:${nodes.port('homestead')}${path}`)
}

async function stateOf(user: string, at: Homestead): Promise<string | undefined> {
  const impu = encodeURIComponent(`sip:${user}@ims.test`)
  const page = await (await get(at, `/impu/${impu}/reg-data`)).text()
  return /<RegistrationState>([A-Z_]+)</.exec(page)?.[1]
}

describe('two homesteads on one Cassandra', () => {
  test('know the same subscribers, and who is registered', async () => {
    await using alice = await registeredPhone(nodes, '6505550001')
    await using bob = await registeredPhone(nodes, '6505550002')
    await callAndHangUp(alice, bob)

    for (const at of ['homestead', 'second-homestead'] as const)
      expect(await stateOf('6505550001', at)).toBe('REGISTERED')
    expect(await stateOf('6505550003', 'second-homestead')).toBe('UNREGISTERED')
  })

  test('one of them is killed: subscribers are created, register and call', async () => {
    await using alice = await registeredPhone(nodes, '6505550004')
    await nodes.child('homestead').stop('SIGKILL')
    try {
      await create('6505550030', 'second-homestead')
      await using late = await registeredPhone(nodes, '6505550030')
      await callAndHangUp(alice, late)
      await callAndHangUp(late, alice)
    } finally {
      await nodes.boot('homestead')
    }
    expect(await stateOf('6505550030', 'homestead')).toBe('REGISTERED')
  })

  test('services of a user that homer keeps in Cassandra are there after its disk is lost', async () => {
    const services = ['user', 'services']
    const whose = ['6505550005', 'ims.test', '--homer', `${nodes.address('homer')}:${nodes.port('homer')}`]
    const set = await cw(...services, 'set', ...whose, '--bar-incoming', 'all')
    expect(set.code, set.stderr).toBe(0)

    await nodes.child('homer').stop('SIGKILL')
    rmSync(nodes.file('homer', 'data'), { recursive: true, force: true })
    await nodes.boot('homer')

    const shown = await cw(...services, 'show', ...whose, '--xml')
    expect(shown.stdout).toContain('incoming-communication-barring active="true"')
  })

  test('Cassandra dies: they say so, phones are told to try later; it comes back, and nothing has to be done', async () => {
    await using alice = await registeredPhone(nodes, '6505550006')
    await using bob = await registeredPhone(nodes, '6505550007')
    await cassandra.kill(0)
    try {
      await waitUntil('homestead says that it cannot serve', async () => {
        return (await get('homestead', '/ping')).status === 503
      })
      const health = await get('homestead', '/health')
      expect(await health.json()).toMatchObject({ cassandra: 'not reachable' })
      const impu = encodeURIComponent('sip:6505550006@ims.test')
      expect((await get('homestead', `/impu/${impu}/reg-data`)).status).toBe(503)
      expect(statusOf(await alice.register())).toBeGreaterThanOrEqual(500)
    } finally {
      await cassandra.run(0)
    }

    await waitUntil(
      'both can serve again',
      async () => {
        const pings = await Promise.all([get('homestead', '/ping'), get('second-homestead', '/ping')])
        return pings.every(({ status }) => status === 200)
      },
      30_000,
    )
    await callAndHangUp(alice, bob)
    for (const at of ['homestead', 'second-homestead'] as const) expect(nodes.child(at).exit).toBeUndefined()
  }, 120_000)
})

describe('cw up --stores cassandra', () => {
  test('moves subscribers, who is registered and services there: another folder, the same core', async () => {
    const extraArgs = ['--stores', 'cassandra', '--cassandra', cassandra.addresses.join(',')]
    using folder = new TempDir('stores')
    {
      await using core = await Core.start({ dataDir: folder.path })
      const provisioning = `127.0.0.1:${core.port('provisioning')}`
      const created = await cw('user', 'create', '6505550040..6505550041', 'ims.test', PASSWORD, '--hsprov', provisioning) // prettier-ignore
      expect(created.code, created.stderr).toBe(0)
      const at = ['--homer', `127.0.0.1:${core.port('homer')}`]
      const set = await cw(
        'user',
        'services',
        'set',
        '6505550041',
        'ims.test',
        '--bar-incoming',
        'all',
        ...at,
      )
      expect(set.code, set.stderr).toBe(0)
    }
    {
      await using core = await Core.start({ dataDir: folder.path, extraArgs })
      await using alice = await registeredPhone(core, '6505550040')
      await using bob = await registeredPhone(core, '6505550041')
      await callAndHangUp(alice, bob)
    }
    await using core = await Core.start({ extraArgs })
    await using alice = await registeredPhone(core, '6505550040')
    const at = ['--hsprov', `127.0.0.1:${core.port('provisioning')}`]
    const shown = await cw('user', 'show', '6505550041', 'ims.test', ...at)
    expect(shown.stdout, shown.stderr).toContain('sip:6505550041@ims.test')
    const services = ['--homer', `127.0.0.1:${core.port('homer')}`]
    const kept = await cw('user', 'services', 'show', '6505550041', 'ims.test', '--xml', ...services)
    expect(kept.stdout, kept.stderr).toContain('incoming-communication-barring active="true"')
    expect(statusOf(await alice.register())).toBe(200)
  })

  test.each([
    [['--stores', 'cassandra', '--cassandra', '127.0.0.1:1'], 7, 'SERVICE_UNREACHABLE: no Cassandra answers'],
    [['--stores', 'cassandra', '--cassandra', 'a:b:c'], 2, 'OPTION_INVALID: --cassandra: "a:b:c"'],
  ])('with %j says why it does not start', async (args, code, message) => {
    using folder = new TempDir('stores')
    const outcome = await cw('up', '--data-dir', folder.path, ...args)

    expect(outcome.code).toBe(code)
    expect(outcome.stderr).toContain(message)
  })
})
