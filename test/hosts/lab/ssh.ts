import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Child } from '../../support/child.ts'
import { tool } from './command.ts'

/** The user that hosts let in, with a key, and with sudo that asks for no password. */
export const USER = 'ops'

export interface RunOptions {
  /** Runs as root. */
  readonly sudo?: boolean
  readonly stdin?: string
  readonly patienceMs?: number
}

export interface RunResult {
  /** Exit status of the command; 255 if SSH itself failed. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The operator's side of SSH: a key of this lab, and the keys by which its hosts are known. */
export class Keys {
  readonly privateKey: string
  readonly knownHosts: string
  /** Where all of them are; a host's own key is `host-<name>`. */
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
    this.privateKey = join(folder, 'id_ed25519')
    this.knownHosts = join(folder, 'known_hosts')
  }

  /** Makes the operator's key in this folder, which exists. */
  static async create(folder: string): Promise<Keys> {
    const keys = new Keys(folder)
    await newKey(keys.privateKey, 'ops')
    appendFileSync(keys.knownHosts, '')
    return keys
  }

  get publicKey(): string {
    return readFileSync(`${this.privateKey}.pub`, 'utf8')
  }

  /** Makes a host's key, notes it among the known ones and returns its path; `.pub` stands beside it. */
  async createHostKey(host: string, address: string): Promise<string> {
    const path = join(this.folder, `host-${host}`)
    await newKey(path, host)
    const [type = '', key = ''] = readFileSync(`${path}.pub`, 'utf8').split(' ')
    appendFileSync(this.knownHosts, `${address},${host} ${type} ${key}\n`)
    return path
  }

  /** Runs a line of shell on the host at this address, by the system's OpenSSH. */
  async run(address: string, command: string, options: RunOptions = {}): Promise<RunResult> {
    const { sudo = false, stdin, patienceMs = 60_000 } = options
    const remote = sudo ? `sudo -n sh -c ${quoted(command)}` : command
    await using child = new Child('ssh', [...this.#sshOptions(), `${USER}@${address}`, remote], {
      ...(stdin === undefined ? {} : { stdin }),
    })
    const exit = await child.end(`${command} at ${address}`, patienceMs)
    return { code: exit.code ?? 255, stdout: child.stdout, stderr: child.stderr }
  }

  #sshOptions(): string[] {
    const options = [
      `UserKnownHostsFile=${this.knownHosts}`,
      'GlobalKnownHostsFile=/dev/null',
      'StrictHostKeyChecking=yes',
      'BatchMode=yes',
      'IdentitiesOnly=yes',
      'IdentityAgent=none',
      'LogLevel=ERROR',
      // A host that was killed says nothing more.
      'ConnectTimeout=5',
      'ServerAliveInterval=2',
      'ServerAliveCountMax=3',
    ]
    return ['-F', 'none', '-i', this.privateKey, ...options.flatMap(option => ['-o', option])]
  }
}

/** A word that a shell takes as it is. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

async function newKey(path: string, comment: string): Promise<void> {
  await tool('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', path)
}
