import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, connect, type AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Fleet, type FleetNode, type FleetOptions } from '../../cli/fleet/fleet.ts'
import { mustRun, type NodeShell } from '../../cli/fleet/ssh/shell.ts'
import { processTree } from '../support/processes.ts'
import { makeKey, Sshd, ThrowAwayUser } from '../support/sshd.ts'
import { TempDir } from '../support/temp-dir.ts'
import { waitUntil } from '../support/wait.ts'

const isRoot = process.getuid?.() === 0

/** What a talkative host says before any command, on both outputs. */
const NOISE = 'echo "Welcome! You have mail."; printf "no line end"; echo "last login: never" >&2\n'

describe('on a node', () => {
  let dir: TempDir
  let key: { file: string; publicLine: string }
  let sshd: Sshd
  let shell: NodeShell
  let fleet: Fleet

  beforeAll(async () => {
    dir = new TempDir('ssh')
    key = makeKey(dir.file('id'))
    sshd = await Sshd.start({ authorized: [key.publicLine] })
    writeFileSync(dir.file('known_hosts'), sshd.knownHosts())
    fleet = fleetOf([nodeOf(sshd)])
    shell = fleet.shell('a')
  })
  afterAll(async () => {
    await fleet.close()
    await sshd[Symbol.asyncDispose]()
    dir[Symbol.dispose]()
  })

  function nodeOf(server: Sshd, user?: string): FleetNode {
    const ssh = { identityFile: key.file, knownHosts: dir.file('known_hosts') }
    return server.node('a', user === undefined ? ssh : { ...ssh, user })
  }

  function fleetOf(nodes: readonly FleetNode[], options: FleetOptions = {}): Fleet {
    return new Fleet(nodes, { home: dir.path, agentSocket: undefined, ...options })
  }

  describe('a command', () => {
    test('gets its arguments as they are, and its code comes back', async () => {
      const hostile = ["it's", '$(id)', '`id`', 'a\nb', '"', '\\', '*', '', '!!', 'ü€\u{1f4de}']
      expect(await shell.run(['printf', '<%s>', ...hostile])).toEqual({
        code: 0,
        stdout: hostile.map(each => `<${each}>`).join(''),
        stderr: '',
      })
      expect(await shell.script('echo "$2" >&2; exit "$1"', ['7', 'why'])).toEqual({
        code: 7,
        stdout: '',
        stderr: 'why\n',
      })
      expect((await shell.run(['no-such-program'])).code).toBe(127)
      await expect(mustRun(shell, ['ls', '/no/such/folder'])).rejects.toMatchObject({
        code: 'COMMAND_FAILED',
        detail: { where: { host: 'a' }, why: expect.stringContaining('No such file') as unknown },
      })
    })

    test('that a signal ends has 128 + its number as code', async () => {
      expect((await shell.run(['sh', '-c', 'kill -TERM $$'])).code).toBe(143)
      expect((await shell.script('kill -KILL $$')).code).toBe(137)
    })

    test('shows neither a script nor its input to other users', async () => {
      const script = 'cat > /dev/null; : top-secret-word; tr "\\0" " " < /proc/$$/cmdline'
      const { stdout } = await shell.script(script, ['hidden-argument'], { stdin: 'password' })
      expect(stdout).toContain('/bin/sh')
      expect(stdout).not.toMatch(/secret|hidden|password/)
    })

    test('may print very much, of which as much is kept as was asked for', async () => {
      const all = await shell.run(['head', '-c', '30000000', '/dev/zero'], { maxOutput: 40_000_000 })
      expect(all.stdout.length).toBe(30_000_000)
      expect(all.truncated).toBeUndefined()

      const some = await shell.run(['head', '-c', '30000000', '/dev/zero'], { maxOutput: 1000 })
      expect(some).toMatchObject({ code: 0, truncated: true })
      expect(some.stdout.length).toBe(1000)
    })

    test('may read very much', async () => {
      const bytes = randomBytes(40_000_000)
      const expected = createHash('sha256').update(bytes).digest('hex')
      expect((await shell.run(['sha256sum'], { stdin: bytes })).stdout).toContain(expected)
      const stream = Readable.from([bytes.subarray(0, 1_000_000), bytes.subarray(1_000_000)])
      expect((await shell.run(['sha256sum'], { stdin: stream })).stdout).toContain(expected)
    })

    test('that does not read its input is no error', async () => {
      expect((await shell.run(['true'], { stdin: randomBytes(10_000_000) })).code).toBe(0)
    })

    test('tells its lines as they come', async () => {
      const lines: string[] = []
      const folder = dir.file('go')
      const running = shell.script(
        'echo first; while [ ! -e "$1" ]; do sleep 0.05; done; printf last >&2',
        [folder],
        {
          onLine: (line, stream) => lines.push(`${stream}: ${line}`),
        },
      )
      await waitUntil('the first line', () => lines.length === 1)
      mkdirSync(folder)
      await running
      expect(lines).toEqual(['stdout: first', 'stderr: last'])
    })

    test('may be one of many at the same time', async () => {
      const numbers = Array.from({ length: 60 }, (_, index) => `${index}`)
      const outcomes = await Promise.all(numbers.map(number => shell.run(['echo', number])))
      expect(outcomes.map(each => each.stdout)).toEqual(numbers.map(number => `${number}\n`))
      expect(sshd.log.match(/Accepted publickey/g)).toHaveLength(1)
    })

    test('is given up at its deadline, and when it is told to', async () => {
      await expect(shell.run(['sleep', '60'], { deadlineMs: 300 })).rejects.toMatchObject({
        code: 'COMMAND_DEADLINE',
        exitCode: 9,
        detail: { changed: 'some' },
      })
      const stop = new AbortController()
      const running = shell.run(['sleep', '60'], { signal: stop.signal })
      stop.abort(new Error('Ctrl-C'))
      await expect(running).rejects.toThrow('Ctrl-C')
      expect((await shell.run(['echo', 'still here'])).stdout).toBe('still here\n')
    })
  })

  describe('a file', () => {
    // Both ways: by SFTP, and by a shell as it is done with sudo.
    describe.each([{ sudo: false }, { sudo: true }])('with %o', options => {
      test.skipIf(options.sudo && !isRoot)(
        'is written in one step, with its mode, and read again',
        async () => {
          const path = dir.file(`it's a "file" ${options.sudo ? 1 : 2}`)
          const bytes = randomBytes(300_000)
          expect(await shell.read(path, options)).toBeUndefined()

          await shell.write(path, bytes, { mode: 0o640, ...options })
          const inode = statSync(path).ino
          expect(statSync(path).mode & 0o7777).toBe(0o640)
          expect((await shell.read(path, options))?.equals(bytes)).toBe(true)

          await shell.write(path, 'ünlike', { mode: 0o600, ...options })
          expect(statSync(path).ino).not.toBe(inode)
          expect((await shell.read(path, options))?.toString()).toBe('ünlike')
          await shell.write(path, '', { mode: 0o600, ...options })
          expect(await shell.read(path, options)).toEqual(Buffer.alloc(0))
        },
      )

      test.skipIf(options.sudo && !isRoot)('that cannot be written leaves nothing behind', async () => {
        const folder = dir.file(`folder${options.sudo ? 1 : 2}`)
        mkdirSync(`${folder}/taken/inside`, { recursive: true })
        await expect(shell.write(`${folder}/taken`, 'x', { mode: 0o600, ...options })).rejects.toMatchObject({
          code: 'COMMAND_FAILED',
          detail: { changed: 'nothing' },
        })
        await expect(shell.write(`${folder}/none/x`, 'x', { mode: 0o600, ...options })).rejects.toMatchObject(
          {
            code: 'COMMAND_FAILED',
          },
        )
        expect(readdirSync(folder)).toEqual(['taken'])
        await expect(shell.read(folder, options)).rejects.toMatchObject({ code: 'COMMAND_FAILED' })
      })
    })

    test.skipIf(!isRoot)('is given its owner', async () => {
      await shell.write(dir.file('owned'), 'x', { mode: 0o600, owner: 'nobody:daemon', sudo: true })
      expect(statSync(dir.file('owned')).uid).not.toBe(0)
    })

    test('is uploaded with progress; a missing one is told before anything is sent', async () => {
      const bytes = randomBytes(20_000_000)
      writeFileSync(dir.file('release'), bytes)
      const progress: number[] = []
      await shell.upload(dir.file('release'), dir.file('uploaded'), {
        mode: 0o644,
        onProgress: sent => progress.push(sent),
      })
      expect(readFileSync(dir.file('uploaded')).equals(bytes)).toBe(true)
      expect(progress.at(-1)).toBe(bytes.length)
      await expect(shell.upload(dir.file('gone'), '/tmp/x', { mode: 0o644 })).rejects.toMatchObject({
        code: 'FILE_UNREADABLE',
      })
    })

    test('that shrinks while it is uploaded does not replace the old one', async () => {
      writeFileSync(dir.file('old'), 'old')
      const shrinking = shell.upload('/proc/self/status', dir.file('old'), { mode: 0o644 })
      // Its size is said to be 0, and then there are bytes.
      await expect(shrinking).rejects.toMatchObject({ code: 'COMMAND_FAILED' })
      expect(readFileSync(dir.file('old'), 'utf8')).toBe('old')
    })
  })

  test('a port is reached through a local one', async () => {
    const server = createServer(socket => socket.pipe(socket))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const forward = await shell.forward('127.0.0.1', (server.address() as AddressInfo).port)

    const socket = connect(forward.port, '127.0.0.1')
    socket.end('there and back')
    expect(await text(socket)).toBe('there and back')

    await forward.close()
    server.close()
    const closed = await shell.forward('127.0.0.1', 1)
    const refused = connect(closed.port, '127.0.0.1')
    refused.on('error', () => undefined)
    expect(await text(refused).catch(() => '')).toBe('')
    await closed.close()
  })

  describe.skipIf(!isRoot)('that is cut off or dead', () => {
    /** A server of its own, and a shell on it that notices soon. */
    async function breakable(work: (shell: NodeShell, server: Sshd) => Promise<void>): Promise<void> {
      await using server = await Sshd.start({ authorized: [key.publicLine] })
      writeFileSync(dir.file('known_hosts'), sshd.knownHosts() + server.knownHosts())
      await using own = fleetOf([nodeOf(server)], {
        timing: { keepaliveMs: 200, keepaliveCount: 3, handshakeMs: 1500 },
      })
      await own.open()
      // The login is over before the server has made the process that serves it.
      await own.shell('a').run(['true'])
      await work(own.shell('a'), server)
    }
    const sessions = (server: Sshd): number[] => processTree(server.pid).slice(1)

    test('a command under way fails, a mere look is tried again, and the next one logs in anew', async () => {
      await breakable(async (broken, server) => {
        const cut = async (options: { idempotent?: boolean }): Promise<unknown> => {
          const flag = dir.file('begun')
          rmSync(flag, { force: true })
          const running = broken.script('[ -e "$1" ] && exit 5; : > "$1"; sleep 60', [flag], options)
          const outcome = running.catch((error: unknown) => error)
          await waitUntil('the command to begin', () => existsSync(flag))
          for (const pid of sessions(server)) process.kill(pid, 'SIGKILL')
          return outcome
        }
        expect(await cut({})).toMatchObject({ code: 'NODE_UNREACHABLE', detail: { changed: 'some' } })
        expect(await cut({ idempotent: true })).toMatchObject({ code: 5 })
        expect((await broken.run(['echo', 'back'])).stdout).toBe('back\n')
      })
    })

    test('a frozen host is noticed under a command, and does not hang a login or the end', async () => {
      await breakable(async (broken, server) => {
        const frozen = sessions(server)
        for (const pid of [...frozen, server.pid]) process.kill(pid, 'SIGSTOP')
        try {
          await expect(broken.run(['true'])).rejects.toMatchObject({ code: 'NODE_UNREACHABLE' })
          await expect(broken.run(['true'])).rejects.toMatchObject({
            code: 'NODE_UNREACHABLE',
            detail: { changed: 'nothing' },
          })
        } finally {
          // Else nobody would ever see the end of them.
          for (const pid of [...frozen, server.pid]) process.kill(pid, 'SIGCONT')
        }
      })
    })

    test('a host that goes away while a file is being written keeps the old one', async () => {
      await breakable(async (broken, server) => {
        const folder = dir.file('cut')
        mkdirSync(folder)
        writeFileSync(`${folder}/file`, 'old')
        writeFileSync(dir.file('large'), Buffer.alloc(200_000_000))
        const writing = broken.upload(dir.file('large'), `${folder}/file`, {
          mode: 0o600,
          onProgress: () => {
            for (const pid of processTree(server.pid).slice(1)) {
              if (readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('sshd')) process.kill(pid, 'SIGKILL')
            }
          },
        })
        await expect(writing).rejects.toMatchObject({ code: 'NODE_UNREACHABLE' })
        expect(readFileSync(`${folder}/file`, 'utf8')).toBe('old')
        await waitUntil('the unfinished file to be tidied up', () => readdirSync(folder).length === 1)
      })
    })
  })

  describe.skipIf(!isRoot)('whose user', () => {
    async function as(
      user: ThrowAwayUser,
      work: (shell: NodeShell) => Promise<void>,
      config: readonly string[] = [],
    ): Promise<void> {
      await using server = await Sshd.start({ authorized: [key.publicLine], config })
      writeFileSync(dir.file('known_hosts'), sshd.knownHosts() + server.knownHosts())
      await using own = fleetOf([nodeOf(server, user.name)])
      await work(own.shell('a'))
    }

    test.each([
      ['/bin/bash', { '.bashrc': NOISE, '.profile': NOISE }],
      ['/usr/bin/fish', { '.config/fish/config.fish': NOISE }],
      ['/usr/bin/tcsh', { '.cshrc': 'echo "Welcome!"; printf "no line end"\n' }],
      ['/bin/dash', {}],
    ])('logs in with %s is served as any other', async (login, files) => {
      using user = new ThrowAwayUser('u', login, files)
      const config = ['Subsystem sftp /usr/lib/openssh/sftp-server', 'PrintMotd yes']
      await as(
        user,
        async talkative => {
          expect(await talkative.run(['printf', '%s|', "it's", '$HOME', '!!'])).toEqual({
            code: 0,
            stdout: "it's|$HOME|!!|",
            stderr: '',
          })
          expect(await talkative.script('cat; echo "$1" >&2; exit 3', ['ü'], { stdin: 'in' })).toEqual({
            code: 3,
            stdout: 'in',
            stderr: 'ü\n',
          })
          await talkative.write(`${user.home}/file`, 'text', { mode: 0o600 })
          expect((await talkative.read(`${user.home}/file`))?.toString()).toBe('text')
          expect(await talkative.read(`${user.home}/none`)).toBeUndefined()
          await expect(talkative.read('/etc/shadow')).rejects.toMatchObject({ code: 'COMMAND_FAILED' })
        },
        config,
      )
    })

    test('has no shell is told so', async () => {
      using user = new ThrowAwayUser('n', '/usr/sbin/nologin')
      await as(user, async refused => {
        await expect(refused.run(['true'])).rejects.toMatchObject({
          code: 'COMMAND_FAILED',
          detail: { why: 'This account is currently not available.', changed: 'nothing' },
        })
      })
    })

    test('may use sudo without a password becomes root, with input and output untouched', async () => {
      using user = new ThrowAwayUser('s', '/usr/bin/fish', { '.config/fish/config.fish': NOISE })
      const rule = `/etc/sudoers.d/${user.name}`
      writeFileSync(rule, `${user.name} ALL=(ALL:ALL) NOPASSWD: ALL\nDefaults:${user.name} use_pty\n`, {
        mode: 0o440,
      })
      try {
        await as(user, async admin => {
          const bytes = randomBytes(5_000_000)
          expect((await admin.run(['id', '-un'])).stdout).toBe(`${user.name}\n`)
          expect(await admin.run(['id', '-un'], { sudo: true })).toEqual({
            code: 0,
            stdout: 'root\n',
            stderr: '',
          })
          expect(
            await admin.run(['sh', '-c', 'echo "$1" >&2; exit 1', 'sh', "it's"], { sudo: true }),
          ).toEqual({
            code: 1,
            stdout: '',
            stderr: "it's\n",
          })
          expect((await admin.run(['sha256sum'], { sudo: true, stdin: bytes })).stdout).toContain(
            createHash('sha256').update(bytes).digest('hex'),
          )
          await admin.write(dir.file('by-root'), bytes, { mode: 0o600, owner: 'nobody', sudo: true })
          expect((await admin.read(dir.file('by-root'), { sudo: true }))?.equals(bytes)).toBe(true)
          expect(await admin.read('/etc/no-such-file', { sudo: true })).toBeUndefined()
          expect((await admin.run(['kill', '-9', '0'], { sudo: true })).code).toBe(137)
        })
      } finally {
        rmSync(rule)
      }
    })

    test('is asked for a password by sudo, or may not use it, is refused in words', async () => {
      using user = new ThrowAwayUser('p', '/bin/bash', { '.bashrc': NOISE })
      const rule = `/etc/sudoers.d/${user.name}`
      try {
        await as(user, async mere => {
          const refused = {
            code: 'SUDO_REFUSED',
            exitCode: 8,
            detail: { where: { host: 'a' }, why: 'sudo: a password is required', changed: 'nothing' },
          }
          await expect(mere.run(['true'], { sudo: true })).rejects.toMatchObject(refused)
          writeFileSync(rule, `${user.name} ALL=(ALL:ALL) ALL\n`, { mode: 0o440 })
          await expect(mere.run(['true'], { sudo: true })).rejects.toMatchObject(refused)
          await expect(mere.write('/etc/x', 'x', { mode: 0o600, sudo: true })).rejects.toMatchObject(refused)
          expect((await mere.run(['true'])).code).toBe(0)
        })
      } finally {
        rmSync(rule, { force: true })
      }
    })
  })
})
