import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseConfigFile } from '../../lib/config/config-file.ts'
import { waitUntil } from '../support/wait.ts'
import { deploymentOf, etcdctl, makeRelease, Operator, told, untilTold } from './deployment.ts'
import { Lab } from './lab/lab.ts'

const ROLES = { 'core-1': ['sprout', 'homestead'], 'bono-1': ['bono'], 'homer-1': ['homer'] }
const NAMES = Object.keys(ROLES)

describe('three members of etcd', () => {
  let lab: Lab
  let operator: Operator
  const stop = (name: string): Promise<string> =>
    lab
      .host(name)
      .must('systemctl kill -s KILL clearwater-etcd; systemctl stop clearwater-etcd', { sudo: true })
  const start = (name: string): Promise<string> =>
    lab.host(name).must('systemctl start --no-block clearwater-etcd', { sudo: true })
  const onNodes = (option: string): readonly (string | undefined)[] =>
    NAMES.map(name => {
      const text = readFileSync(join(lab.host(name).root, 'etc/clearwater/shared_config'), 'utf8')
      return parseConfigFile(text).values.get(option)
    })
  /** What is set also stands in the deployment file, or they would not be in sync. */
  const inSync = (max_session_expires: number): Promise<unknown> => {
    operator.write(deploymentOf(lab, ROLES, { settings: { max_session_expires } }))
    return waitUntil(
      'all to be in sync',
      async () => {
        const { stdout } = await operator.cw('status', '--json')
        const { result } = JSON.parse(stdout) as { result: { inSync: { verdict: string } } }
        return result.inSync.verdict === 'yes'
      },
      120_000,
    )
  }
  beforeAll(async () => {
    lab = await Lab.start({ hosts: NAMES.map(name => ({ name })), layer: 'services' })
    operator = new Operator(lab, { release: await makeRelease(lab) })
    operator.write(deploymentOf(lab, ROLES))
    const run = await operator.deploy('--yes')
    expect(run.code, told(run)).toBe(0)
  })
  afterAll(async () => {
    await lab.close()
  })

  test('a change whose way is half done when a minority is lost comes to every node', async () => {
    await using change = operator.start(
      'config',
      'set',
      'max_session_expires=1200',
      '--yes',
      '--timeout',
      '120',
    )
    await untilTold(change, /-1 restarts$/m)
    await stop('homer-1')

    expect(await change.exited, told(change)).toMatchObject({ code: 0 })
    expect(onNodes('max_session_expires')).toEqual(['1200', '1200', '1200'])
    await start('homer-1')
    await inSync(1200)
  })

  test('when it is the majority, that is told, and the change goes on once it is back', async () => {
    await using change = operator.start(
      'config',
      'set',
      'max_session_expires=1500',
      '--yes',
      '--timeout',
      '30',
    )
    await untilTold(change, /-1 restarts$/m)
    await Promise.all([stop('homer-1'), stop('bono-1')])

    const { code } = await change.exited
    expect([7, 9], told(change)).toContain(code)
    expect(told(change)).toMatch(/error (ETCD_UNAVAILABLE|ROLLOUT_PENDING)/)
    await Promise.all([start('homer-1'), start('bono-1')])
    await inSync(1500)
    expect(onNodes('max_session_expires')).toEqual(['1500', '1500', '1500'])
  })

  test('when most of it lost their disks, it is not founded anew behind the back of the others', async () => {
    await Promise.all([lab.host('core-1').reset(), lab.host('homer-1').reset()])

    const run = await operator.deploy('--yes')
    expect(run.code, told(run)).toBe(8)
    expect(run.stderr).toContain('error ETCD_LOST')
    expect(run.stderr).toContain('let etcd go on from bono-1: cw recover etcd')
    expect((await lab.host('core-1').run('ls /etc/clearwater')).code).not.toBe(0)
  })

  test('it goes on from the one that is left, with all that was set', { timeout: 600_000 }, async () => {
    const shown = await operator.cw('recover', 'etcd', '--dry-run')
    expect(shown.stdout).toMatch(/^core-1 +without data$/m)
    expect(shown.stdout).toMatch(/^bono-1 +has everything up to change \d+$/m)
    expect(shown.stdout).toContain('etcd goes on from bono-1 alone, then the others join it')

    const run = await operator.recoverEtcd()
    expect(run.code, told(run)).toBe(0)
    expect((await lab.host('bono-1').run('ls /run/systemd/system/clearwater-etcd.service.d')).code).not.toBe(
      0,
    )
    const whole = await operator.recoverEtcd()
    expect(whole, told(whole)).toMatchObject({ code: 0, stdout: 'etcd serves: nothing to recover\n' })
    const again = await operator.deploy('--yes')
    expect(again, told(again)).toMatchObject({ code: 0, stdout: 'nothing to do\n' })
    const members = await etcdctl(lab.host('core-1'), 'member list')
    expect(members.trim().split('\n')).toHaveLength(3)
    expect(members).not.toContain('unstarted')
    await inSync(1500)
    expect(onNodes('max_session_expires')).toEqual(['1500', '1500', '1500'])
  })
})
