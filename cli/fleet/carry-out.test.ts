import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createHash } from 'node:crypto'
import type { ReleaseArtifact } from './actions/action.ts'
import { releasesOn } from './actions/release.ts'
import { Authority } from './certificates/authority.ts'
import { carryOut, type Ended, type StepEvent } from './carry-out.ts'
import { planOperation, probesOf, type Observed, type Planned, type PlanNode } from './plan.ts'
import { diffsOf } from './plan-diff.ts'
import { fakeHost, type FakeHost } from './playbook/fake-host.ts'
import { observe } from './playbook/facts.ts'
import { emptyManifest, MANIFEST_PATH, parseManifest } from './playbook/manifest.ts'
import { loadPlaybook, parsePlaybook, type Playbook } from './playbook/playbook.ts'
import { localShell } from './testing.ts'

const PLAYBOOK = parsePlaybook(
  `operation: deploy
phases:
  - name: base
    title: base
    on: all
    steps:
      - name: packages
        title: packages
        tasks:
          - packages: { names: [dnsmasq, nftables] }
          - account: { name: clearwater, home: /var/lib/clearwater }
          - directory: { path: /etc/clearwater, owner: clearwater:clearwater, mode: '0750' }
      - name: release
        title: release
        tasks:
          - release: {}
          - link: { path: /etc/cw, target: /opt/clearwater/current/bin/cw }
      - name: files
        title: files
        tasks:
          - file: { path: /etc/clearwater/local_config, template: local_config }
          - file: { path: /etc/clearwater/extra, template: extra, optional: true }
          - absent: { path: /etc/clearwater/extra, template: extra }
          - file: { path: /etc/clearwater/seed, content: "first\\n", seed: true }
          - block: { path: /etc/hosts, template: hosts }
          - command: { title: make a mark, run: [touch, /etc/mark], unless: [test, -e, /etc/mark] }
  - name: sprout
    title: sprout
    on: sprout
    steps:
      - name: daemon
        title: sprout
        tasks:
          - file: { path: /etc/sprout.service, content: "unit\\n" }
          - unit:
              name: clearwater-sprout.service
              on:
                - /opt/clearwater/current
                - /etc/clearwater/local_config
                - /etc/clearwater/extra
                - /etc/sprout.service
  - name: removed-roles
    title: removed roles
    on: all
    steps:
      - { name: units, title: units, tasks: [{ retire: {} }] }
`,
  'test.yml',
)

/** A deployment of fake hosts, which can be deployed to as often as one likes. */
class FakeDeployment {
  readonly hosts: ReadonlyMap<string, FakeHost>
  nodes: readonly PlanNode[]
  voters: readonly PlanNode[] = []
  localConfig = "local_ip='192.0.2.1'\n"
  /** Of a file that is there only while something is to be said in it. */
  extra = ''
  release: ReleaseArtifact
  readonly authority = Authority.found('test')
  events: StepEvent[] = []
  stop = new AbortController()
  onEvent: (event: StepEvent) => void = () => undefined

  constructor(folder: string, names: readonly string[]) {
    this.nodes = names.map((name, index) => ({ name, address: `127.0.0.${index + 1}`, roles: ['sprout'] }))
    this.hosts = new Map(
      names.map(name => {
        mkdirSync(join(folder, name))
        return [name, fakeHost(join(folder, name))]
      }),
    )
    this.release = makeRelease(folder, '1.0.0', 'first')
  }

  async plan(
    playbook: Playbook = PLAYBOOK,
    overwriteDrift = false,
  ): Promise<{ planned: Planned; observed: Observed[] }> {
    const observed = await Promise.all(
      this.nodes.map(async node => {
        const facts = await observe(
          this.shell(node.name),
          probesOf(playbook, node, this.voters, this.release),
        )
        const text = facts.content(MANIFEST_PATH)
        return {
          node,
          facts,
          manifest: text === undefined ? emptyManifest('test') : parseManifest(text, node.name),
        }
      }),
    )
    const planned = planOperation({
      playbook,
      observed,
      deployment: 'test',
      sites: ['site1'],
      voters: this.voters,
      release: this.release,
      authority: this.authority,
      etcd: { state: 'none' },
      overwriteDrift,
      render: (node, template) => {
        if (template === 'hosts') return `${node.address} ${node.name}\n`
        return template === 'extra' ? this.extra : this.localConfig
      },
    })
    return { planned, observed }
  }

