import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { localShell } from '../../cli/fleet/testing.ts'
import { placeOfDeployment, placeOfMachine, type ServicePlace } from '../../cli/operations/verify/place.ts'
import type { Check, VerifyReport } from '../../cli/operations/verify/report.ts'
import { LEFTOVER_AFTER_MS, TemporarySubscribers } from '../../cli/operations/verify/temporary-subscribers.ts'
import { verifyPlace } from '../../cli/operations/verify/verify.ts'
import { ProvisioningClient } from '../../cli/operations/users/provisioning-client.ts'
import type { Deployment, DeploymentNode, Role } from '../../lib/config/deployment/deployment.ts'
import { CORE_PORTS } from '../../lib/config/ports.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { Child } from '../support/child.ts'
import { Core, cw, DOMAIN, PROJECT } from '../support/core.ts'
import { Nodes } from '../support/nodes.ts'
import { freePort } from '../support/ports.ts'
import { waitUntil } from '../support/wait.ts'

/** Public ids in the store, by way of the operator's own command. */
async function publicIds(
  core: { port(name: 'provisioning'): number },
  host = '127.0.0.1',
): Promise<readonly unknown[]> {
  const listed = await cw('user', 'list', '--json', '--hsprov', `${host}:${core.port('provisioning')}`)
  return (JSON.parse(listed.stdout) as { result: { subscribers: readonly unknown[] } }).result.subscribers
}

function checkOf(report: VerifyReport, node: string, what: string): Check | undefined {
  return report.checks.find(check => check.node === node && check.what === what)
}

