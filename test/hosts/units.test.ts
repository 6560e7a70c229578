import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { renderTemplate } from '../../cli/fleet/playbook/template.ts'
import { makeBundle } from '../../cli/operations/bundle.ts'
import { formatConfigFile } from '../../lib/config/config-file.ts'
import { TempDir } from '../support/temp-dir.ts'
import { waitUntil } from '../support/wait.ts'
import { tool } from './lab/command.ts'
import type { Host } from './lab/host.ts'
import { Lab } from './lab/lab.ts'

const DAEMONS = [
  'homestead',
  'sprout',
  'bono',
  'homer',
  'ellis',
  'ralf',
  'memento',
  'config-manager',
  'queue-manager',
  'cluster-manager',
] as const

/** Puts a release, the files of a node and all units on a host, as a deployment does over SSH. */
async function install(host: Host, archive: string): Promise<void> {
  const opt = join(host.root, 'opt/clearwater')
  mkdirSync(opt)
  await tool('tar', '-xzf', archive, '-C', opt, '--no-same-owner')
  symlinkSync('/opt/clearwater/clearwater-0.1.0/bin/cw', join(host.root, 'usr/bin/cw'))
  const etc = join(host.root, 'etc/clearwater')
  mkdirSync(etc)
  const write = (file: string, values: Readonly<Record<string, string>>): void => {
    writeFileSync(join(etc, file), formatConfigFile(new Map(Object.entries(values))))
  }
  write('shared_config', {
    home_domain: 'ims.test',
    sprout_hostname: 'sprout.ims.test',
    hs_hostname: `${host.address}:8888`,
  })
  write('local_config', {
    local_ip: host.address,
    public_ip: host.address,
    public_hostname: host.address,
    etcd_cluster: host.address,
  })
  for (const daemon of DAEMONS) {
    const unit = `clearwater-${daemon}.service`
    writeFileSync(join(host.root, 'etc/systemd/system', unit), renderTemplate(`systemd/${unit}`, {}))
  }
  await host.must('useradd --system --home-dir /var/lib/clearwater --shell /usr/sbin/nologin clearwater', {
    sudo: true,
  })
  await host.must('systemctl daemon-reload', { sudo: true })
}

describe('the units of a node', () => {
  let dir: TempDir
  let lab: Lab
  let host: Host
  const show = async (daemon: string, property: string): Promise<string> =>
    (await host.must(`systemctl show --property=${property} --value clearwater-${daemon}`)).trim()

  beforeAll(async () => {
    dir = new TempDir('units')
    const { file } = await makeBundle(dir.path)
    lab = await Lab.start({ hosts: [{ name: 'node' }] })
    host = lab.host('node')
    await install(host, file)
  }, 240_000)
  afterAll(async () => {
    await lab.close()
    dir[Symbol.dispose]()
  })

  test.for(DAEMONS)('%s starts, is ready by its own word, and may do little', async daemon => {
    await host.must(`systemctl start clearwater-${daemon}`, { sudo: true, patienceMs: 90_000 })

    expect(await show(daemon, 'StatusText')).toBe('at work')
    const status = await host.must(`cat /proc/${await show(daemon, 'MainPID')}/status`)
    expect(/^NoNewPrivs:\t(.*)$/m.exec(status)?.[1]).toBe('1')
    const manager = daemon.endsWith('-manager')
    expect(/^Uid:\t(\d+)/m.exec(status)?.[1] === '0').toBe(manager)
    const log = `test -s /var/log/${daemon}/${daemon}.log && echo there`
    if (!manager && daemon === 'sprout') expect(await host.must(log, { sudo: true })).toBe('there\n')
  })

  test('the systemd of the host finds nothing wrong with them', async () => {
    const verdict = await host.run('systemd-analyze verify /etc/systemd/system/clearwater-*.service')

    expect(verdict.stderr).not.toContain('clearwater-')
  })

  test('a reload is answered, and does not restart', async () => {
    const before = await show('sprout', 'MainPID')

    await host.must('systemctl reload clearwater-sprout', { sudo: true })
    await waitUntil('sprout to have read its files', async () => {
      const log = await host.must('cat /var/log/sprout/sprout.log', { sudo: true })
      return log.includes('the configuration was read again')
    })

    await waitUntil('sprout to be active', async () => (await show('sprout', 'ActiveState')) === 'active')
    expect(await show('sprout', 'MainPID')).toBe(before)
  })

  test('a stop is clean', async () => {
    await host.must('systemctl stop clearwater-homer', { sudo: true })

    expect(await show('homer', 'Result')).toBe('success')
  })

  test('one that hangs is restarted', { timeout: 120_000 }, async () => {
    const before = await show('ralf', 'MainPID')

    await host.must(`kill -STOP ${before}`, { sudo: true })

    await waitUntil(
      'systemd to start it again',
      async () =>
        (await show('ralf', 'NRestarts')) === '1' && (await show('ralf', 'ActiveState')) === 'active',
      100_000,
    )
    expect(await show('ralf', 'MainPID')).not.toBe(before)
  })
})