  async deploy(playbook: Playbook = PLAYBOOK, overwriteDrift = false): Promise<Ended> {
    const { planned, observed } = await this.plan(playbook, overwriteDrift)
    return carryOut(planned, {
      playbook,
      nodes: this.nodes,
      voters: this.voters,
      shells: new Map(this.nodes.map(node => [node.name, this.shell(node.name)])),
      manifests: new Map(observed.map(each => [each.node.name, each.manifest])),
      release: this.release,
      authority: this.authority,
      etcd: () => Promise.reject(new Error('there is no etcd')),
      stop: this.stop.signal,
      abort: new AbortController().signal,
      onEvent: event => {
        this.events.push(event)
        this.onEvent(event)
      },
    })
  }

  host(name: string): FakeHost {
    const host = this.hosts.get(name)
    if (host === undefined) throw new Error(`no host ${name}`)
    return host
  }

  shell(name: string): ReturnType<typeof localShell> {
    return localShell(this.host(name).root, name)
  }

  async stepsLeft(): Promise<readonly string[]> {
    return (await this.plan()).planned.plan.steps.map(step => step.id)
  }
}

/** The machine's own kind: the fake hosts are this machine. */
function makeRelease(folder: string, version: string, content: string): ReleaseArtifact {
  const top = join(folder, `clearwater-${version}`)
  mkdirSync(join(top, 'bin'), { recursive: true })
  writeFileSync(join(top, 'bin/cw'), content)
  const manifest = { name: 'clearwater', version, platform: 'linux', arch: process.arch, files: {} }
  writeFileSync(join(top, 'manifest.json'), JSON.stringify(manifest, undefined, 2))
  const file = join(folder, `release-${content}.tar.gz`)
  execFileSync('tar', ['-czf', file, '-C', folder, `clearwater-${version}`])
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex')
  return { file, version, arch: process.arch, sha256 }
}