describe('one machine', () => {
  let core: Core

  beforeAll(async () => {
    core = await Core.start()
  })
  afterAll(() => core[Symbol.asyncDispose]())

  const verify = (...args: readonly string[]) =>
    cw('verify', '--address', '127.0.0.1', '--port-offset', `${core.portOffset}`, ...args)

  test('gives service, and keeps nothing of it', async () => {
    const { code, stdout } = await verify('--domain', DOMAIN)

    expect(stdout).toContain(`${DOMAIN}: service is given`)
    expect(code).toBe(0)
    expect(await publicIds(core)).toEqual([])
  })

  test('is told as data', async () => {
    const { code, stdout } = await verify('--domain', DOMAIN, '--json')

    const { status, result } = JSON.parse(stdout) as { status: string; result: VerifyReport }
    expect({ code, status, given: result.given }).toEqual({ code: 0, status: 'ok', given: true })
    const call = checkOf(result, '127.0.0.1', 'call through sprout')
    expect(call?.steps.map(({ sent, answer }) => [sent, answer])).toEqual([
      ['INVITE', '200 OK'],
      ['ACK', 'arrived'],
      ['BYE', '200 OK'],
    ])
  })

  test('with another domain than its own does not', async () => {
    const { code, stdout, stderr } = await verify('--domain', 'other.test', '--answer-timeout', '3')

    expect(code).toBe(4)
    expect(stdout).toContain('other.test: service is NOT given')
    expect(stderr).toContain('error SERVICE_NOT_GIVEN')
    expect(await publicIds(core)).toEqual([])
  })

  test('Ctrl-C in the middle ends it, and removes the subscribers', async () => {
    // The highest ones are none that --port-offset could lead to.
    const silent = createSocket('udp4').bind(await freePort(), '127.0.0.1')
    await once(silent, 'listening')
    await using child = new Child(`${PROJECT}/bin/cw`, [
      ...['verify', '--address', '127.0.0.1', '--domain', DOMAIN, '--answer-timeout', '60', '--json'],
      ...['--provisioning', `127.0.0.1:${core.port('provisioning')}`],
      // A bono that takes the first request only.
      ...['--port-offset', `${silent.address().port - CORE_PORTS.client}`],
    ])
    silent.once('message', (message, from) => {
      silent.send(okTo(message.toString('latin1')), from.port, from.address)
    })
    await waitUntil('both subscribers', async () => (await publicIds(core)).length === 2)

    const exit = await child.stop('SIGINT')

    expect(exit.code).toBe(5)
    expect(JSON.parse(child.stdout)).toMatchObject({ error: { code: 'INTERRUPTED' }, result: { left: [] } })
    expect(await publicIds(core)).toEqual([])
    silent.close()
  })

  test('subscribers that a killed run has left are removed by the next', async () => {
    const address = { host: '127.0.0.1', port: core.port('provisioning') }
    await using client = await ProvisioningClient.open(address)
    const killed = new TemporarySubscribers(client, DOMAIN, () => Date.now() - LEFTOVER_AFTER_MS - 1000)
    await killed.create()

    const { code, stdout } = await verify('--domain', DOMAIN)

    expect(code).toBe(0)
    expect(stdout).toContain('removed 1 subscriber')
    expect(await publicIds(core)).toEqual([])
  })

  describe('fails at its edge', () => {
    const placeAt = async (port: number): Promise<ServicePlace> => {
      const { portOffset } = core
      const provisioning = { host: '127.0.0.1', port: core.port('provisioning') }
      const place = await placeOfMachine({ address: '127.0.0.1', domain: DOMAIN, portOffset, provisioning })
      return { ...place, edges: [{ node: 'bono-1', host: '127.0.0.1', port, name: `127.0.0.1:${port}` }] }
    }

    test('where nothing answers', async () => {
      const report = await verifyPlace(await placeAt(await freePort()), { answerMs: 300 })

      expect(report.given).toBe(false)
      expect(checkOf(report, 'bono-1', 'answer over UDP')).toMatchObject({
        outcome: 'failed',
        failure: { hop: 'cw → bono-1', why: 'bono-1 never answered' },
      })
      expect(checkOf(report, 'bono-1', 'answer over TCP')?.failure?.why).toBe('bono-1 takes no connection')
      expect(checkOf(report, 'bono-1', 'call over UDP')?.outcome).toBe('not tried')
      expect(checkOf(report, '127.0.0.1', 'call through sprout')?.failure?.why).toContain('no bono')
      expect(await publicIds(core)).toEqual([])
    })

    test('that answers 503', async () => {
      const port = await freePort()
      const overloaded = createSocket('udp4').bind(port, '127.0.0.1')
      await once(overloaded, 'listening')
      overloaded.on('message', (message, from) => {
        const text = okTo(message.toString('latin1')).replace('200 OK', '503 Service Unavailable')
        overloaded.send(text, from.port, from.address)
      })

      const report = await verifyPlace(await placeAt(port), { answerMs: 300 })

      expect(checkOf(report, 'bono-1', 'answer over UDP')?.failure).toMatchObject({
        hop: 'cw → bono-1',
        answeredBy: 'bono-1',
        answer: '503 Service Unavailable',
      })
      overloaded.close()
    })
  })

  test('a time that is too short for all checks is kept, and the subscribers are removed', async () => {
    const { portOffset } = core
    const provisioning = { host: '127.0.0.1', port: core.port('provisioning') }
    const place = await placeOfMachine({ address: '127.0.0.1', domain: DOMAIN, portOffset, provisioning })

    const report = await verifyPlace(place, { deadlineMs: 1 })

    expect(report.given).toBe(false)
    expect(report.checks.some(check => check.outcome === 'not tried')).toBe(true)
    expect(await publicIds(core)).toEqual([])
  })
})

