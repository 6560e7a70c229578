import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Child, type ChildExit } from '../../support/child.ts'
import { PROJECT } from '../../support/core.ts'
import { APT_PROXY_PORT, Relay } from './apt-proxy.ts'
import { removeAllGroups } from './cgroup.ts'
import { attempt, timed, tool } from './command.ts'
import { APT_SOCKET, enteredEnvironment, RUN, type Layer } from './environment.ts'
import { Host, type HostSpec } from './host.ts'
import { addCut, clearCuts, closeNetwork, openBridge, OUTSIDE_ADDRESSES } from './network.ts'
import { Keys } from './ssh.ts'

const FOLDER = join(RUN, 'lab')

export interface LabOptions {
  /** So many hosts, called host1, host2, …; or what each is called and has. */
  readonly hosts: number | readonly HostSpec[]
  /** `base`: a bare Debian. `services`: with the Debian packages of a deployed node, none of them running. */
  readonly layer?: Layer
}

export interface CwOptions {
  readonly stdin?: string
  readonly env?: NodeJS.ProcessEnv
  /** Folder it is started in; absent: the operator's home. */
  readonly cwd?: string
  readonly patienceMs?: number
}

export interface CwResult extends ChildExit {
  readonly stdout: string
  readonly stderr: string
}

const open = new Set<Lab>()

/** Labs that have not been closed: for what has to be done about them whatever a test forgot. */
export function openLabs(): ReadonlySet<Lab> {
  return open
}

/**
 * Real hosts on one bridge, and this process beside them: it reaches them, they reach it and each other, and nobody
 * reaches anything else. There is one lab at a time.
 */
export class Lab implements AsyncDisposable {
  readonly hosts: readonly Host[]
  /** The operator's private key, a file. */
  readonly sshKey: string
  /** The hosts' keys, as OpenSSH keeps them. */
  readonly knownHosts: string
  /** An empty home for an operator's commands. */
  readonly home: string
  /** This process's own addresses on the bridge, for phones and servers of a test; the first is the hosts' gateway. */
  readonly addresses = OUTSIDE_ADDRESSES
  readonly #relay: Relay

  private constructor(hosts: readonly Host[], keys: Keys, relay: Relay) {
    this.hosts = hosts
    this.sshKey = keys.privateKey
    this.knownHosts = keys.knownHosts
    this.home = join(FOLDER, 'home')
    this.#relay = relay
  }

  /**
   * Boots hosts and waits until each is running. What an earlier lab has left behind is removed first.
   *
   * @throws Error if this process is not in a network of its own, or a host does not come up; its console is told
   */
  static async start(options: LabOptions): Promise<Lab> {
    const environment = await enteredEnvironment()
    for (const other of open) await other.close()
    await removeRemains()
    mkdirSync(join(FOLDER, 'home'), { recursive: true, mode: 0o700 })
    await openBridge()
    const relay = await Relay.open({ port: APT_PROXY_PORT, host: OUTSIDE_ADDRESSES[0] }, { path: APT_SOCKET })
    const keys = await Keys.create(FOLDER)
    const layers = environment.layers[options.layer ?? 'base']
    const hosts = specsOf(options.hosts).map((spec, index) => {
      return new Host(spec, index + 1, layers, keys, join(FOLDER, 'hosts', spec.name))
    })
    const lab = new Lab(hosts, keys, relay)
    open.add(lab)
    try {
      await timed(`${hosts.length} hosts running`, async () => {
        await Promise.all(hosts.map(host => host.create()))
        await lab.boot()
      })
      return lab
    } catch (error) {
      const consoles = hosts.map(host => `${host.name}:\n${host.console.slice(-1000)}`)
      await lab.close()
      throw new Error(`the lab did not come up: ${String(error)}\n${consoles.join('\n')}`, { cause: error })
    }
  }

  /** The host of this name. */
  host(name: string): Host {
    const host = this.hosts.find(each => each.name === name)
    if (host === undefined) throw new Error(`the lab has no host ${name}`)
    return host
  }

  /** Boots all hosts that are off. */
  async boot(): Promise<void> {
    await Promise.all(this.hosts.filter(host => !host.isOn).map(host => host.boot()))
  }

  /** Gives every host a fresh disk, boots it, and heals the network. */
  async reset(): Promise<void> {
    await timed('all hosts reset', async () => {
      await this.heal()
      await Promise.all(this.hosts.map(host => host.reset()))
    })
  }

  /** Drops everything between two hosts, or only what goes from the first to the second. */
  async cut(from: Host, to: Host, options: { readonly oneWay?: boolean } = {}): Promise<void> {
    await addCut(from.index, to.index)
    if (options.oneWay !== true) await addCut(to.index, from.index)
  }

  /** Ends all cuts. */
  async heal(): Promise<void> {
    await clearCuts()
  }

  /** Runs one `cw` command to its end, as an operator whose home is {@link home}. */
  async cw(args: readonly string[], options: CwOptions = {}): Promise<CwResult> {
    await using child = this.startCw(args, options)
    const exit = await child.end(child.command, options.patienceMs ?? 300_000)
    return { ...exit, stdout: child.stdout, stderr: child.stderr }
  }

  /** Starts a `cw` command, for tests that end it themselves. */
  startCw(args: readonly string[], options: CwOptions = {}): Child {
    const { SSH_AUTH_SOCK: _, XDG_STATE_HOME: __, XDG_CONFIG_HOME: ___, ...inherited } = process.env
    const env = { ...inherited, HOME: this.home, ...options.env }
    const { stdin, cwd = this.home } = options
    return new Child(join(PROJECT, 'bin', 'cw'), args, {
      cwd,
      env,
      ...(stdin === undefined ? {} : { stdin }),
    })
  }

  /** Writes every host's console and journal to files in this folder. */
  async saveLogs(folder: string): Promise<void> {
    await Promise.all(this.hosts.map(host => host.saveLogs(folder)))
  }

  /** Ends all hosts and removes all that the lab has made. */
  async close(): Promise<void> {
    open.delete(this)
    await this.#relay[Symbol.asyncDispose]()
    await Promise.all(this.hosts.map(host => host.destroy()))
    await removeRemains()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

function specsOf(hosts: number | readonly HostSpec[]): readonly HostSpec[] {
  if (typeof hosts !== 'number') return hosts
  return Array.from({ length: hosts }, (_, index) => ({ name: `host${index + 1}` }))
}

/** Ends and removes whatever is there of any lab, whole or half made. */
async function removeRemains(): Promise<void> {
  await removeAllGroups()
  await closeNetwork()
  const mounts = JSON.parse(await tool('findmnt', '--json', '--list', '--output', 'TARGET')) as {
    filesystems: { target: string }[]
  }
  // The innermost first.
  const targets = mounts.filesystems
    .map(each => each.target)
    .filter(target => target.startsWith(`${FOLDER}/`))
  for (const target of targets.reverse()) await attempt('umount', target)
  rmSync(FOLDER, { recursive: true, force: true })
}
