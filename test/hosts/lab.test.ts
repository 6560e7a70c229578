import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CORE_PORTS } from '../../lib/config/ports.ts'
import { Baresip } from '../phones/baresip.ts'
import { Child } from '../support/child.ts'
import { DOMAIN, PROJECT } from '../support/core.ts'
import { runSipp } from '../support/sipp.ts'
import { provision, subscriber } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'
import { tool } from './lab/command.ts'
import { Lab } from './lab/lab.ts'
import type { Host } from './lab/host.ts'

const MIB = 1024 * 1024

describe('a lab', () => {
  let lab: Lab
  let one: Host
  let two: Host
  let small: Host
  beforeAll(async () => {
    lab = await Lab.start({
      hosts: [{ name: 'one' }, { name: 'two' }, { name: 'small', diskBytes: 24 * MIB }],
    })
    one = lab.host('one')
    two = lab.host('two')
    small = lab.host('small')
  })
  beforeEach(async () => {
    await lab.boot()
  })
  afterAll(async () => {
    await lab.close()
  })

  test('has hosts that are real: systemd runs, and the operator becomes root by sudo', async () => {
    for (const host of lab.hosts) {
      const seen = await host.must('systemctl is-system-running; hostname; id -un; sudo -n id -un')
      expect(seen).toBe(`running\n${host.name}\nops\nroot\n`)
    }
  })

  test('gives each host an identity of its own', async () => {
    const identities = await Promise.all(
      lab.hosts.map(host => host.must('cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub')),
    )
    expect(new Set(identities).size).toBe(lab.hosts.length)
  })

  test('reaches no other network, and neither do its hosts', async () => {
    expect(await one.must('ip -4 -o route show default')).toContain(lab.addresses[0])
    const outside = await one.run('ping -c 1 -W 1 192.0.2.2')
    expect(outside.code).not.toBe(0)
  })

  test('lets a host install Debian packages', async () => {
    const install = 'apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y memcached'
    await one.must(install, { sudo: true, patienceMs: 180_000 })

    expect(await one.must('systemctl is-active memcached')).toBe('active\n')
  })

  test('gives words with quotes, variables and line breaks to a host as they are', async () => {
    const hostile = `it's $(id) "\\ \n;`
    const { code, stdout } = await two.run('cat', { stdin: hostile, sudo: true })
    expect({ code, stdout }).toEqual({ code: 0, stdout: hostile })
  })

  test('boots a killed host again with its disk and without its memory', async () => {
    await one.must('echo kept >/home/ops/note; echo lost >/run/user-note', { sudo: true })

    await one.kill()
    expect((await one.run('true')).code).toBe(255)
    await one.boot()

    expect(await one.must('cat /home/ops/note; ls /run/user-note 2>&1 || true')).toMatch(
      /^kept\n.*No such file/,
    )
    expect(await one.must('systemctl is-active memcached')).toBe('active\n')
  })

  test('keeps console and journal of what a host did before it was killed', async () => {
    await two.must('logger -t witness seen before the end; journalctl --sync', { sudo: true })
    await two.kill()

    expect(await two.journal()).toContain('seen before the end')
    expect(two.console).toContain('Welcome to')
    await two.boot()
  })

  test('starts a host again that reboots itself', async () => {
    const started = 'cut -d" " -f22 /proc/1/stat'
    const before = await two.must(started)
    await two.run('systemctl reboot', { sudo: true })

    await waitUntil(
      'the host to have rebooted',
      async () => {
        const now = await two.run(started)
        return now.code === 0 && now.stdout !== before
      },
      60_000,
    )
    await two.ready()
  })

  test('unplugs a host and plugs it in again: its processes live through it', async () => {
    const marker = await two.must(
      'systemd-run --quiet --unit=marker sleep 1000; systemctl show -P MainPID marker',
      {
        sudo: true,
      },
    )
    await two.unplug()
    expect(await reaches(one, two)).toBe(false)
    await two.plug()

    await waitUntil('the host to be back', () => reaches(one, two))
    expect(await two.must('systemctl show -P MainPID marker')).toBe(marker)
  })

  test('pauses a host, which answers nothing until it is resumed', async () => {
    await two.pause()
    await expect(two.run('true', { patienceMs: 2000 })).rejects.toThrow('in vain')
    await two.resume()

    expect(await two.must('echo awake')).toBe('awake\n')
  })

  test('kills a paused host and boots it again', async () => {
    await two.pause()
    await two.kill()
    await two.boot()

    expect(await two.must('systemctl is-system-running')).toBe('running\n')
  })

  test('cuts two hosts from each other and from nobody else', async () => {
    expect(await reaches(one, two)).toBe(true)
    await lab.cut(one, two)

    expect(await reaches(one, two)).toBe(false)
    expect(await reaches(two, one)).toBe(false)
    expect(await reaches(one, small)).toBe(true)
    expect(await two.must('echo here')).toBe('here\n')

    await lab.heal()
    expect(await reaches(one, two)).toBe(true)
  })

  test('cuts one way only when asked to', async () => {
    expect(await reaches(one, two)).toBe(true)
    const before = { one: await pingsSeenBy(one), two: await pingsSeenBy(two) }
    await lab.cut(one, two, { oneWay: true })

    expect(await reaches(one, two)).toBe(false)
    expect(await reaches(two, one)).toBe(false)
    expect(await pingsSeenBy(two)).toBe(before.two)
    expect(await pingsSeenBy(one)).toBeGreaterThan(before.one)
    await lab.heal()
  })

  test('gives a host a small disk that fills up', async () => {
    const filled = await small.run('head -c 100M /dev/zero >/home/ops/big')
    expect(filled.code).not.toBe(0)
    expect(filled.stderr).toContain('No space left')

    await small.must('rm /home/ops/big; echo fits >/home/ops/little')
    await small.kill()
    await small.boot()
    expect(await small.must('cat /home/ops/little')).toBe('fits\n')
  })

  test('gives hosts a fresh disk at a reset, and their old host keys', async () => {
    await lab.reset()

    expect((await one.run('systemctl cat memcached')).code).not.toBe(0)
    expect(await small.must('ls /home/ops')).toBe('')
  })

  test('runs cw as an operator with a home of his own', async () => {
    const { code, stdout } = await lab.cw(['--version'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('clearwater/') as string })
    expect(readdirSync(lab.home)).toEqual([])
  })

  test('lets cw and baresip stand outside of the hosts, at addresses of their own', async () => {
    const [, core = '', phone = ''] = lab.addresses
    const folder = ['--data-dir', join(lab.home, 'core'), '--domain', DOMAIN]
    await using up = lab.startCw(['up', '--bind', core, ...folder, '--json'])
    await waitUntil('the core to be ready', () => up.stdout.includes('"ready"'))
    await provision(CORE_PORTS.provisioning, subscriber('alice'))

    await using alice = await Baresip.start({
      identity: subscriber('alice'),
      transport: 'udp',
      proxyAddress: core,
      proxyPort: CORE_PORTS.client,
      localAddress: phone,
      melody: [0],
    })
    expect(alice.identity.user).toBe('alice')
  })

  test('lets SIPp call from outside to a host', async () => {
    const scenario = join(PROJECT, 'test/hosts/scenarios/options.xml')
    const echo = [
      'import socket',
      's=socket.socket(2,2); s.bind(("",5060)); d,a=s.recvfrom(9999); h,_,_=d.partition(b"\\r\\n\\r\\n")',
      'l=[x for x in h.split(b"\\r\\n")[1:] if not x.startswith((b"Max-",b"Content-"))]',
      's.sendto(b"\\r\\n".join([b"SIP/2.0 200 OK",*l,b"Content-Length: 0",b"",b""]),a)',
    ].join('\n')
    const answering = one.run('python3 -', { stdin: echo })
    const result = await runSipp({
      scenario,
      target: `${one.address}:5060`,
      localAddress: lab.addresses[1]!,
      localPort: 5060,
      calls: 1,
    })

    expect(result.exitCode, result.summary).toBe(0)
    expect((await answering).code).toBe(0)
  })
})