describe('a node for each daemon', () => {
  let nodes: Nodes
  const unreachable = new Set<string>()

  beforeAll(async () => {
    nodes = await Nodes.start()
  })
  afterAll(() => nodes[Symbol.asyncDispose]())

  const node = (role: Role & ('bono' | 'sprout' | 'homestead' | 'homer')): DeploymentNode => ({
    name: `${role}-1`,
    address: nodes.address(role),
    publicAddress: nodes.address(role),
    publicHostname: nodes.address(role),
    site: 'site1',
    roles: [role],
    sharesRegistrations: false,
    sharesSubscribers: false,
    ssh: { user: 'nobody', port: 22 },
    local: new Map(),
    user: new Map(),
  })

  /** The deployment as far as it runs here: followers of etcd do not. */
  const place = (): ServicePlace => {
    const deployment: Deployment = {
      name: 'test',
      domain: DOMAIN,
      sites: ['site1'],
      nodes: [node('bono'), node('sprout'), node('homestead'), node('homer')],
      settings: new Map(),
      secrets: new Map(),
      ssh: { user: 'nobody', port: 22 },
      file: 'cw.yaml',
    }
    const shell = (name: string) => {
      const local = localShell('/tmp', name)
      if (!unreachable.has(name)) return local
      const gone = () =>
        Promise.reject(new CwError('NODE_UNREACHABLE', `${name} does not answer`, { changed: 'nothing' }))
      return Object.assign(local, { run: gone, forward: gone })
    }
    const whole = placeOfDeployment(deployment, { shell }, nodes.port('client') - CORE_PORTS.client)
    return { ...whole, daemons: whole.daemons.filter(({ daemon, node: at }) => at === `${daemon}-1`) }
  }

  test('gives service; the call through sprout went out through bono', async () => {
    const report = await verifyPlace(place())

    expect(report.checks.filter(check => check.outcome !== 'passed')).toEqual([])
    expect(report.given).toBe(true)
    expect(checkOf(report, 'sprout-1', 'call through sprout')?.path).toEqual(['sprout-1', 'bono-1'])
    expect(checkOf(report, 'bono-1', 'call over TCP')?.path).toEqual(['bono-1', 'sprout-1', 'bono-1'])
  })

  test('a node that cannot be logged in to is told, and the rest goes on', async () => {
    unreachable.add('sprout-1')

    const report = await verifyPlace(place())
    unreachable.clear()

    expect(checkOf(report, 'sprout-1', 'login')).toMatchObject({ outcome: 'failed' })
    expect(checkOf(report, 'sprout-1', 'call through sprout')?.outcome).toBe('not tried')
    expect(checkOf(report, 'bono-1', 'call over UDP')?.outcome).toBe('passed')
    expect(report.given).toBe(false)
  })

  test('without homestead: no subscribers, and homestead-1 is named', async () => {
    await nodes.child('homestead').stop()

    const report = await verifyPlace(place(), { answerMs: 1000 })
    await nodes.boot('homestead')

    expect(report.given).toBe(false)
    expect(checkOf(report, 'homestead-1', 'provisioning')?.outcome).toBe('failed')
    expect(checkOf(report, 'homestead-1', 'health of homestead')?.failure?.why).toContain('never answered')
    expect(checkOf(report, 'bono-1', 'answer over UDP')?.outcome).toBe('passed')
    expect(checkOf(report, 'bono-1', 'call over UDP')?.outcome).toBe('not tried')
  })

  test('without sprout: the hop from bono to sprout is named, with the node to look at', async () => {
    await nodes.child('sprout').stop()

    const report = await verifyPlace(place(), { answerMs: 4000 })
    await nodes.boot('sprout')

    expect(checkOf(report, 'sprout-1', 'answer of sprout')?.outcome).toBe('failed')
    expect(checkOf(report, 'bono-1', 'registration over UDP')?.failure).toMatchObject({
      hop: 'bono-1 → sprout',
      suspects: ['sprout-1'],
    })
    expect(await publicIds(nodes, nodes.address('homestead'))).toEqual([])
  })

  test('gives service again once all of them are back', async () => {
    const report = await verifyPlace(place())

    expect(report.checks.filter(check => check.outcome !== 'passed')).toEqual([])
    expect(report.given).toBe(true)
  })
})

/** A 200 to a SIP request, with what it must copy. */
function okTo(request: string): string {
  const kept = request
    .split('\r\n')
    .slice(1)
    .filter(line => /^(via|from|to|call-id|cseq):/i.test(line))
  return ['SIP/2.0 200 OK', ...kept, 'Content-Length: 0', '', ''].join('\r\n')
}
