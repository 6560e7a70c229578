import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import type { FleetNode } from '../../cli/fleet/fleet.ts'
import { Child } from './child.ts'
import { freePort } from './ports.ts'
import { TempDir } from './temp-dir.ts'
import { waitUntil } from './wait.ts'

/** A key pair as `ssh-keygen` makes it; `file` is the private half. */
export function makeKey(
  file: string,
  passphrase = '',
  type = 'ed25519',
): { file: string; publicLine: string } {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', 'test key', '-f', file])
  return { file, publicLine: readFileSync(`${file}.pub`, 'utf8') }
}

export interface SshdOptions {
  /** Public key lines that may log in, as anyone. */
  readonly authorized: readonly string[]
  /** Lines of sshd_config; the first word on anything wins, so they win over ours. */
  readonly config?: readonly string[]
  readonly hostKeyTypes?: readonly string[]
}

/** A real OpenSSH server on 127.0.0.1, with a configuration, host keys and a log of its own. */
export class Sshd implements AsyncDisposable {
  readonly port: number
  readonly hostKeys: readonly string[]
  readonly #dir: TempDir
  readonly #child: Child

  private constructor(port: number, hostKeys: readonly string[], dir: TempDir, child: Child) {
    this.port = port
    this.hostKeys = hostKeys
    this.#dir = dir
    this.#child = child
  }

  static async start({ authorized, config = [], hostKeyTypes = ['ed25519'] }: SshdOptions): Promise<Sshd> {
    const dir = new TempDir('sshd')
    chmodSync(dir.path, 0o755)
    // Where sshd locks up its unprivileged half; a package's unit would make it.
    if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
    writeFileSync(dir.file('authorized_keys'), authorized.join(''))
    const hostKeys = hostKeyTypes.map(type => makeKey(dir.file(`host_${type}`), '', type))
    const port = await freePort()
    const lines = [
      ...config,
      'ListenAddress 127.0.0.1',
      `Port ${port}`,
      ...hostKeys.map(({ file }) => `HostKey ${file}`),
      `AuthorizedKeysFile ${dir.file('authorized_keys')}`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'LogLevel VERBOSE',
      ...(config.some(line => line.startsWith('Subsystem')) ? [] : ['Subsystem sftp internal-sftp']),
    ]
    writeFileSync(dir.file('sshd_config'), `${lines.join('\n')}\n`)
    const child = new Child('/usr/sbin/sshd', ['-D', '-e', '-f', dir.file('sshd_config')])
    const sshd = new Sshd(
      port,
      hostKeys.map(key => key.publicLine),
      dir,
      child,
    )
    await waitUntil('sshd to listen', () => {
      if (child.exit) throw new Error(child.stderr)
      return child.stderr.includes('Server listening')
    })
    return sshd
  }

  /** What it has logged so far. */
  get log(): string {
    return this.#child.stderr
  }

  get pid(): number {
    return this.#child.pid
  }

  /** This server as a node of a deployment. */
  node(name: string, ssh: Partial<FleetNode['ssh']> = {}): FleetNode {
    return { name, address: '127.0.0.1', ssh: { user: userInfo().username, port: this.port, ...ssh } }
  }

  /** Lines for known_hosts. */
  knownHosts(): string {
    return this.hostKeys.map(line => `[127.0.0.1]:${this.port} ${line}`).join('')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]()
    this.#dir[Symbol.dispose]()
  }
}

export interface TestUser {
  readonly name: string
  readonly home: string
}

/** A throw-away user of this machine, for tests that run as root; gone with `[Symbol.dispose]`. */
export class ThrowAwayUser implements Disposable, TestUser {
  readonly name: string
  readonly home: string
  readonly #dir: TempDir

  constructor(what: string, shell: string, files: Readonly<Record<string, string>> = {}) {
    this.name = `cwt${process.pid}${what}`
    this.#dir = new TempDir(this.name)
    this.home = this.#dir.path
    execFileSync('useradd', ['-M', '-d', this.home, '-s', shell, '-p', '*', this.name])
    for (const [name, text] of Object.entries(files)) {
      const path = this.#dir.file(name)
      mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true })
      writeFileSync(path, text)
    }
    execFileSync('chown', ['-R', this.name, this.home])
  }

  [Symbol.dispose](): void {
    execFileSync('userdel', ['-f', this.name], { stdio: 'ignore' })
    this.#dir[Symbol.dispose]()
  }
}
