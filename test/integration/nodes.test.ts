import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callAndHangUp, phoneAt, registeredPhone } from '../support/calls.ts'
import { cw } from '../support/core.ts'
import { Nodes } from '../support/nodes.ts'
import { statusOf, valueOf } from '../support/sip-text.ts'
import { PASSWORD } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'

let nodes: Nodes

beforeAll(async () => {
  nodes = await Nodes.start()
  const provisioning = `${nodes.address('homestead')}:${nodes.port('provisioning')}`
  const created = await cw(
    'user',
    'create',
    '6505550001..6505550005',
    'ims.test',
    PASSWORD,
    '--hsprov',
    provisioning,
  )
  expect(created.code, created.stderr).toBe(0)
})
afterAll(() => nodes[Symbol.asyncDispose]())

/** The JSON lines of a daemon's log file. */
function logOf(name: 'bono' | 'sprout'): readonly Readonly<Record<string, unknown>>[] {
  const lines = readFileSync(nodes.file(name, `log/${name}.log`), 'utf8')
    .trim()
    .split('\n')
  return lines.map(line => JSON.parse(line) as Readonly<Record<string, unknown>>)
}

describe('daemons on nodes of their own, told by files', () => {
  test('register two phones and connect their call', async () => {
    await using caller = await registeredPhone(nodes, '6505550001')
    await using callee = await registeredPhone(nodes, '6505550002')

    await callAndHangUp(caller, callee)

    expect(logOf('bono').map(entry => entry.msg)).toContain('bono is ready')
  })

  test.for([
    ['bono', 'bonoHttp'],
    ['sprout', 'sproutHttp'],
    ['homestead', 'homestead'],
    ['homer', 'homer'],
  ] as const)('%s tells how it is', async ([daemon, port]) => {
    const origin = `http://${nodes.address(daemon)}:${nodes.port(port)}`

    expect(await (await fetch(`${origin}/ping`)).text()).toBe('OK')
    expect(await (await fetch(`${origin}/health`)).json()).toMatchObject({ status: 'ok', daemon })
    expect(await (await fetch(`${origin}/status`)).json()).toMatchObject({ daemon, restartNeededFor: [] })
    expect(await (await fetch(`${origin}/metrics`)).text()).toContain('process_resident_memory_bytes')
  })

  test('a change that can be followed while they run is, and others wait for a restart', async () => {
    await using phone = await phoneAt(nodes, '6505550003')
    nodes.writeFiles('sprout', { reg_max_expires: '77', enforce_user_phone: 'Y' })

    nodes.child('sprout').signal('SIGHUP')
    await waitUntil('the log to tell', () => logOf('sprout').some(entry => 'applied' in entry))

    expect(logOf('sprout').find(entry => 'applied' in entry)?.applied).toEqual(['reg_max_expires'])
    const answer = await phone.register()
    expect(statusOf(answer)).toBe(200)
    expect(valueOf(answer, 'contact')).toContain('expires=77')
    const status = await fetch(`http://${nodes.address('sprout')}:${nodes.port('sproutHttp')}/status`)
    expect(await status.json()).toMatchObject({ restartNeededFor: ['enforce_user_phone'] })
  })

  test('files without what is needed change nothing of a running daemon', async () => {
    const file = nodes.file('bono', 'shared_config')
    const good = readFileSync(file)
    writeFileSync(file, 'home_domain="unclosed\n\0$(reboot)\n')

    nodes.child('bono').signal('SIGHUP')
    await waitUntil('the log to tell', () =>
      logOf('bono').some(entry => String(entry.msg).includes('what was read before goes on to count')),
    )
    const status = async (): Promise<unknown> =>
      (await fetch(`http://${nodes.address('bono')}:${nodes.port('bonoHttp')}/status`)).json()
    await waitUntil('bono to say so', async () => {
      const { configurationReadings } = (await status()) as { configurationReadings: number }
      return configurationReadings === 2
    })
    expect(await status()).toMatchObject({
      configurationProblem: expect.stringContaining('home_domain') as string,
    })

    writeFileSync(file, good)
    nodes.child('bono').signal('SIGHUP')
    await waitUntil(
      'it to be well again',
      async () => !('configurationProblem' in ((await status()) as object)),
    )
    await using caller = await registeredPhone(nodes, '6505550004')
    await using callee = await registeredPhone(nodes, '6505550005')
    await callAndHangUp(caller, callee)
  })

  test('a daemon whose files lack what is needed says so and does not start', async () => {
    writeFileSync(nodes.file('homer', 'local_config'), 'public_ip=192.0.2.1\n')

    const outcome = await cw('daemon', 'homer', '--config', nodes.file('homer', '.'))

    expect(outcome.code).toBe(2)
    expect(outcome.stderr).toContain('local_ip')
  })

  test.for([
    ['config-manager', 'configManager'],
    ['queue-manager', 'queueManager'],
    ['cluster-manager', 'clusterManager'],
  ] as const)('%s is at work while etcd is not there yet', async ([daemon, port]) => {
    nodes.writeFiles(daemon)
    await nodes.boot(daemon)

    const health = await fetch(`http://${nodes.address(daemon)}:${nodes.port(port)}/health`)

    expect(health.status).toBe(200)
    expect(await nodes.child(daemon).stop('SIGTERM')).toEqual({ code: 0, signal: null })
  })

  test('SIGTERM lets each of them end well', async () => {
    for (const name of ['bono', 'sprout', 'homestead', 'homer'] as const) {
      expect(await nodes.child(name).stop('SIGTERM'), name).toEqual({ code: 0, signal: null })
    }
  })
})
