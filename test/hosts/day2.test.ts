import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { waitUntil } from '../support/wait.ts'
import { deploymentOf, makeRelease, Operator, told } from './deployment.ts'
import { Lab, type CwResult } from './lab/lab.ts'

const ROLES = { 'bono-1': ['bono'], 'bono-2': ['bono'], 'core-1': ['sprout', 'homestead'] }

interface Envelope<T> {
  readonly result: T
}

interface Status {
  readonly serving: { readonly verdict: string }
  readonly inSync: { readonly verdict: string; readonly why: readonly string[] }
  readonly next: { readonly command?: string }
  readonly nodes: readonly {
    readonly name: string
    readonly reachable: boolean
    readonly daemons: readonly { readonly well: boolean }[]
  }[]
}

describe('three hosts, day after day', () => {
  let lab: Lab
  let operator: Operator
  const cw = (...args: string[]): Promise<CwResult> => operator.cw(...args)
  const status = async (...args: string[]): Promise<Status> =>
    (JSON.parse((await cw('status', '--json', ...args)).stdout) as Envelope<Status>).result
  /** Nothing is lost, and there is nothing to do: what is wrong later is what a test made wrong. */
  const allIsWell = (): Promise<unknown> =>
    waitUntil(
      'the deployment to be well and in sync',
      async () => {
        const { serving, inSync, nodes } = await status()
        const daemons = nodes.flatMap(node => node.daemons)
        return (
          serving.verdict === 'yes' &&
          inSync.verdict === 'yes' &&
          nodes.every(node => node.reachable) &&
          daemons.every(daemon => daemon.well)
        )
      },
      120_000,
    )
  beforeAll(async () => {
    lab = await Lab.start({ hosts: Object.keys(ROLES).map(name => ({ name })) })
    operator = new Operator(lab, { release: await makeRelease(lab) })
    operator.write(deploymentOf(lab, ROLES))
  })
  afterAll(async () => {
    await lab.close()
  })

  test('bare ones are fit for a deployment, and nothing is on them yet', async () => {
    const check = await cw('check')
    expect(check.code, told(check)).toBe(0)
    expect(check.stdout).toMatch(/^ok +PORTS_REACHABLE/m)
    expect(check.stdout).toMatch(/^warning +DNS|^unknown +DNS/m)

    const bare = await status()
    expect(bare.serving.verdict).toBe('no')
    expect(bare.next.command).toBe('cw deploy')
  })

  test('a port that somebody holds, and a way that is shut, are told before', async () => {
    const squat = 'systemd-run --quiet --unit=squatter systemd-socket-activate --accept --listen=5058 cat'
    await lab.host('bono-1').must(squat, { sudo: true })
    await lab.cut(lab.host('bono-2'), lab.host('core-1'), { oneWay: true })
    const { code, stdout } = await cw('check', '--only', 'PORTS_FREE', '--only', 'PORTS_REACHABLE')
    await lab.heal()
    await lab.host('bono-1').must('systemctl stop squatter', { sudo: true })

    expect(code).toBe(4)
    expect(stdout).toMatch(/bono-1: held: tcp 5058 by \S+ \(squatter\.service\)/)
    expect(stdout).toMatch(/bono-2: does not reach core-1 on .*udp 5054 \(SIP\)/)
  })

  test('deployed ones serve, are in sync, and pass their checks', { timeout: 600_000 }, async () => {
    const deploy = await operator.deploy('--yes')
    expect(deploy.code, told(deploy)).toBe(0)

    await allIsWell()
    const now = await status()
    expect(now.serving.verdict).toBe('yes')
    expect(now.next.command).toBeUndefined()
    const check = await cw('check')
    expect(check.code, told(check)).toBe(0)
  })

  test('the files that sprout routes by come to every node, and sprout uses them', async () => {
    const folder = join(lab.home, 'shared')
    const files = {
      'bgcf.json': { routes: [{ name: 'trunk', domain: 'pstn.test', route: ['sip:bono-1.ims.test:5058'] }] },
      'enum.json': {
        number_blocks: [{ name: 'ours', prefix: '+1650555', regex: '!(^.*$)!sip:\\1@ims.test!' }],
      },
      's-cscf.json': {
        's-cscfs': [
          {
            server: 'sip:scscf.sprout.ims.test:5054;transport=TCP',
            ...{ priority: 0, weight: 100, capabilities: [] },
          },
        ],
      },
    }
    mkdirSync(folder)
    for (const [name, document] of Object.entries(files)) {
      writeFileSync(join(folder, name), JSON.stringify(document))
    }
    const onNode = (node: string, name: string): string =>
      readFileSync(join(lab.host(node).root, 'etc/clearwater', name), 'utf8')

    const imported = await cw('config', 'import', folder, '--yes')
    expect(imported.code, told(imported)).toBe(0)
    for (const [name, document] of Object.entries(files)) {
      for (const node of Object.keys(ROLES)) expect(JSON.parse(onNode(node, name))).toEqual(document)
    }
    await allIsWell()
    const verify = await cw('verify')
    expect(verify.code, told(verify)).toBe(0)

    writeFileSync(join(folder, 'enum.json'), '{"number_blocks":[{"prefix":"+1"}]}')
    const invalid = await cw('config', 'import', folder, '--yes')
    expect(invalid.stderr).toContain('error FILE_INVALID')
    expect(JSON.parse(onNode('core-1', 'enum.json'))).toEqual(files['enum.json'])
  })

  test('a command runs on all of them as it is', async () => {
    const run = await cw('exec', '--sudo', '--', 'sh', '-c', 'echo "$(id -un) $0"', "it's $(x)")

    expect(run.code, told(run)).toBe(0)
    expect(run.stdout.split('\n').toSorted()).toEqual([
      '',
      "bono-1 | root it's $(x)",
      "bono-2 | root it's $(x)",
      "core-1 | root it's $(x)",
    ])
    expect((await cw('ssh', 'bono-1', '--', 'sh', '-c', 'exit 42')).code).toBe(42)
  })

  test('a restart goes from node to node, and the logs tell of it by time', async () => {
    const restart = await cw('restart', 'bono', '--yes')
    expect(restart.code, told(restart)).toBe(0)
    expect(restart.stderr).toMatch(/bono-1 is back[^]*bono-2 restarts/)

    const { stdout } = await cw('logs', '--since', '5m')
    // A message of several lines goes on indented.
    const lines = stdout.split('\n').filter(line => /^\d/.test(line))
    const times = lines.map(line => line.slice(0, 23))
    expect(times).toEqual(times.toSorted())
    expect(stdout).toMatch(/bono-1 bono info Started clearwater-bono\.service/)
    expect(stdout).toMatch(/bono-2 bono info stopped/)
    expect((await cw('logs', '--since', '5m', '--role', 'sprout')).stdout).not.toContain(' bono-1 ')
  })

  test('the log is followed while it is written', async () => {
    await using follow = operator.start('logs', '--follow', '--since', '1s')
    await waitUntil(
      'the follower to see a restart',
      async () => {
        await cw('restart', 'bono', '--node', 'bono-1', '--yes')
        return follow.stdout.includes('bono-1 bono info Started clearwater-bono.service')
      },
      60_000,
    )
    follow.signal('SIGINT')
    await follow.exited
    await waitUntil(
      'nothing of it to be left on the nodes',
      async () => {
        return (await lab.host('bono-1').run('ls -d /tmp/tmp.*/out', { sudo: true })).code !== 0
      },
      30_000,
    )
  })

  test('one that hangs or is off costs the status no more than its time, and is told', async () => {
    await lab.host('core-1').unplug()
    const cut = await status('--timeout', '3')
    await lab.host('core-1').plug()
    await allIsWell()

    expect(cut.serving.verdict).toBe('no')
    expect(cut.nodes.filter(node => !node.reachable).map(({ name }) => name)).toEqual(['core-1'])
    expect(cut.next.command).toBe('cw check --node core-1')
  })

  test('a daemon that has died for good is told, with the way to its log', async () => {
    await lab.host('core-1').must('systemctl stop clearwater-sprout', { sudo: true })
    const down = await cw('status')

    expect(down.code).toBe(4)
    expect(down.stdout).toContain('no sprout works')
    expect(down.stdout).toContain('cw logs --node core-1')
    await lab.host('core-1').must('systemctl start clearwater-sprout', { sudo: true })
    await allIsWell()
  })

  test('the zone has the addresses of the nodes', async () => {
    const { stdout } = await cw('dns', 'zone', '--name-server', '192.0.2.53')

    expect(stdout).toContain(`bono-1.ims.test. IN A ${lab.host('bono-1').address}`)
    expect(stdout).toContain('_sip._tcp.scscf.sprout.ims.test. IN SRV 0 0 5054 core-1.ims.test.')
  })
})
