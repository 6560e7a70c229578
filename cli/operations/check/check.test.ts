import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CwError } from '../../../lib/kit/errors.ts'
import { parsedRequest } from '../../../lib/sip/testing.ts'
import { hostNames, serviceRecords } from '../../fleet/playbook/names.ts'
import type { NodeShell } from '../../fleet/ssh/shell.ts'
import { localShell } from '../../fleet/testing.ts'
import { deploymentOf } from '../testing/deployment.ts'
import { CHECK_CODES, type CheckCode, type Finding } from './catalogue.ts'
import { checkDeployment, type CheckReport } from './check.ts'
import { tryWays, waysFrom } from './port-matrix.ts'
import { zoneFindings, type Lookup } from './zone-check.ts'

const DEPLOYMENT = deploymentOf({ 'bono-1': ['bono'], 'sprout-1': ['sprout'] })
const signal = new AbortController().signal

/** DNS that has exactly what the deployment needs. */
const RIGHT: Lookup = {
  addresses: async name => hostNames(DEPLOYMENT).find(each => each.name === name)?.addresses,
  srv: async name =>
    serviceRecords(DEPLOYMENT)
      .srv.find(each => each.name === name)
      ?.targets.map(
        ({ host }) => `${host}:${serviceRecords(DEPLOYMENT).srv.find(each => each.name === name)!.port}`,
      ),
  naptr: async name =>
    serviceRecords(DEPLOYMENT)
      .naptr.filter(each => each.name === name)
      .map(each => `${each.service} ${each.replacement}`),
}
const EMPTY: Lookup = {
  addresses: async () => undefined,
  srv: async () => undefined,
  naptr: async () => undefined,
}

