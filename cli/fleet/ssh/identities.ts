import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
// ssh2 is CommonJS: its names do not all survive as named imports.
import ssh2, { type AnyAuthMethod, type ParsedKey, type SignCallback, type SigningRequestOptions } from 'ssh2'
import { CwError } from '../../../lib/kit/errors.ts'

/** What `ssh` tries too when no key is named. */
const USUAL_FILES = ['id_ed25519', 'id_ecdsa', 'id_rsa']

/** sshd counts each key that is offered as a try, and closes after six. */
const MAX_OFFERED = 5

const AGENT_DEADLINE_MS = 5_000
const PASSPHRASE_TRIES = 3

/** Asks a person for the passphrase of a key file; `undefined`: nobody there, or given up. */
export type AskPassphrase = (file: string, attempt: number) => Promise<string | undefined>

export interface IdentityOptions {
  /** The socket of an SSH agent, `$SSH_AUTH_SOCK`. */
  readonly agentSocket: string | undefined
  readonly askPassphrase?: AskPassphrase | undefined
  readonly home?: string
}

export interface Credentials {
  readonly methods: readonly AnyAuthMethod[]
  /** What will be offered, for the error when none of it is accepted. */
  readonly offered: readonly string[]
}

interface KeyFile {
  readonly name: string
  readonly content: Buffer
  /** From the `.pub` file beside it. */
  readonly publicKey: Buffer | undefined
}

/** The operator's keys: those in an agent, and key files. Each file is read, and its passphrase asked for, once. */
export class Identities {
  readonly #options: IdentityOptions
  readonly #home: string
  readonly #unlocked = new Map<string, Promise<ParsedKey>>()
  #agent: Promise<readonly ParsedKey[]> | undefined

  constructor(options: IdentityOptions) {
    this.#options = options
    this.#home = options.home ?? homedir()
  }

  /**
   * What to log in with. A named file is the only key offered, by the agent if that has it; without one the agent's
   * keys and the usual files are. SSH_AUTH_FAILED when there is nothing to offer.
   */
  async credentials(username: string, identityFile?: string): Promise<Credentials> {
    const inAgent = await (this.#agent ??= this.#askAgent())
    if (identityFile !== undefined) {
      const path = identityFile.replace(/^~(?=\/)/, this.#home)
      const file = await this.#read(path)
      if (file === undefined) {
        throw new CwError('SSH_AUTH_FAILED', `the SSH key ${path} is not there`, {
          where: { file: path },
          changed: 'nothing',
          remedies: [
            'correct identityFile in the deployment file',
            `make one: ssh-keygen -t ed25519 -f ${path}`,
          ],
        })
      }
      const held = inAgent.find(key => file.publicKey?.equals(key.getPublicSSH()))
      return held
        ? this.#fromAgent(username, [held])
        : this.#fromKeys(username, [[path, await this.#unlock(file)]])
    }
    return this.#usual(username, inAgent)
  }

  async #usual(username: string, inAgent: readonly ParsedKey[]): Promise<Credentials> {
    const agent = this.#fromAgent(username, inAgent.slice(0, MAX_OFFERED))
    const found = await Promise.all(USUAL_FILES.map(name => this.#read(join(this.#home, '.ssh', name))))
    const files = found.filter(
      file => file !== undefined && !inAgent.some(key => file.publicKey?.equals(key.getPublicSSH())),
    ) as KeyFile[]
    const open = files.filter(file => !isLocked(file.content)).slice(0, MAX_OFFERED - agent.offered.length)
    // A passphrase is only asked for when there is no other way.
    const chosen = open.length + agent.offered.length > 0 ? open : files.slice(0, 1)
    const keys = await Promise.all(chosen.map(async file => [file.name, await this.#unlock(file)] as const))
    const own = this.#fromKeys(username, keys)
    if (agent.offered.length + own.offered.length === 0) {
      throw new CwError('SSH_AUTH_FAILED', 'there is no SSH key to log in with', {
        why: `no agent holds one, and ${join(this.#home, '.ssh')} has none`,
        changed: 'nothing',
        remedies: ['name one in the deployment file: ssh.identityFile', 'add one to the agent: ssh-add FILE'],
      })
    }
    return { methods: [...agent.methods, ...own.methods], offered: [...agent.offered, ...own.offered] }
  }

  #fromAgent(username: string, keys: readonly ParsedKey[]): Credentials {
    const socket = this.#options.agentSocket
    if (socket === undefined || keys.length === 0) return { methods: [], offered: [] }
    return {
      methods: [{ type: 'agent', username, agent: new ChosenKeys(socket, keys) }],
      offered: keys.map(key => `${key.comment || key.type} (agent)`),
    }
  }

  #fromKeys(username: string, keys: readonly (readonly [string, ParsedKey])[]): Credentials {
    return {
      methods: keys.map(([, key]) => ({ type: 'publickey', username, key })),
      offered: keys.map(([name]) => name),
    }
  }

  /** An agent that is not there, or does not answer, is as good as an empty one. */
  #askAgent(): Promise<readonly ParsedKey[]> {
    const socket = this.#options.agentSocket
    if (socket === undefined || socket === '') return Promise.resolve([])
    return new Promise(resolve => {
      const timer = setTimeout(() => {
        resolve([])
      }, AGENT_DEADLINE_MS)
      new ssh2.OpenSSHAgent(socket).getIdentities((_error, keys) => {
        clearTimeout(timer)
        // As the library makes them, whatever its types allow.
        resolve((keys ?? []) as ParsedKey[])
      })
    })
  }

  async #read(name: string): Promise<KeyFile | undefined> {
    try {
      const content = await readFile(name)
      const text = await readFile(`${name}.pub`).catch(() => undefined)
      const parsed = text && parse(text)
      return { name, content, publicKey: parsed instanceof Error ? undefined : parsed?.getPublicSSH() }
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw unusable(name, error)
    }
  }

  #unlock(file: KeyFile): Promise<ParsedKey> {
    const unlocked = this.#unlocked.get(file.name) ?? this.#unlockOnce(file)
    this.#unlocked.set(file.name, unlocked)
    return unlocked
  }

  async #unlockOnce({ name, content }: KeyFile): Promise<ParsedKey> {
    let key = parse(content)
    for (
      let attempt = 1;
      isLocked(content) && key instanceof Error && attempt <= PASSPHRASE_TRIES;
      attempt++
    ) {
      const passphrase = await this.#options.askPassphrase?.(name, attempt)
      if (passphrase === undefined) break
      key = parse(content, passphrase)
    }
    if (key instanceof Error) throw unusable(name, key)
    if (!key.isPrivateKey()) throw unusable(name, new Error('this is the public half of a key'))
    return key
  }
}