describe('carrying out a plan', () => {
  let folder = ''
  let fake: FakeDeployment
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'clearwater-carry-out-'))
    fake = new FakeDeployment(folder, ['a', 'b'])
  })
  afterEach(() => {
    rmSync(folder, { recursive: true })
  })

  test('a plan changes nothing, a run does what it said, and a second one finds nothing to do', async () => {
    const { planned } = await fake.plan()
    expect(planned.plan.steps.map(step => step.id)).toEqual([
      ...['base/packages@a', 'base/release@a', 'base/files@a'],
      ...['base/packages@b', 'base/release@b', 'base/files@b'],
      ...['sprout/daemon@a', 'sprout/daemon@b'],
    ])
    expect(fake.host('a').calls()).toEqual([])

    const ended = await fake.deploy()
    expect(ended).toMatchObject({ failed: [], left: [] })
    expect(ended.done.toSorted()).toEqual(planned.plan.steps.map(step => step.id).toSorted())
    const host = fake.host('a')
    expect(host.read('/etc/clearwater/local_config')).toBe(fake.localConfig)
    expect(host.read('/etc/hosts')).toContain('127.0.0.1 a\n')
    expect(host.read('/opt/clearwater/releases/1.0.0/bin/cw')).toBe('first')
    expect(host.has('active', 'clearwater-sprout.service')).toBe(true)
    expect(host.has('accounts', 'clearwater')).toBe(true)

    expect(await fake.stepsLeft()).toEqual([])
  })

  test('a plan is data: it prints as JSON and holds no text of a file', async () => {
    fake.localConfig = "password='hunter2'\n"
    const { planned } = await fake.plan()

    expect(JSON.parse(JSON.stringify(planned.plan))).toEqual(planned.plan)
    expect(JSON.stringify(planned.plan)).not.toContain('hunter2')
    expect(diffsOf(planned, () => undefined, { names: ['password'], values: [] })).toContainEqual({
      path: '/etc/clearwater/local_config',
      nodes: ['a', 'b'],
      patch: expect.stringContaining('+password=<redacted>') as string,
    })
  })

  test('a changed file restarts what runs on it, one node after another', async () => {
    await fake.deploy()
    fake.localConfig = "local_ip='192.0.2.9'\n"
    fake.events = []
    await fake.deploy()

    const steps = fake.events.flatMap(event => ('step' in event ? [`${event.event} ${event.step}`] : []))
    expect(steps.filter(step => step.includes('sprout/'))).toEqual([
      ...['step.started sprout/daemon@a', 'step.done sprout/daemon@a'],
      ...['step.started sprout/daemon@b', 'step.done sprout/daemon@b'],
    ])
    expect(fake.host('b').calls().at(-1)).toBe('systemctl restart clearwater-sprout.service')
    expect(await fake.stepsLeft()).toEqual([])
  })

  test('a unit is reloaded where only what it reloads has changed', async () => {
    const firewall = (unit: string, rules: string): Playbook =>
      parsePlaybook(
        `operation: deploy
phases:
  - name: base
    title: base
    on: all
    steps:
      - name: firewall
        title: firewall
        tasks:
          - file: { path: /etc/unit, content: ${unit} }
          - file: { path: /etc/rules, content: ${rules} }
          - unit: { name: clearwater-firewall.service, on: [/etc/unit], reload: [/etc/rules] }
`,
        'test.yml',
      )
    const verbs = []
    for (const playbook of [firewall('u1', 'r1'), firewall('u1', 'r2'), firewall('u2', 'r3')]) {
      await fake.deploy(playbook)
      verbs.push(fake.host('a').calls().at(-1))
      expect((await fake.plan(playbook)).planned.plan.steps).toEqual([])
    }
    expect(verbs).toEqual(
      ['start', 'reload', 'restart'].map(it => `systemctl ${it} clearwater-firewall.service`),
    )
  })

  test('a file of which nothing is left to say goes, and what ran on it restarts', async () => {
    await fake.deploy()
    expect(fake.host('a').read('/etc/clearwater/extra')).toBeUndefined()
    fake.extra = 'more\n'
    await fake.deploy()
    expect(fake.host('a').read('/etc/clearwater/extra')).toBe('more\n')
    writeFileSync(join(fake.host('b').root, 'etc/clearwater/extra'), 'mine\n', { mode: 0o644 })

    fake.extra = ''
    const { plan } = (await fake.plan()).planned

    expect(plan.steps.map(step => step.id)).toEqual(['base/files@a', 'sprout/daemon@a', 'sprout/daemon@b'])
    expect(plan.steps[0]?.changes).toMatchObject([{ summary: 'remove /etc/clearwater/extra' }])
    expect(plan.drift).toEqual([{ node: 'b', path: '/etc/clearwater/extra', kind: 'edited' }])
    await fake.deploy(PLAYBOOK, true)
    for (const name of ['a', 'b']) expect(fake.host(name).read('/etc/clearwater/extra')).toBeUndefined()
    expect(await fake.stepsLeft()).toEqual([])
  })

  test('a policy that a power cut left behind goes with the next run; a host keeps its own', async () => {
    const policy = (name: string): string => join(fake.host(name).root, 'usr/sbin/policy-rc.d')
    const own = '#!/bin/sh\nexit 0\n'
    const left = '#!/bin/sh\n# Written by cw deploy while it installs packages.\nexit 101\n'
    writeFileSync(policy('a'), left)
    writeFileSync(policy('b'), own)
    await fake.deploy()
    expect(fake.host('a').read('/usr/sbin/policy-rc.d')).toBeUndefined()
    expect(fake.host('b').read('/usr/sbin/policy-rc.d')).toBe(own)

    writeFileSync(policy('a'), left)
    expect(await fake.deploy()).toMatchObject({ done: ['base/packages@a'], failed: [] })
    expect(fake.host('a').read('/usr/sbin/policy-rc.d')).toBeUndefined()
    expect(fake.host('a').has('packages', 'nftables')).toBe(true)
    expect(await fake.stepsLeft()).toEqual([])
  })

  test('a role that a node has no more is stopped there, and the record forgets it', async () => {
    await fake.deploy()
    fake.nodes = fake.nodes.map(node => (node.name === 'a' ? { ...node, roles: [] } : node))
    const { planned } = await fake.plan()

    expect(planned.plan.steps).toMatchObject([
      {
        id: 'removed-roles/units@a',
        changes: [{ summary: 'stop and disable clearwater-sprout.service (role removed)' }],
      },
    ])
    expect(await fake.deploy()).toMatchObject({ done: ['removed-roles/units@a'], failed: [], left: [] })
    for (const state of ['active', 'enabled'] as const) {
      expect(fake.host('a').has(state, 'clearwater-sprout.service')).toBe(false)
      expect(fake.host('b').has(state, 'clearwater-sprout.service')).toBe(true)
    }
    expect(await fake.stepsLeft()).toEqual([])
  })

  test('a roll stops at the first node that does not come back', async () => {
    await fake.deploy()
    fake.localConfig = "local_ip='192.0.2.9'\n"
    fake.host('a').breakIt('clearwater-sprout.service')
    const ended = await fake.deploy()

    expect(ended).toMatchObject({
      failed: [
        { step: 'sprout/daemon@a', error: { code: 'UNIT_FAILED', detail: { why: 'it does not want to' } } },
      ],
      left: ['sprout/daemon@b'],
      stopped: 'a did not come back',
    })
  })

  test('a node that fails is left alone and the others go on', async () => {
    fake.host('a').breakIt('nftables')
    const ended = await fake.deploy()

    expect(ended.failed).toMatchObject([
      { node: 'a', error: { code: 'PACKAGES_FAILED', message: 'a could not install nftables' } },
    ])
    expect(ended.done).toContain('sprout/daemon@b')
    expect(ended.left).toEqual(['base/release@a', 'base/files@a', 'sprout/daemon@a'])

    fake.host('a').breakIt('nftables', false)
    expect(await fake.deploy()).toMatchObject({ failed: [], left: [] })
    expect(await fake.stepsLeft()).toEqual([])
  })

  test('a cluster that could have no majority is not begun', async () => {
    const cluster = parsePlaybook(
      `operation: deploy
phases:
  - name: base
    title: base
    on: all
    steps:
      - { name: packages, title: packages, tasks: [{ packages: { names: [nftables] } }] }
  - name: cluster
    title: cluster
    on: voters
    needs: majority
    steps:
      - name: found
        title: found
        tasks: [{ command: { title: found it, run: [touch, /etc/founded], unless: [test, -e, /etc/founded] } }]
`,
      'test.yml',
    )
    fake = new FakeDeployment(mkdtempSync(join(folder, 'three-')), ['a', 'b', 'c'])
    fake.voters = fake.nodes
    for (const name of ['a', 'b']) fake.host(name).breakIt('nftables')

    expect(await fake.deploy(cluster)).toMatchObject({
      done: ['base/packages@c'],
      left: ['cluster/found@a', 'cluster/found@b', 'cluster/found@c'],
      stopped: 'only 1 of 3 nodes came through: cluster',
    })
    expect(fake.host('c').read('/etc/founded')).toBeUndefined()

    fake.host('a').breakIt('nftables', false)
    expect((await fake.deploy(cluster)).done.toSorted()).toEqual([
      ...['base/packages@a', 'cluster/found@a', 'cluster/found@c'],
    ])
  })

  test('a release that does not fit on the disk leaves nothing of itself', async () => {
    writeFileSync(join(fake.host('a').root, 'usr/local/bin/tar'), '#!/bin/sh\nexit 2\n', { mode: 0o755 })
    const ended = await fake.deploy()

    expect(ended.failed).toMatchObject([{ step: 'base/release@a', error: { code: 'COMMAND_FAILED' } }])
    expect(readdirSync(join(fake.host('a').root, 'opt/clearwater/releases'))).toEqual([])
  })

  test('Ctrl-C lets the running step end and begins no other', async () => {
    fake = new FakeDeployment(mkdtempSync(join(folder, 'one-')), ['a'])
    fake.onEvent = event => {
      if (event.event === 'step.started' && event.step === 'base/release@a') fake.stop.abort()
    }
    const ended = await fake.deploy()

    expect(ended).toMatchObject({
      done: ['base/packages@a', 'base/release@a'],
      left: ['base/files@a', 'sprout/daemon@a'],
      stopped: 'interrupted',
    })
  })

  test('killed at any moment that the journal knows, the next run does the rest', async () => {
    const one = new FakeDeployment(mkdtempSync(join(folder, 'whole-')), ['a'])
    await one.deploy()
    const moments = one.events.length
    for (let moment = 0; moment < moments; moment++) {
      const killed = new FakeDeployment(mkdtempSync(join(folder, 'killed-')), ['a'])
      let count = 0
      killed.onEvent = () => {
        if (count++ === moment) throw new Error('killed')
      }
      await expect(killed.deploy()).rejects.toThrow('killed')
      killed.onEvent = () => undefined
      expect(await killed.deploy()).toMatchObject({ failed: [], left: [] })
      expect(await killed.stepsLeft(), `after being killed at event ${moment}`).toEqual([])
      expect(killed.host('a').has('active', 'clearwater-sprout.service')).toBe(true)
    }
  })

  test('killed between a file and the restart it calls for, the next run restarts', async () => {
    await fake.deploy()
    fake.localConfig = "local_ip='192.0.2.9'\n"
    fake.onEvent = event => {
      if (event.event === 'phase.started' && event.phase === 'sprout') throw new Error('killed')
    }
    await expect(fake.deploy()).rejects.toThrow('killed')
    fake.onEvent = () => undefined

    expect(await fake.stepsLeft()).toEqual(['sprout/daemon@a', 'sprout/daemon@b'])
  })

  describe('a file that somebody edited by hand', () => {
    beforeEach(async () => {
      await fake.deploy()
      writeFileSync(join(fake.host('a').root, 'etc/clearwater/local_config'), 'mine\n', { mode: 0o644 })
    })

    test('is told and stays', async () => {
      const { plan } = (await fake.plan()).planned

      expect(plan.drift).toEqual([{ node: 'a', path: '/etc/clearwater/local_config', kind: 'edited' }])
      expect(plan.steps).toEqual([])
      await fake.deploy()
      expect(fake.host('a').read('/etc/clearwater/local_config')).toBe('mine\n')
    })

    test('is written over when that is asked for, and kept beside', async () => {
      await fake.deploy(PLAYBOOK, true)

      expect(fake.host('a').read('/etc/clearwater/local_config')).toBe(fake.localConfig)
      const kept = execFileSync('sh', [
        '-c',
        'cat "$1".*.dpkg-old',
        'sh',
        join(fake.host('a').root, 'etc/clearwater/local_config'),
      ])
      expect(kept.toString()).toBe('mine\n')
      expect((await fake.plan()).planned.plan).toMatchObject({ steps: [], drift: [] })
    })
  })

  test('what was there before us is not ours to write over; other lines of a shared file stay', async () => {
    const root = fake.host('a').root
    mkdirSync(join(root, 'etc/clearwater'))
    writeFileSync(join(root, 'etc/clearwater/local_config'), 'by hand\n')
    writeFileSync(join(root, 'etc/hosts'), '127.0.0.1 localhost')
    const { plan } = (await fake.plan()).planned
    await fake.deploy()

    expect(plan.drift).toEqual([{ node: 'a', path: '/etc/clearwater/local_config', kind: 'foreign' }])
    expect(fake.host('a').read('/etc/hosts')).toMatch(
      /^127\.0\.0\.1 localhost\n# clearwater: begin[^]*127\.0\.0\.1 a\n# clearwater: end\n$/,
    )
  })

  describe('a unit that ran before us', () => {
    const OURS = parsePlaybook(
      `operation: deploy
phases:
  - name: base
    title: base
    on: all
    steps:
      - name: etcd
        title: etcd
        tasks:
          - packages: { names: [etcd-server] }
          - unit: { name: etcd.service, state: 'off' }
          - file: { path: /etc/it.conf, content: "x\\n" }
          - unit: { name: dnsmasq.service, on: [/etc/it.conf] }
`,
      'test.yml',
    )
    const runs = (name: string): void => {
      for (const state of ['active', 'enabled'])
        writeFileSync(join(fake.host('a').root, 'state', state, name), '')
    }

    test('is not stopped in the place of ours, unless that is asked for', async () => {
      runs('etcd.service')
      expect((await fake.plan(OURS)).planned.plan.drift).toEqual([
        { node: 'a', path: 'etcd.service', kind: 'running' },
      ])
      await fake.deploy(OURS, true)
      expect(fake.host('a').has('active', 'etcd.service')).toBe(false)
    })

    test('of a package that we bring is stopped', async () => {
      await fake.deploy(OURS)
      expect(fake.host('a').calls()).toContain('systemctl disable --quiet --now etcd.service')
      expect((await fake.plan(OURS)).planned.plan).toMatchObject({ drift: [], steps: [] })
    })

    test('runs on after us, without what was ours in it', async () => {
      runs('dnsmasq.service')
      await fake.deploy(OURS)
      await fake.deploy(OURS)
      expect(await fake.deploy(loadPlaybook('destroy'))).toMatchObject({ failed: [], left: [] })

      const host = fake.host('a')
      expect(host.read('/etc/it.conf')).toBeUndefined()
      expect(host.has('active', 'dnsmasq.service')).toBe(true)
      expect(host.has('enabled', 'dnsmasq.service')).toBe(true)
      expect(host.calls().at(-1)).toBe('systemctl try-restart dnsmasq.service')
    })

    test('of a package that we brought is stopped with the rest', async () => {
      await fake.deploy(OURS)
      await fake.deploy(loadPlaybook('destroy'))
      expect(fake.host('a').has('active', 'dnsmasq.service')).toBe(false)
    })
  })

  test("a file that is somebody else's after its first writing is left to them", async () => {
    await fake.deploy()
    writeFileSync(join(fake.host('a').root, 'etc/clearwater/seed'), 'second\n')

    expect((await fake.plan()).planned.plan).toMatchObject({ steps: [], drift: [] })
  })

  test('a new build of the same version lies beside the old one, and daemons move to it', async () => {
    await fake.deploy()
    fake.release = makeRelease(folder, '1.0.0', 'second')
    await fake.deploy()

    const beside = `/opt/clearwater/releases/1.0.0+${fake.release.sha256.slice(0, 8)}/bin/cw`
    expect(fake.host('a').read('/opt/clearwater/releases/1.0.0/bin/cw')).toBe('first')
    expect(fake.host('a').read(beside)).toBe('second')
    expect(fake.host('a').calls().at(-1)).toBe('systemctl restart clearwater-sprout.service')
    expect(await fake.stepsLeft()).toEqual([])
  })

  test('the two last releases stay, and there is a way back to the one before', async () => {
    const releases = ['first', 'second', 'third'].map((each, index) =>
      makeRelease(folder, `1.${index}.0`, each),
    )
    for (const release of releases) {
      fake.release = release
      await fake.deploy()
    }
    const folders = (): readonly string[] => readdirSync(join(fake.host('a').root, 'opt/clearwater/releases')).toSorted() // prettier-ignore
    expect(folders()).toEqual(['1.1.0', '1.2.0'])
    const [, second, third] = releases
    const installed = await releasesOn(fake.shell('a'))
    expect([installed.current?.sha256, installed.previous?.sha256]).toEqual([third?.sha256, second?.sha256])
    expect(installed.previous).toMatchObject({ version: '1.1.0', arch: process.arch })

    if (installed.previous !== undefined) fake.release = installed.previous
    expect(await fake.deploy()).toMatchObject({ failed: [], left: [] })

    expect(fake.host('a').read('/opt/clearwater/current/bin/cw')).toBe('second')
    // What was no good is not gone back to.
    expect((await releasesOn(fake.shell('a'))).previous).toBeUndefined()
    expect(folders()).toEqual(['1.1.0'])
  })

  test('a release that is not there any more cannot be gone back to', async () => {
    await fake.deploy()
    fake.release = { version: '0.9.0', arch: process.arch, sha256: 'f'.repeat(64) }

    expect((await fake.deploy()).failed[0]?.error).toMatchObject({ code: 'RELEASE_UNFIT' })
    expect(fake.host('a').read('/opt/clearwater/current/bin/cw')).toBe('first')
  })

  test('destroying leaves the host as it was, but for its packages', async () => {
    writeFileSync(join(fake.host('a').root, 'etc/hosts'), '127.0.0.1 localhost\n')
    await fake.deploy()
    const destroy = loadPlaybook('destroy')
    expect(await fake.deploy(destroy)).toMatchObject({ failed: [], left: [] })

    const host = fake.host('a')
    expect(host.has('active', 'clearwater-sprout.service')).toBe(false)
    expect(host.has('packages', 'dnsmasq')).toBe(true)
    expect(host.read('/etc/clearwater/local_config')).toBeUndefined()
    expect(host.read('/etc/sprout.service')).toBeUndefined()
    expect(host.read('/etc/hosts')).toBe('127.0.0.1 localhost\n')
    expect(host.read(MANIFEST_PATH)).toBeUndefined()
    expect((await fake.plan(destroy)).planned.plan.steps).toEqual([])
  })
})
