import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Fleet, type FleetOptions } from '../../cli/fleet/fleet.ts'
import { fingerprintOf } from '../../cli/fleet/ssh/known-hosts.ts'
import { sshArguments } from '../../cli/operations/ssh.ts'
import type { CwError } from '../../lib/kit/errors.ts'
import { Child } from '../support/child.ts'
import { makeKey, Sshd } from '../support/sshd.ts'
import { TempDir } from '../support/temp-dir.ts'
import { waitUntil, within } from '../support/wait.ts'

/** Bytes of the public key in a line `type base64 comment`. */
const keyBytes = (line: string): Buffer => Buffer.from(line.split(' ')[1] ?? '', 'base64')

describe('logging in to a node', () => {
  let keys: TempDir
  let key: { file: string; publicLine: string }
  let locked: { file: string; publicLine: string }
  let sshd: Sshd
  /** The operator's home, fresh for each test. */
  let home: TempDir
  let knownHosts = ''

  beforeAll(async () => {
    keys = new TempDir('keys')
    key = makeKey(keys.file('id'))
    locked = makeKey(keys.file('locked'), 'open sesame')
    sshd = await Sshd.start({
      authorized: [key.publicLine, locked.publicLine],
      hostKeyTypes: ['rsa', 'ecdsa', 'ed25519'],
    })
  })
  afterAll(async () => {
    await sshd[Symbol.asyncDispose]()
    keys[Symbol.dispose]()
  })
  beforeEach(() => {
    home = new TempDir('home')
    knownHosts = home.file('.ssh/known_hosts')
    mkdirSync(home.file('.ssh'))
  })
  afterEach(() => {
    home[Symbol.dispose]()
  })

  /** Logs in as an operator with this home and says who answers; the error otherwise. */
  async function logIn(
    node = sshd.node('a', { identityFile: key.file }),
    options: FleetOptions = {},
  ): Promise<string | CwError> {
    await using fleet = new Fleet([node], { home: home.path, agentSocket: undefined, ...options })
    const { unreachable } = await fleet.open()
    if (unreachable[0]) return unreachable[0].error
    return (await fleet.shell(node.name).run(['echo', 'in'])).stdout
  }

  describe('with keys', () => {
    beforeEach(() => {
      writeFileSync(knownHosts, sshd.knownHosts())
    })

    test('uses a key file that is named', async () => {
      expect(await logIn()).toBe('in\n')
    })

    test('uses the usual key files of the home when none is named', async () => {
      execFileSync('cp', [key.file, home.file('.ssh/id_ed25519')])
      expect(await logIn(sshd.node('a'))).toBe('in\n')
    })

    test('asks once for the passphrase of a key file, for all nodes', async () => {
      const asked: string[] = []
      const nodes = ['a', 'b', 'c'].map(name => sshd.node(name, { identityFile: locked.file }))
      await using fleet = new Fleet(nodes, {
        home: home.path,
        agentSocket: undefined,
        askPassphrase: (file, attempt) => {
          asked.push(`${file} ${attempt}`)
          return Promise.resolve(attempt === 1 ? 'wrong' : 'open sesame')
        },
      })
      expect(await fleet.open()).toMatchObject({
        reached: [{ node: 'a' }, { node: 'b' }, { node: 'c' }],
        unreachable: [],
      })
      expect(asked).toEqual([`${locked.file} 1`, `${locked.file} 2`])
    })

    test('says that a passphrase is missing when nobody can be asked', async () => {
      expect(await logIn(sshd.node('a', { identityFile: locked.file }))).toMatchObject({
        code: 'SSH_AUTH_FAILED',
        detail: { where: { file: locked.file }, changed: 'nothing' },
      })
    })

    test('uses the keys of an agent, of which a named file chooses one', async () => {
      await using agent = new Child('ssh-agent', ['-D', '-a', home.file('agent')])
      await waitUntil('the agent', () => existsSync(home.file('agent')))
      const strangers = Array.from({ length: 7 }, (_, index) => makeKey(home.file(`other${index}`)).file)
      const add = (...files: string[]): void => {
        execFileSync('ssh-add', ['-q', ...files], {
          env: { ...process.env, SSH_AUTH_SOCK: home.file('agent') },
        })
      }
      add(key.file)
      const options = { agentSocket: home.file('agent') }

      expect(await logIn(sshd.node('a'), options)).toBe('in\n')
      execFileSync('ssh-add', ['-q', '-D'], { env: { ...process.env, SSH_AUTH_SOCK: home.file('agent') } })
      add(...strangers)
      // Seven keys, and sshd breaks off after six: none of them is offered beside the file that is named.
      expect(await logIn(undefined, options)).toBe('in\n')
      expect(await logIn(sshd.node('a'), options)).toMatchObject({ code: 'SSH_AUTH_FAILED' })
      expect(agent.exit).toBeUndefined()
    })

    test('goes on with key files when the agent is dead', async () => {
      expect(await logIn(undefined, { agentSocket: home.file('no-agent') })).toBe('in\n')
    })

    test('tells which keys were refused', async () => {
      const stranger = makeKey(home.file('stranger'))
      const error = await logIn(sshd.node('a', { identityFile: stranger.file }))
      expect(error).toMatchObject({
        code: 'SSH_AUTH_FAILED',
        exitCode: 7,
        detail: { where: { host: 'a', address: `127.0.0.1:${sshd.port}` }, why: `offered: ${stranger.file}` },
      })
    })

    test('tells that a key file is not there, or is none', async () => {
      writeFileSync(home.file('rubbish'), 'no key')
      expect(await logIn(sshd.node('a', { identityFile: '~/gone' }))).toMatchObject({
        code: 'SSH_AUTH_FAILED',
        detail: { where: { file: home.file('gone') } },
      })
      expect(await logIn(sshd.node('a', { identityFile: '~/rubbish' }))).toMatchObject({
        code: 'SSH_AUTH_FAILED',
      })
      expect(await logIn(sshd.node('a'))).toMatchObject({ code: 'SSH_AUTH_FAILED' })
    })
  })

  describe('and knowing the host', () => {
    test('refuses a host that is met for the first time when nobody decides', async () => {
      const error = await logIn()
      expect(error).toMatchObject({ code: 'HOST_KEY_UNKNOWN', exitCode: 8, detail: { changed: 'nothing' } })
      expect(existsSync(knownHosts)).toBe(false)
    })

    test('asks, one host at a time, with the fingerprint that ssh-keygen shows', async () => {
      const asked: string[] = []
      let asking = 0
      const nodes = ['a', 'b'].map(name => sshd.node(name, { identityFile: key.file }))
      await using other = await Sshd.start({ authorized: [key.publicLine] })
      await using fleet = new Fleet([...nodes, other.node('c', { identityFile: key.file })], {
        home: home.path,
        agentSocket: undefined,
        confirmHostKey: async ({ port, fingerprint }) => {
          expect(++asking).toBe(1)
          asked.push(`${port} ${fingerprint}`)
          await Promise.resolve()
          asking--
          return true
        },
      })
      expect((await fleet.open()).unreachable).toEqual([])
      const shown = (server: Sshd, line: string | undefined): string =>
        `${server.port} ${fingerprintOf(keyBytes(line ?? ''))}`
      // a and b are the same server, so it is asked about once.
      expect(asked.sort()).toEqual([shown(sshd, sshd.hostKeys[2]), shown(other, other.hostKeys[0])].sort())
      writeFileSync(home.file('key.pub'), other.hostKeys[0] ?? '')
      const printed = execFileSync('ssh-keygen', ['-lf', home.file('key.pub')], { encoding: 'utf8' })
      expect(asked.join()).toContain(printed.split(' ')[1])
    })

    test('takes no for an answer', async () => {
      const error = await logIn(undefined, { confirmHostKey: () => Promise.resolve(false) })
      expect(error).toMatchObject({ code: 'HOST_KEY_UNKNOWN' })
      expect(existsSync(knownHosts)).toBe(false)
    })

    test('--accept-new writes a line that ssh itself accepts, with mode 600', async () => {
      mkdirSync(home.file('other'))
      writeFileSync(knownHosts, '# no line end')
      expect(await logIn(undefined, { acceptNew: true })).toBe('in\n')
      expect(await logIn()).toBe('in\n')

      expect(readFileSync(knownHosts, 'utf8').split('\n')).toHaveLength(3)
      expect(
        await logIn(sshd.node('a', { identityFile: key.file, knownHosts: '~/new/known' }), {
          acceptNew: true,
        }),
      ).toBe('in\n')
      expect(statSync(home.file('new/known')).mode & 0o777).toBe(0o600)
      const options = [
        '-F',
        'none',
        '-o',
        `UserKnownHostsFile=${knownHosts}`,
        '-o',
        'StrictHostKeyChecking=yes',
      ]
      const said = execFileSync(
        'ssh',
        [
          ...options,
          '-o',
          'BatchMode=yes',
          '-i',
          key.file,
          '-p',
          `${sshd.port}`,
          '127.0.0.1',
          'echo',
          'ssh too',
        ],
        { encoding: 'utf8' },
      )
      expect(said).toBe('ssh too\n')
    })

    test('understands lines that OpenSSH has hashed', async () => {
      writeFileSync(knownHosts, sshd.knownHosts())
      execFileSync('ssh-keygen', ['-q', '-H', '-f', knownHosts], { stdio: 'ignore' })
      expect(readFileSync(knownHosts, 'utf8')).toMatch(/^\|1\|/)
      expect(await logIn()).toBe('in\n')
    })

    test.each(['rsa', 'ecdsa', 'ed25519'])(
      'asks a host of many keys for the %s key that is known',
      async type => {
        const line = sshd.hostKeys.find(each => each.includes(type)) ?? ''
        writeFileSync(knownHosts, `[127.0.0.1]:${sshd.port} ${line}`)
        expect(await logIn()).toBe('in\n')
      },
    )

    test('refuses a changed key before anything is sent, and says which line', async () => {
      await using other = await Sshd.start({ authorized: [key.publicLine] })
      const old = makeKey(home.file('old')).publicLine
      writeFileSync(knownHosts, '# first\n\n')
      appendFileSync(knownHosts, `[127.0.0.1]:${other.port} ${old}`)

      const error = await logIn(other.node('a', { identityFile: key.file }), {
        acceptNew: true,
        confirmHostKey: () => Promise.resolve(true),
      })

      expect(error).toMatchObject({
        code: 'HOST_KEY_CHANGED',
        exitCode: 8,
        detail: { where: { host: 'a', file: knownHosts, line: 3 }, changed: 'nothing' },
      })
      const { why, remedies } = (error as CwError).detail
      expect(why).toContain(fingerprintOf(keyBytes(old)))
      expect(why).toContain(fingerprintOf(keyBytes(other.hostKeys[0] ?? '')))
      expect(remedies?.[0]).toContain(`ssh-keygen -R '[127.0.0.1]:${other.port}' -f '${knownHosts}'`)
      await waitUntil('the server to see us go', () => other.log.includes('[preauth]'))
      expect(other.log).not.toMatch(/publickey|user root/)
    })

    test('a host that has lost the key type that is known has changed too', async () => {
      await using other = await Sshd.start({ authorized: [key.publicLine], hostKeyTypes: ['ecdsa'] })
      writeFileSync(knownHosts, `[127.0.0.1]:${other.port} ${makeKey(home.file('old')).publicLine}`)
      expect(await logIn(other.node('a', { identityFile: key.file }), { acceptNew: true })).toMatchObject({
        code: 'HOST_KEY_CHANGED',
      })
    })

    test('refuses a revoked key', async () => {
      writeFileSync(knownHosts, `${sshd.knownHosts()}@revoked * ${sshd.hostKeys[2] ?? ''}`)
      expect(await logIn()).toMatchObject({ code: 'HOST_KEY_CHANGED', detail: { where: { line: 4 } } })
    })
  })

  describe('through a jump host', () => {
    test('reaches nodes over one connection, and checks both hosts', async () => {
      await using jump = await Sshd.start({ authorized: [key.publicLine] })
      writeFileSync(knownHosts, jump.knownHosts() + sshd.knownHosts())
      const nodes = Array.from({ length: 12 }, (_, index) =>
        sshd.node(`n${index}`, { identityFile: key.file, jump: `127.0.0.1:${jump.port}` }),
      )
      await using fleet = new Fleet(nodes, { home: home.path, agentSocket: undefined })
      const { reached, unreachable } = await fleet.open()

      expect(unreachable).toEqual([])
      const outcomes = await Promise.all(reached.map(shell => shell.run(['printenv', 'SSH_CONNECTION'])))
      expect(outcomes.every(each => each.code === 0)).toBe(true)
      expect(jump.log.match(/Accepted publickey/g)).toHaveLength(1)
    })

    test('goes through several in a row, over one connection each', async () => {
      await using outer = await Sshd.start({ authorized: [key.publicLine] })
      await using inner = await Sshd.start({ authorized: [key.publicLine] })
      writeFileSync(knownHosts, outer.knownHosts() + inner.knownHosts() + sshd.knownHosts())
      const jump = `127.0.0.1:${outer.port},127.0.0.1:${inner.port}`
      const nodes = ['a', 'b', 'c'].map(name => sshd.node(name, { identityFile: key.file, jump }))
      await using fleet = new Fleet(nodes, { home: home.path, agentSocket: undefined })
      const { unreachable } = await fleet.open()

      expect(unreachable).toEqual([])
      expect(outer.log.match(/Accepted publickey/g)).toHaveLength(1)
      expect(inner.log.match(/Accepted publickey/g)).toHaveLength(1)

      // `cw ssh` hands over to OpenSSH, which makes connections of its own.
      const node = sshd.node('a', { identityFile: key.file, jump, knownHosts })
      const words = sshArguments(node, ['sh', '-c', 'exit $(printf %s 42)'])
      const ssh = spawn('ssh', ['-F', 'none', '-o', 'BatchMode=yes', ...words], { stdio: 'ignore' })
      expect(await once(ssh, 'close')).toEqual([42, null])
      expect(outer.log.match(/Accepted publickey/g)).toHaveLength(2)
      expect(inner.log.match(/Accepted publickey/g)).toHaveLength(2)
    })

    test('tells of the jump host when that is the trouble', async () => {
      await using jump = await Sshd.start({ authorized: [key.publicLine] })
      writeFileSync(knownHosts, sshd.knownHosts())
      const node = sshd.node('n', { identityFile: key.file, jump: `127.0.0.1:${jump.port}` })
      expect(await logIn(node)).toMatchObject({
        code: 'HOST_KEY_UNKNOWN',
        detail: { where: { host: 'jump host 127.0.0.1' } },
      })
      writeFileSync(knownHosts, jump.knownHosts())
      expect(await logIn({ ...node, ssh: { ...node.ssh, port: 1 } })).toMatchObject({
        code: 'NODE_UNREACHABLE',
        detail: { where: { host: 'n' } },
      })
    })
  })

  describe('that is not well', () => {
    let silent: Server
    beforeEach(async () => {
      writeFileSync(knownHosts, sshd.knownHosts())
      silent = createServer(() => undefined)
      await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
    })
    afterEach(() => {
      silent.close()
    })

    test('tells all nodes that cannot be reached together, and keeps the others', async () => {
      const ssh = { identityFile: key.file }
      const stranger = makeKey(home.file('stranger')).file
      const nodes = [
        sshd.node('well', ssh),
        sshd.node('closed', { ...ssh, port: 1 }),
        sshd.node('silent', { ...ssh, port: (silent.address() as AddressInfo).port }),
        sshd.node('locked', { identityFile: stranger }),
      ]
      await using fleet = new Fleet(nodes, {
        home: home.path,
        agentSocket: undefined,
        timing: { handshakeMs: 1500 },
      })
      const { reached, unreachable } = await fleet.open()

      expect(reached.map(shell => shell.node)).toEqual(['well'])
      expect(unreachable.map(({ node, error }) => [node, error.code])).toEqual([
        ['closed', 'NODE_UNREACHABLE'],
        ['silent', 'NODE_UNREACHABLE'],
        ['locked', 'SSH_AUTH_FAILED'],
      ])
    })

    test('gives up on a name that does not exist, and when told to', async () => {
      const node = { ...sshd.node('a', { identityFile: key.file }), address: 'no-such-host.invalid' }
      expect(await logIn(node)).toMatchObject({ code: 'NODE_UNREACHABLE' })

      await using fleet = new Fleet(
        [sshd.node('silent', { identityFile: key.file, port: (silent.address() as AddressInfo).port })],
        { home: home.path, agentSocket: undefined },
      )
      const stop = new AbortController()
      const opening = fleet.open(stop.signal)
      stop.abort(new Error('Ctrl-C'))
      await expect(opening).rejects.toThrow('Ctrl-C')
      // And at its end there is no waiting for it.
      await within('the end of the fleet', fleet.close(), 5_000)
    })

    test('asks a busy server again that closes before the handshake', async () => {
      await using busy = await Sshd.start({ authorized: [key.publicLine], config: ['MaxStartups 2:100:2'] })
      writeFileSync(knownHosts, busy.knownHosts())
      const nodes = Array.from({ length: 8 }, (_, index) =>
        busy.node(`n${index}`, { identityFile: key.file }),
      )
      await using fleet = new Fleet(nodes, { home: home.path, agentSocket: undefined })
      const { unreachable } = await fleet.open()

      expect(unreachable).toEqual([])
      expect(busy.log).toContain('beginning MaxStartups throttling')
    })
  })
})