describe('a check of hosts', () => {
  let root = ''
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'clearwater-check-'))
    mkdirSync(join(root, 'usr/local/bin'), { recursive: true })
    fake('systemctl', 'case "$1" in is-system-running) echo running ;; *) exit 3 ;; esac')
    fake('getent', ':')
    fake('dpkg-query', 'printf installed')
    fake('apt-get', ':')
    fake('apt-config', ':')
    fake('ss', ':')
    fake('df', 'printf "head\\nx 100000000 20000000 80000000 20%% /\\n"')
    fake('uname', `echo ${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}`)
    fake('sudo', 'shift; exec "$@"')
  })
  afterEach(() => {
    rmSync(root, { recursive: true })
  })

  function fake(program: string, text: string): void {
    const file = join(root, 'usr/local/bin', program)
    writeFileSync(file, `#!/bin/sh\n${text}\n`)
    chmodSync(file, 0o755)
  }

  async function check(only?: readonly CheckCode[], shell?: NodeShell): Promise<CheckReport> {
    return checkDeployment({
      deployment: DEPLOYMENT,
      nodes: DEPLOYMENT.nodes.slice(0, 1),
      ...(only === undefined ? {} : { only }),
      fleet: {},
      signal,
      lookup: RIGHT,
      open: () => ({
        shell: name => shell ?? localShell(root, name),
        [Symbol.asyncDispose]: async () => undefined,
      }),
    })
  }

  const bad = ({ findings }: CheckReport): readonly Finding[] =>
    findings.filter(({ result }) => result !== 'ok')

  test('has nothing to say against a good one, and says something about each code', async () => {
    const report = await check()

    // What this machine is, the fakes do not hide: its system, memory and init.
    const own: readonly CheckCode[] = ['OS', 'MEMORY', 'SYSTEMD']
    expect(bad(report).filter(({ code }) => !own.includes(code))).toEqual([])
    expect(report.findings.map(({ code }) => code)).toEqual(CHECK_CODES)
  })

  test('names who holds a port, unless it is one of ours or listens elsewhere', async () => {
    fake(
      'ss',
      String.raw`cat <<'END'
udp UNCONN 0 0 0.0.0.0:5060 0.0.0.0:* users:(("kama lio",pid=999999999,fd=3))
tcp LISTEN 0 4096 127.0.0.1:4000 0.0.0.0:* users:(("local",pid=999999999,fd=3))
tcp LISTEN 0 4096 [::]:22 [::]:* users:(("sshd",pid=999999999,fd=3))
tcp LISTEN 0 4096 *:2380 *:*
END`,
    )

    expect(bad(await check(['PORTS_FREE']))).toEqual([
      {
        ...{ code: 'PORTS_FREE', result: 'no', node: 'bono-1' },
        message: 'held: udp 5060 by kama_lio, tcp 2380 by another program',
      },
    ])
  })

  test('names packages that apt does not have, and sources that do not answer', async () => {
    fake('dpkg-query', 'case "$*" in *etcd-server*) ;; *) printf installed ;; esac')
    fake('apt-cache', 'echo "  Candidate: (none)"')
    fake('apt-get', 'echo http://127.83.0.9:1/debian')

    const findings = bad(await check(['APT', 'PACKAGES']))
    expect(findings[0]).toMatchObject({
      code: 'APT',
      result: 'warning',
      message: 'no answer from 127.83.0.9:1',
    })
    expect(findings[1]).toMatchObject({
      code: 'PACKAGES',
      message: expect.stringContaining('etcd-server') as string,
    })
  })

  test('tells of another kind of processor, a full disk, rivals, and a host without systemd or sudo', async () => {
    fake('uname', 'echo riscv64')
    fake('df', 'printf "head\\nx 100000000 99000000 1000000 99%% /\\n"')
    fake('systemctl', 'case "$*" in "is-active kamailio") echo active ;; *) echo degraded ;; esac')
    fake('id', 'echo 1000')
    fake('sudo', 'exit 1')

    const report = await check(['SUDO', 'ARCH', 'DISK', 'SOFTWARE'])
    expect(report.findings.map(({ code, result, message }) => `${code} ${result}: ${message}`)).toEqual([
      'SUDO no: ops may not become root without a password',
      `ARCH no: its processor is riscv64, and this cw runs on ${process.arch}`,
      'DISK no: 1.0 GiB of 95.4 GiB are free',
      'SOFTWARE warning: kamailio runs there',
    ])
    expect(report.counts).toEqual({ ok: 0, warning: 1, no: 3, unknown: 0 })
  })

  test('tells why a node cannot be reached, and goes on with the others', async () => {
    const gone = {
      node: 'bono-1',
      script: async () => {
        throw new CwError('SSH_AUTH_FAILED', 'bono-1 accepts none of the keys')
      },
    } as unknown as NodeShell

    expect((await check(['REACH'], gone)).findings).toEqual([
      {
        ...{ code: 'REACH', result: 'no', node: 'bono-1' },
        message: 'SSH_AUTH_FAILED: bono-1 accepts none of the keys',
      },
    ])
  })
})