describe('a lab that follows another', () => {
  test('removes what the other has left behind, and leaves nothing itself', async () => {
    const lab = join(import.meta.dirname, 'lab', 'lab.ts')
    const script = `
      const { Lab } = await import(${JSON.stringify(lab)})
      await Lab.start({ hosts: 1 })
      process.kill(process.pid, 'SIGKILL')
    `
    await using aborted = new Child(process.execPath, ['--input-type=module', '-e', script])
    expect(await aborted.exited, aborted.stderr).toEqual({ code: null, signal: 'SIGKILL' })
    expect(await tool('ip', 'netns')).not.toBe('')

    const next = await Lab.start({ hosts: 2, layer: 'services' })
    expect(await next.hosts[0]?.must('command -v etcd')).toBe('/usr/bin/etcd\n')
    await next.close()

    expect(existsSync(join(next.home, '..'))).toBe(false)
    expect(await tool('ip', 'netns')).toBe('')
    expect(await tool('ip', '-brief', 'link')).toMatch(/^lo [^\n]*\n$/)
    expect(await tool('findmnt', '--list', '--output', 'TARGET')).not.toContain('lab/')
  })
})

async function reaches(from: Host, to: Host): Promise<boolean> {
  return (await from.run(`ping -n -c 1 -W 1 ${to.address}`)).code === 0
}

/** Echo requests that have arrived at the host. */
async function pingsSeenBy(host: Host): Promise<number> {
  const table = await host.must('grep ^Icmp: /proc/net/snmp')
  const [names = [], counts = []] = table.split('\n').map(line => line.split(' '))
  return Number(counts[names.indexOf('InEchos')])
}
