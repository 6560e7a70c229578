import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { cw as run, type CwRun } from '../../cli/testing/run-cw.ts'
import type { EtcdClient } from '../../lib/etcd/client.ts'
import { configurationKey, restartQueueKey } from '../../lib/etcd/layout.ts'
import { EtcdCluster } from '../support/etcd.ts'
import { FollowingNode, SITE } from '../support/following-node.ts'
import { TempDir } from '../support/temp-dir.ts'
import { waitUntil } from '../support/wait.ts'

const DEPLOYMENT = `name: lab
domain: ims.test
settings:
  reg_max_expires: 300
nodes:
  - {name: a, address: 10.0.0.1, roles: [bono, sprout, homestead]}
  - {name: b, address: 10.0.0.2, roles: [sprout]}
  - {name: spare, address: 10.0.0.3}
`
const BASE = `# keep this remark
home_domain=ims.test
sprout_hostname=sprout.ims.test
hs_hostname=hs.ims.test:8888
hs_provisioning_hostname=hs.ims.test:8889
signup_key=s3cret
reg_max_expires=300
`

// A port needs a restart of who listens on it (sprout) and who names it (homestead), whatever else learns to reload.
describe('cw config', () => {
  let cluster: EtcdCluster
  let etcd: EtcdClient
  let folder: TempDir
  let a: FollowingNode
  let b: FollowingNode
  beforeAll(async () => {
    cluster = await EtcdCluster.start({ members: 3 })
    etcd = cluster.client()
  })
  afterAll(async () => {
    await etcd.close()
    await cluster[Symbol.asyncDispose]()
  })
  beforeEach(async () => {
    folder = new TempDir('config')
    writeFileSync(folder.file('cw.yaml'), DEPLOYMENT)
    writeFileSync(folder.file('authority.crt'), cluster.credentials.authority)
    writeFileSync(folder.file('client.pem'), cluster.credentials.client)
    for (const { key } of (await etcd.getPrefix('/')).items) await etcd.delete(key)
    await etcd.put(configurationKey(SITE, 'shared_config'), BASE)
    a = new FollowingNode(etcd, folder.path, '10.0.0.1', 'bono', 'sprout', 'homestead')
    b = new FollowingNode(etcd, folder.path, '10.0.0.2', 'sprout')
    for (const node of [a, b]) {
      node.edit('shared_config', BASE)
      await node.startConfig()
      await node.startQueue()
      await node.reports('a start', ({ files }) => files.shared_config !== undefined)
    }
  })
  afterEach(async () => {
    await a.stop()
    await b.stop()
    folder[Symbol.dispose]()
  })

  const reach = (): readonly string[] => ['--etcd', cluster.origins.join(','), '--credentials', folder.path]
  const cw = (verb: string, ...words: readonly string[]): Promise<CwRun> =>
    run('config', verb, ...words, '--file', folder.file('cw.yaml'), ...reach())
  const shared = async (): Promise<string | undefined> =>
    (await etcd.get(configurationKey(SITE, 'shared_config')))?.value.toString()

  test('sets an option on all nodes, one restart at a time, and its undo takes it back', async () => {
    const { exit, stdout, stderr } = await cw('set', 'scscf=5064', '--yes')
    expect({ exit, stdout }).toEqual({
      exit: 0,
      stdout: `changed on 2 nodes; to undo: cw config unset scscf --file ${folder.file('cw.yaml')}\n`,
    })
    expect(stderr).toContain('scscf: not set → 5064 (restart)')
    expect(stderr).toContain('2 nodes restart daemons, one node at a time')
    expect(stderr).toMatch(/^a has it$/m)
    expect(stderr).toMatch(/^b has it$/m)
    expect(await shared()).toBe(`${BASE}scscf=5064\n`)
    expect(a.file('shared_config')).toBe(await shared())
    expect(a.units.done).toEqual(['restart sprout', 'restart homestead'])
    expect(b.units.done).toEqual(['restart sprout'])

    expect((await cw('unset', 'scscf', '--yes')).exit).toBe(0)
    expect(await shared()).toBe(BASE)
    expect((await cw('unset', 'scscf', '--yes')).stdout).toBe('nothing to do: it is so already\n')
    const history = (await cw('history')).stdout.split('\n')
    expect(history).toHaveLength(3)
    expect(history[0]).toMatch(/^ +2 {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}\S+@\S+ +site1 {2}unset scscf$/)
  })

  test('shows what is set, what is at its default, and no secret unless asked', async () => {
    const all = (await cw('get')).stdout
    expect(all).toContain('reg_max_expires=300\n')
    expect(all).toContain('signup_key=(secret)\n')
    expect((await cw('get', 'signup_key', '--show-secrets')).stdout).toBe('signup_key=s3cret\n')
    expect((await cw('get', 'sub_max_expires')).stdout).toMatch(/^sub_max_expires=\d+ {2}\(default\)\n$/)
    expect((await cw('get', 'reg_max_expire')).exit).toBe(2)
  })

  test('secrets do not stand in plans, results or undo commands', async () => {
    const input = Readable.from(['n3w\n']) as unknown as typeof process.stdin
    const stdin = vi.spyOn(process, 'stdin', 'get').mockReturnValue(input)
    const made = await cw('set', 'signup_key=-', '--yes')
    stdin.mockRestore()
    expect(made.exit).toBe(0)
    expect(made.stdout + made.stderr).not.toMatch(/s3cret|n3w/)
    expect(made.stdout).toContain('to undo: cw config import --before 1 --site site1')
    expect((await cw('import', '--before', '1', '--site', 'site1', '--yes')).exit).toBe(0)
    expect(await shared()).toBe(BASE)
  })

  test.each([
    [['set', 'reg_max_expires=soon'], 2, 'OPTION_INVALID'],
    [['set', 'reg_max_expire=600'], 2, 'reg_max_expires'],
    [['set', 'local_ip=10.0.0.1'], 2, 'OPTION_INVALID'],
    [['set', 'signup_key=n3w'], 2, 'cw config set signup_key=-'],
    [['set', 'reg_max_expires'], 2, 'KEY=VALUE'],
    [['unset', 'sprout_hostname'], 2, 'sprout_hostname is missing'],
    [['set', 'home_domain=other.test'], 8, 'CONFIG_REBUILD'],
    [['get', '--site', 'site9'], 2, 'no site site9'],
  ] as const)('refuses %j and changes nothing', async ([verb, ...words], exit, told) => {
    const before = await etcd.getPrefix('/clearwater/')
    const refused = await cw(verb, ...words, ...(verb === 'get' ? [] : ['--yes']))
    expect(refused.exit).toBe(exit)
    expect(refused.stderr).toContain(told)
    expect(await etcd.getPrefix('/clearwater/')).toMatchObject({ items: before.items })
  })

  test('hostile values reach the nodes as they are', async () => {
    const value = `it's "$(reboot)" \`x\` \\ ; rm -rf /`
    const { exit, stderr } = await cw('set', `smtp_username=${value}`, '--yes')
    expect({ exit, stderr: exit === 0 ? '' : stderr }).toEqual({ exit: 0, stderr: '' })
    expect(JSON.parse((await cw('get', 'smtp_username', '--json')).stdout)).toMatchObject({
      result: { options: [{ value }] },
    })
  })

  test('changes nothing without a yes, and with --dry-run', async () => {
    expect((await cw('set', 'reg_max_expires=600')).exit).toBe(8)
    const dry = await cw('set', 'scscf=5064', '--dry-run')
    expect(dry.exit).toBe(0)
    expect(dry.stdout).toContain('restart b: sprout')
    expect(await shared()).toBe(BASE)
  })

  test('a node that does not become healthy stops the change, and is named with the way back', async () => {
    a.units.ill.add('sprout')
    const { exit, stderr } = await cw('set', 'scscf=5064', '--yes')
    expect(exit).toBe(1)
    expect(stderr).toContain('error ROLLOUT_FAILED: the change did not go well on a')
    expect(stderr).toContain('take it back: cw config unset scscf')
    expect(b.units.done.length).toBeLessThanOrEqual(1)

    a.units.ill.clear()
    expect((await cw('unset', 'scscf', '--yes')).exit).toBe(0)
    expect(await shared()).toBe(BASE)
  })

  test('with --force the others go on behind one that fails', async () => {
    a.units.ill.add('sprout')
    const forced = await cw('set', 'scscf=5064', '--yes', '--force')
    expect(forced.exit).toBe(1)
    await waitUntil('the other node', () => b.units.done.includes('restart sprout'))
    expect((await etcd.get(restartQueueKey(SITE)))?.value.toString()).toContain('"FORCE":true')
  })

  test('a node that is down is told when time is up, and the change goes on without us', async () => {
    await b.stop()
    const { exit, stdout } = await cw('set', 'scscf=5064', '--yes', '--timeout', '2', '--json')
    expect(exit).toBe(9)
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'error',
      result: { numbers: { site1: 1 }, nodes: { b: { kind: 'silent' } } },
      error: { code: 'ROLLOUT_PENDING', changed: 'some', where: { host: 'b' } },
    })
    await b.startConfig()
    await b.startQueue()
    await waitUntil('the node that is back', () => b.file('shared_config').includes('scscf=5064'))
  })

  test('exports, imports, and puts back what was before', async () => {
    const dir = folder.file('export')
    expect((await cw('export', dir)).stdout).toBe(`${dir}/shared_config\n`)
    expect(readFileSync(`${dir}/shared_config`, 'utf8')).toBe(BASE)
    expect(statSync(`${dir}/shared_config`).mode & 0o777).toBe(0o600)

    const routes = '{"routes":[{"name":"all","domain":"*","route":["sip:gw.test"]}]}\n'
    writeFileSync(`${dir}/bgcf.json`, routes)
    const made = await cw('import', dir, '--yes')
    expect(made).toMatchObject({ exit: 0 })
    expect(made.stderr).toContain('+{"routes":[{"name":"all"')
    expect(b.file('bgcf.json')).toBe(routes)
    expect(b.units.done).toEqual(['reload sprout'])
    expect((await cw('get', 'bgcf.json')).stdout).toBe(routes)

    writeFileSync(`${dir}/bgcf.json`, '{"routes":[{"domain":"*"}]}')
    const refused = await cw('import', dir, '--yes')
    expect(refused.exit).toBe(2)
    expect(refused.stderr).toContain('bgcf.json would not be valid')
    expect(b.file('bgcf.json')).toBe(routes)

    expect((await cw('import', '--before', '1', '--yes')).exit).toBe(0)
    expect(b.file('bgcf.json')).toBe('{"routes":[]}\n')
    expect((await cw('import', folder.file('nothing'), '--yes')).exit).toBe(2)
    expect((await cw('import', '--before', '99', '--yes')).exit).toBe(2)
  })

  test('edits in the operator’s editor, and never over a change of somebody else', async () => {
    const editor = folder.file('editor')
    const script = (text: string): void => {
      writeFileSync(editor, `#!/bin/sh\n${text}\n`)
      chmodSync(editor, 0o755)
    }
    const edit = (): Promise<CwRun> => {
      vi.stubEnv('VISUAL', undefined)
      vi.stubEnv('EDITOR', `${editor} --flag`)
      return cw('edit', '--yes')
    }
    script('sed -i s/=300/=600/ "$2"')
    expect((await edit()).exit).toBe(0)
    expect(await shared()).toBe(BASE.replace('=300', '=600'))

    script('echo oops >> "$2"')
    expect((await edit()).exit).toBe(2)
    script('exit 3')
    expect((await edit()).stderr).toContain('COMMAND_FAILED')
    script('true')
    expect((await edit()).stdout).toContain('nothing to do')

    const { revision } = (await etcd.get(configurationKey(SITE, 'shared_config'))) ?? { revision: 0 }
    script(
      `curl -s -k --cert '${folder.file('client.pem')}' -d '${JSON.stringify({
        key: Buffer.from(configurationKey(SITE, 'shared_config')).toString('base64'),
        value: Buffer.from(BASE).toString('base64'),
      })}' ${cluster.origins[0] ?? ''}/v3/kv/put > /dev/null; sed -i s/=600/=900/ "$2"`,
    )
    const late = await edit()
    expect(late.stderr).toContain('CONFIG_CONFLICT')
    expect(await shared()).toBe(BASE)
    expect((await etcd.get(configurationKey(SITE, 'shared_config')))?.revision).toBeGreaterThan(revision)
  })

  test('tells where etcd, the nodes and the deployment file differ', async () => {
    expect((await cw('diff')).stdout).toBe('no differences\n')
    expect((await cw('set', 'scscf=5064', '--yes')).exit).toBe(0)
    b.edit('shared_config', `${BASE}# by hand\n`)
    await b.reports('the drift', ({ files }) => files.shared_config?.drift !== undefined)
    await a.stop()
    const { exit, stdout } = await cw('diff')
    expect(exit).toBe(3)
    expect(stdout.split('\n')).toEqual([
      'a: says nothing: it is down, or its config-manager is',
      'b: shared_config was edited by hand on the node',
      'site1: scscf is 5064 in etcd, not set in the deployment file',
      '',
    ])
  })

  test('works while a minority of etcd is away, and says so when the majority is', async () => {
    await cluster.kill(0)
    expect((await cw('set', 'reg_max_expires=600', '--yes')).exit).toBe(0)

    await cluster.kill(1)
    const { exit, stderr } = await cw('set', 'reg_max_expires=900', '--yes')
    expect(exit).toBe(7)
    expect(stderr).toContain('error ETCD_UNAVAILABLE: etcd cannot do this now: no majority')
    expect(stderr).toContain('changed: nothing')
    expect(a.file('shared_config')).toContain('reg_max_expires=600')

    cluster.run(0)
    cluster.run(1)
    await cluster.serves()
    expect(await shared()).toContain('reg_max_expires=600')
  })
})