describe('ports between nodes', () => {
  test('are those of the manual’s tables, from those who may come', () => {
    const ways = waysFrom(DEPLOYMENT.nodes[0]!, DEPLOYMENT)
    const ports = ways.map(({ to, protocol, port }) => `${to} ${protocol} ${port}`)

    expect(ports).toContain('sprout-1 tcp 5052')
    expect(ports).toContain('sprout-1 tcp 4000')
    expect(ports).toContain('sprout-1 udp 5054')
    expect(ports).not.toContain('sprout-1 tcp 11211')
    expect(waysFrom(DEPLOYMENT.nodes[1]!, DEPLOYMENT).map(({ port }) => port)).toContain(5058)
  })

  test('are open where somebody listens or the host refuses, and shut where nothing comes back', async () => {
    const root = mkdtempSync(join(tmpdir(), 'clearwater-ways-'))
    mkdirSync(join(root, 'usr/local/bin'), { recursive: true })
    const timeout = join(root, 'usr/local/bin/timeout')
    writeFileSync(timeout, '#!/bin/sh\ncase "$*" in *" 2380") exit 124 ;; esac\nshift; exec "$@"\n')
    chmodSync(timeout, 0o755)
    const listener = createServer(socket => socket.destroy())
    listener.listen(0, '127.83.0.2')
    await once(listener, 'listening')
    const { port } = listener.address() as { port: number }
    const way = (to: string, at: number) =>
      ({ from: 'a', to, protocol: 'tcp', address: '127.83.0.2', port: at, why: 'etcd' }) as const

    try {
      const shell = localShell(root, 'a')
      expect(await tryWays(shell, [way('b', port), way('b', 1)], signal)).toMatchObject([{ result: 'ok' }])
      expect(await tryWays(shell, [way('b', port), way('b', 2380), way('c', 2380)], signal)).toMatchObject([
        { result: 'no', node: 'a', message: 'does not reach b on tcp 2380 (etcd)' },
        { result: 'no', node: 'a', message: 'does not reach c on tcp 2380 (etcd)' },
      ])
    } finally {
      listener.close()
      rmSync(root, { recursive: true })
    }
  })

  test('are tried on IPv6 as well', async () => {
    const root = mkdtempSync(join(tmpdir(), 'clearwater-ways-'))
    const listener = createServer(socket => socket.destroy())
    listener.listen(0, '::1')
    await once(listener, 'listening')
    const { port } = listener.address() as { port: number }
    const way = (protocol: 'tcp' | 'udp', at: number) =>
      ({ from: 'a', to: 'b', protocol, address: '::1', port: at, why: 'SIP' }) as const
    try {
      const ways = [way('tcp', port), way('udp', 1)]
      expect(await tryWays(localShell(root, 'a'), ways, signal)).toMatchObject([
        { result: 'ok', message: '2 ports of others are reached' },
      ])
    } finally {
      listener.close()
      rmSync(root, { recursive: true })
    }
  })

  test('of UDP are open where SIP is answered or the host refuses, and shut where nothing comes back', async () => {
    const root = mkdtempSync(join(tmpdir(), 'clearwater-ways-'))
    const asked: string[] = []
    const answering = createSocket('udp4', (message, from) => {
      asked.push(message.toString())
      answering.send('SIP/2.0 483 Too Many Hops\r\n\r\n', from.port, from.address)
    })
    const silent = createSocket('udp4')
    for (const socket of [answering, silent]) {
      socket.bind(0, '127.83.0.2')
      await once(socket, 'listening')
    }
    const way = (to: string, port: number) =>
      ({ from: 'a', to, protocol: 'udp', address: '127.83.0.2', port, why: 'SIP' }) as const

    try {
      const shell = localShell(root, 'a')
      const { port } = answering.address()
      expect(await tryWays(shell, [way('b', port), way('b', 1)], signal)).toMatchObject([{ result: 'ok' }])
      const [first = ''] = asked
      expect(parsedRequest(first)).toMatchObject({ method: 'OPTIONS' })

      const deaf = silent.address().port
      expect(await tryWays(shell, [way('b', port), way('c', deaf)], signal)).toMatchObject([
        { result: 'no', node: 'a', message: `does not reach c on udp ${deaf} (SIP)` },
      ])
    } finally {
      answering.close()
      silent.close()
      rmSync(root, { recursive: true })
    }
  })
})

describe('the zone', () => {
  const none = new Map()

  test('is right with all records', async () => {
    expect(await zoneFindings(DEPLOYMENT, RIGHT, none)).toMatchObject([{ result: 'ok' }])
  })

  test('that is missing is a warning, since nodes have their names without it', async () => {
    expect(await zoneFindings(DEPLOYMENT, EMPTY, none)).toMatchObject([
      { result: 'warning', message: expect.stringContaining('/etc/hosts') as string },
    ])
  })

  test('that leads elsewhere is a no', async () => {
    const wrong: Lookup = { ...RIGHT, addresses: async () => ['192.0.2.9'] }
    const findings = await zoneFindings(DEPLOYMENT, wrong, none)

    expect(findings).toContainEqual({
      ...{ code: 'DNS', result: 'no' },
      message: 'sprout.ims.test A/AAAA is 192.0.2.9, and should be 127.83.1.2',
    })
  })

  test('is unknown where no server answers', async () => {
    const silent: Lookup = {
      addresses: async () => 'unknown',
      srv: async () => 'unknown',
      naptr: async () => 'unknown',
    }
    expect(await zoneFindings(DEPLOYMENT, silent, none)).toMatchObject([{ result: 'unknown' }])
  })
})