/** An agent of which only some keys are offered, without asking it again for each host. */
class ChosenKeys extends ssh2.BaseAgent<ParsedKey> {
  readonly #agent: InstanceType<typeof ssh2.OpenSSHAgent>
  readonly #keys: readonly ParsedKey[]

  constructor(socket: string, keys: readonly ParsedKey[]) {
    super()
    this.#agent = new ssh2.OpenSSHAgent(socket)
    this.#keys = keys
  }

  override getIdentities(done: (error: Error | undefined, keys?: ParsedKey[]) => void): void {
    done(undefined, [...this.#keys])
  }

  override sign(
    key: ParsedKey,
    data: Buffer,
    options: SigningRequestOptions | SignCallback,
    done?: SignCallback,
  ): void {
    if (typeof options === 'function') this.#agent.sign(key, data, options)
    else this.#agent.sign(key, data, options, done)
  }
}

function parse(content: Buffer, passphrase?: string): ParsedKey | Error {
  try {
    // Declared as one key, but a file may come out as several.
    const parsed = ssh2.utils.parseKey(content, passphrase) as ParsedKey | Error | ParsedKey[]
    return Array.isArray(parsed) ? (parsed[0] ?? new Error('the file holds no key')) : parsed
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** Whether a key file needs a passphrase. */
function isLocked(content: Buffer): boolean {
  const key = parse(content)
  return key instanceof Error && /encrypted|passphrase/i.test(key.message)
}

function unusable(name: string, cause: unknown): CwError {
  const why = cause instanceof Error ? cause.message : String(cause)
  const locked = /passphrase|encrypted|bad decrypt|integrity/i.test(why)
  return new CwError('SSH_AUTH_FAILED', `the SSH key ${name} cannot be used`, {
    where: { file: name },
    why: locked ? 'its passphrase was not given, or is another one' : why,
    changed: 'nothing',
    remedies: locked
      ? [`unlock it in an agent: ssh-add ${name}`, 'run the command in a terminal, where it can ask']
      : ['name another one in the deployment file: ssh.identityFile'],
    cause,
  })
}
