import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deploymentOf, DOMAIN, etcdctl, makeRelease, Operator, told, untilTold } from './deployment.ts'
import { Lab, type CwResult } from './lab/lab.ts'

const ROLES = ['homestead', 'homer', 'ralf', 'ellis', 'sprout', 'bono'] as const
describe('six clean hosts and a spare', () => {
  let lab: Lab
  let operator: Operator
  const deploy = (...args: string[]): Promise<CwResult> => operator.deploy(...args)
  const cw = (...args: string[]): Promise<CwResult> => operator.cw(...args)
  beforeAll(async () => {
    lab = await Lab.start({ hosts: [...ROLES.map(role => ({ name: `${role}-1` })), { name: 'spare' }] })
    const env = { SIGNUP_KEY: 'hunter2 $(touch /pwned)' }
    operator = new Operator(lab, { release: await makeRelease(lab), env })
    operator.write(
      deploymentOf(lab, Object.fromEntries(ROLES.map(role => [`${role}-1`, [role]])), {
        settings: { reg_max_expires: 600 },
        secrets: { signup_key: { env: 'SIGNUP_KEY' } },
      }),
    )
  })
  afterAll(async () => {
    await lab.close()
  })

  test('a dry run says what there is to do, keeps secrets, and changes nothing', async () => {
    const run = await deploy('--dry-run')

    expect(run.code, told(run)).toBe(3)
    expect(run.stdout).toContain('install release')
    expect(run.stdout).toContain('found the etcd cluster with 4 other voters')
    expect(run.stdout).toContain('+signup_key=<redacted>')
    expect(told(run)).not.toContain('hunter2')
    for (const host of lab.hosts) {
      expect(await host.must('ls -d /opt/clearwater /etc/clearwater 2>/dev/null || echo none')).toBe('none\n')
    }
  })

  test('cw deploy makes a deployment of them', { timeout: 600_000 }, async () => {
    const began = performance.now()
    const run = await deploy('--yes')
    console.log(`lab: first deploy in ${((performance.now() - began) / 1000).toFixed(1)} s`)

    expect(run.code, told(run)).toBe(0)
    expect(run.stdout).toMatch(/call\s.*sprout-1|sprout-1.*call/)
    for (const host of lab.hosts) {
      const units = await host.must(
        'systemctl list-units --plain --no-legend "clearwater-*" | cut -d" " -f1,3',
      )
      const role = host.name.replace(/-\d+$/, '')
      if (role !== 'spare') expect(units).toContain(`clearwater-${role}.service`)
      expect(units).toContain('clearwater-config-manager.service')
      expect(await host.must('systemctl is-system-running')).toBe('running\n')
      expect(await host.must('cat /etc/clearwater/shared_config', { sudo: true })).toContain(
        'reg_max_expires=600',
      )
      expect(await host.must(`getent hosts hs.${DOMAIN}`)).toContain(lab.host('homestead-1').address)
      expect((await host.run('ls /pwned')).code).not.toBe(0)
    }
  })

  test('etcd lets nobody in who has no certificate, and no account of a node but root has one', async () => {
    const host = lab.host('homestead-1')
    const url = `https://${host.address}:4000/v3/kv/range`
    const ask = `curl -s -S -k -d '{"key":"AA==","range_end":"AA=="}'`
    const stranger = await host.run(`${ask} ${url}`)
    expect(stranger.code, stranger.stdout).not.toBe(0)
    expect((await host.run(`${ask} ${url.replace('https', 'http')}`)).stdout).not.toContain('kvs')
    for (const file of ['client.pem', 'etcd.pem', 'authority.pem']) {
      expect((await host.run(`cat /etc/clearwater/tls/${file}`)).code).not.toBe(0)
    }
    const root = await host.must(`${ask} --cert /etc/clearwater/tls/client.pem ${url}`, { sudo: true })
    expect(root).toContain('kvs')
    // A client is no member, to the members.
    const peer = await host.run(
      `${ask} --cert /etc/clearwater/tls/client.pem ${url.replace('4000', '2380')}`,
      {
        sudo: true,
      },
    )
    expect(peer.code, peer.stdout).not.toBe(0)
    expect((await lab.host('spare').run('ls /etc/clearwater/tls/authority.pem')).code).not.toBe(0)
  })

  test('its journal tells what was done, here and in etcd', async () => {
    const run = await cw('history', '--json')
    const { operations } = (
      JSON.parse(run.stdout) as { result: { operations: { outcome: string; id: string }[] } }
    ).result

    expect(operations).toMatchObject([{ operation: 'deploy', outcome: 'done' }])
    const [operation] = operations
    const journal = `/clearwater/operations/journal/${operation?.id ?? ''}/`
    const inEtcd = await etcdctl(lab.host('homestead-1'), `get --prefix ${journal} --print-value-only`)
    expect(inEtcd).toContain('"event":"operation.ended"')
  })

  test('a second deploy finds nothing to do', async () => {
    const run = await deploy('--yes')
    expect(run, told(run)).toMatchObject({ code: 0, stdout: 'nothing to do\n' })

    const dry = await deploy('--dry-run')
    expect(dry, told(dry)).toMatchObject({ code: 0, stdout: 'nothing to do\n' })
  })

  test('a hand-edited file is told of and left alone, until its overwriting is asked for', async () => {
    const host = lab.host('sprout-1')
    await host.must('echo "# by hand" >> /etc/clearwater/local_config', { sudo: true })

    const run = await deploy('--yes')
    expect(run.code, told(run)).toBe(8)
    expect(run.stderr).toContain('sprout-1: /etc/clearwater/local_config is edited by hand')
    expect(await host.must('cat /etc/clearwater/local_config')).toContain('# by hand')

    const forced = await deploy('--yes', '--overwrite-drift')
    expect(forced.code, told(forced)).toBe(0)
    expect(await host.must('cat /etc/clearwater/local_config')).not.toContain('# by hand')
    expect(await host.must('cat /etc/clearwater/local_config.*.dpkg-old')).toContain('# by hand')
  })

  test('a host that is off is told; the others are seen to', async () => {
    await lab.host('ralf-1').kill()
    const run = await deploy('--yes')

    expect(run.code, told(run)).toBe(5)
    expect(run.stderr).toContain('ralf-1')
    await lab.host('ralf-1').boot()
    const again = await deploy('--yes')
    expect(again, told(again)).toMatchObject({ code: 0, stdout: 'nothing to do\n' })
  })

  test(
    'a host that lost its disk becomes what it was, etcd member and all',
    { timeout: 600_000 },
    async () => {
      await lab.host('homer-1').reset()
      const run = await deploy('--yes')

      expect(run.code, told(run)).toBe(0)
      expect(run.stderr).toContain('join the etcd cluster in place of its lost self')
      const again = await deploy('--yes')
      expect(again, told(again)).toMatchObject({ code: 0, stdout: 'nothing to do\n' })
      const members = await etcdctl(lab.host('homer-1'), 'member list')
      expect(members.trim().split('\n')).toHaveLength(5)
      expect(members).not.toContain('unstarted')
    },
  )

  test('cw destroy takes it all away again, and asks for the name', { timeout: 600_000 }, async () => {
    const refused = await cw('destroy', '--confirm', 'another')
    expect(refused.code, told(refused)).toBe(8)

    const run = await cw('destroy', '--confirm', 'lab')
    expect(run.code, told(run)).toBe(0)
    for (const host of lab.hosts) {
      expect(await host.must('systemctl list-units --plain --no-legend "clearwater-*"')).toBe('')
      const left =
        'ls -d /etc/clearwater /var/lib/clearwater /opt/clearwater /usr/bin/cw 2>/dev/null || echo none'
      expect(await host.must(left)).toBe('none\n')
      expect(await host.must('grep -c clearwater /etc/hosts || true')).toBe('0\n')
    }
  })

  test('while one operator deploys, another is told whose turn it is', { timeout: 900_000 }, async () => {
    const first = operator.startDeploy()
    await untilTold(first, 'base/release')

    const second = await deploy('--yes')
    expect(second.code, told(second)).toBe(6)
    expect(second.stderr).toMatch(/cw deploy of \S+@\S+ works on this deployment since/)

    // Ctrl-C: what has begun is finished, nothing new is begun.
    first.signal('SIGINT')
    expect(await first.exited).toMatchObject({ code: 5 })
    expect(first.stderr).toMatch(/error INTERRUPTED: .* steps of \S+ left/)
    expect(first.stderr).toContain('do the rest: cw resume')
  })

  test(
    'from cw init, killed half-way and resumed, to calls through every node',
    { timeout: 900_000 },
    async () => {
      rmSync(operator.file)
      const addressOf = (name: string): string => lab.host(name).address
      const init = await cw(
        ...['init', '--name', 'lab', '--domain', DOMAIN, '--ssh-user', 'ops', '--identity-file', lab.sshKey],
        ...ROLES.flatMap(role => [`--${role}`, addressOf(`${role}-1`)]),
        ...['--spare', addressOf('spare')],
      )
      expect(init.code, told(init)).toBe(0)
      const written = readFileSync(operator.file, 'utf8')
      writeFileSync(
        operator.file,
        written.replace('  # jump:', `  known_hosts: ${lab.knownHosts}\n  # jump:`),
      )
      const check = await cw('check')
      expect(check.code, told(check)).toBe(0)

      const child = operator.startDeploy()
      await untilTold(child, 'etcd/membership')
      child.signal('SIGKILL')
      await child.exited

      const run = await cw('resume', '--yes')
      expect(run.code, told(run)).toBe(0)
      const verify = await cw('verify', '--json')
      expect(verify.code, told(verify)).toBe(0)
      for (const role of ROLES) expect(verify.stdout).toContain(`"${role}-1"`)
      const again = await deploy('--yes')
      expect(again, told(again)).toMatchObject({ code: 0, stdout: 'nothing to do\n' })
      const folder = join(lab.home, '.local/state/clearwater/lab/operations')
      expect(readFileSync(join(folder, `${(await lastOperation(cw)).id}.jsonl`), 'utf8')).toContain(
        'operation.resumed',
      )
    },
  )
})

async function lastOperation(cw: (...args: string[]) => Promise<CwResult>): Promise<{ readonly id: string }> {
  const { stdout } = await cw('history', '--json', '--local')
  const [last] = (JSON.parse(stdout) as { result: { operations: { id: string }[] } }).result.operations
  if (last === undefined) throw new Error('there is no operation')
  return last
}
