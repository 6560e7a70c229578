import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import {
  closeSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { basename, join } from 'node:path'
import { waitUntil } from '../../support/wait.ts'
import { attempt, tool } from './command.ts'
import { HostGroups } from './cgroup.ts'
import { connectHost, disconnectHost, hostAddress, setCable } from './network.ts'
import type { Keys, RunOptions, RunResult } from './ssh.ts'

/** systemd-nspawn's exit status when the host asked to be started again. */
const REBOOT = 133

const BOOT_PATIENCE_MS = 60_000

export interface HostSpec {
  readonly name: string
  /** Size of its disk; absent: as much as the machine has. What the image holds does not count. */
  readonly diskBytes?: number
}

/** A Debian host with systemd, sshd and sudo: its own files, network, address and processes. */
export class Host {
  readonly name: string
  readonly address: string
  readonly #index: number
  readonly #spec: HostSpec
  readonly #layers: readonly string[]
  readonly #keys: Keys
  /** Everything of this host that is a file. */
  readonly #folder: string
  readonly #machineId = randomUUID().replaceAll('-', '')
  #groups: HostGroups | undefined
  #process: ChildProcess | undefined

  /** @param index from 1; gives the address */
  constructor(spec: HostSpec, index: number, layers: readonly string[], keys: Keys, folder: string) {
    this.name = spec.name
    this.address = hostAddress(index)
    this.#index = index
    this.#spec = spec
    this.#layers = layers
    this.#keys = keys
    this.#folder = folder
  }

  /** Its place on the lab's bridge. */
  get index(): number {
    return this.#index
  }

  /** True from boot to kill or power off; a paused or unplugged host is on as well. */
  get isOn(): boolean {
    return this.#process !== undefined
  }

  /** Its files as the machine sees them. Read them; what is written here is written behind the host's back. */
  get root(): string {
    return join(this.#folder, 'root')
  }

  /** Prepares its disk, as bare as the image. Called once by the lab. */
  async create(): Promise<void> {
    mkdirSync(this.root, { recursive: true })
    mkdirSync(this.#disk)
    const { diskBytes } = this.#spec
    if (diskBytes !== undefined) {
      await tool('mount', '-t', 'tmpfs', '-o', `size=${diskBytes},mode=755`, this.name, this.#disk)
    }
    await this.#mountRoot()
    await this.#individualise(await this.#keys.createHostKey(this.name, this.address))
  }

  /** Powers the host on and waits until systemd says `running` and SSH lets the operator in. */
  async boot(): Promise<void> {
    await this.powerOn()
    await this.ready()
  }

  /** Powers the host on; it is ready some seconds later. */
  async powerOn(): Promise<void> {
    if (this.isOn) throw new Error(`${this.name} is on already`)
    await connectHost(this.name, this.#index)
    this.#groups = new HostGroups(this.name)
    const child = this.#spawn(this.#groups)
    this.#process = child
    child.once('close', code => {
      if (this.#process !== child) return
      this.#process = undefined
      if (code === REBOOT) void this.#powerCycle()
    })
  }

  /** Waits until systemd has finished starting, and fails unless it says `running`. */
  async ready(): Promise<void> {
    await waitUntil(`${this.name} to answer SSH`, () => this.#greetsOverSsh(), BOOT_PATIENCE_MS)
    const state = await waitUntil(
      `${this.name} to have started`,
      async () => {
        const { code, stdout } = await this.run('systemctl is-system-running --wait')
        return code !== 255 && stdout.trim() !== '' && stdout.trim()
      },
      BOOT_PATIENCE_MS,
    )
    if (state === 'running') return
    const { stdout } = await this.run('systemctl --failed --no-legend --plain')
    throw new Error(`${this.name} is ${state}: ${stdout.trim()}`)
  }

  /** Pulls the power plug: nobody is told, nothing is written, all processes are gone at once. */
  async kill(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    // Otherwise the kernel would end the host's connections politely.
    if (child) await setCable(this.#index, 'down')
    const ended =
      child && child.exitCode === null && child.signalCode === null ? once(child, 'close') : undefined
    await this.#groups?.kill()
    this.#groups = undefined
    await ended
    await disconnectHost(this.name, this.#index)
  }

  /** Stops all its processes in their tracks: it still holds its connections and answers to nothing. */
  async pause(): Promise<void> {
    await this.#groups?.freeze(true)
  }

  async resume(): Promise<void> {
    await this.#groups?.freeze(false)
  }

  async unplug(): Promise<void> {
    await setCable(this.#index, 'down')
  }

  async plug(): Promise<void> {
    await setCable(this.#index, 'up')
  }

  /** Gives the host a fresh disk, as after {@link create}, and boots it. It keeps its SSH host key. */
  async reset(): Promise<void> {
    await this.kill()
    await tool('umount', this.root)
    for (const part of ['upper', 'work']) rmSync(join(this.#disk, part), { recursive: true, force: true })
    await this.#mountRoot()
    await this.#individualise(join(this.#keys.folder, `host-${this.name}`))
    await this.boot()
  }

  /** Kills the host and lets go of its disk. */
  async destroy(): Promise<void> {
    await this.kill()
    await attempt('umount', this.root)
    await attempt('umount', this.#disk)
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Runs a line of shell as the operator, over SSH. */
  async run(command: string, options?: RunOptions): Promise<RunResult> {
    return await this.#keys.run(this.address, command, options)
  }

  /** Like {@link run}, for what has to work: returns what it printed, and fails with what it complained about. */
  async must(command: string, options?: RunOptions): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, options)
    if (code === 0) return stdout
    throw new Error(`${this.name}: ${command} ended with ${code}\n${stdout}\n${stderr}`)
  }

  /** What the host has printed on its console since the lab began. */
  get console(): string {
    const file = join(this.#folder, 'console.log')
    return existsSync(file) ? readFileSync(file, 'utf8') : ''
  }

  /** The journal on its disk, over all boots; the host need not be on. */
  async journal(): Promise<string> {
    return await tool(
      'journalctl',
      '--no-pager',
      '-o',
      'short-precise',
      '-D',
      join(this.root, 'var/log/journal'),
    )
  }

  /** Writes console, journal and the logs of daemons to files in this folder. */
  async saveLogs(folder: string): Promise<void> {
    mkdirSync(folder, { recursive: true })
    for (const log of globSync('var/log/*/*.log', { cwd: this.root }))
      copyFileSync(join(this.root, log), join(folder, `${this.name}.${basename(log)}`))
    writeFileSync(join(folder, `${this.name}.console.log`), this.console)
    const journal = await this.journal().catch((error: unknown) => String(error))
    writeFileSync(join(folder, `${this.name}.journal.log`), journal)
  }

  get #disk(): string {
    return join(this.#folder, 'disk')
  }

  async #powerCycle(): Promise<void> {
    await this.kill()
    await this.powerOn()
  }

  async #mountRoot(): Promise<void> {
    const [upper, work] = [join(this.#disk, 'upper'), join(this.#disk, 'work')]
    for (const each of [upper, work]) mkdirSync(each, { mode: 0o755 })
    const options = [`lowerdir=${this.#layers.join(':')}`, `upperdir=${upper}`, `workdir=${work}`, 'volatile']
    await tool('mount', '-t', 'overlay', '-o', options.join(','), this.name, this.root)
  }

  async #individualise(hostKey: string): Promise<void> {
    const ssh = join(this.root, 'etc/ssh')
    copyFileSync(hostKey, join(ssh, 'ssh_host_ed25519_key'))
    copyFileSync(`${hostKey}.pub`, join(ssh, 'ssh_host_ed25519_key.pub'))
    writeFileSync(join(this.root, 'etc/machine-id'), `${this.#machineId}\n`)
    writeFileSync(join(this.root, 'etc/hostname'), `${this.name}\n`)
    writeFileSync(join(this.root, 'etc/hosts'), `127.0.0.1 localhost\n127.0.1.1 ${this.name}\n`)
    mkdirSync(join(this.root, 'home/ops/.ssh'), { mode: 0o700 })
    writeFileSync(join(this.root, 'home/ops/.ssh/authorized_keys'), this.#keys.publicKey, { mode: 0o600 })
    await tool('chroot', this.root, 'chown', '-R', 'ops:ops', '/home/ops/.ssh')
  }

  #spawn(groups: HostGroups): ChildProcess {
    const enter = groups.folders.map(folder => join(folder, 'cgroup.procs'))
    const script = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo 0 >"$1"; shift; n=$((n - 1)); done; exec "$@"'
    const nspawn = [
      ...['systemd-nspawn', '--quiet', '--register=no', '--keep-unit', '--boot'],
      ...['-M', this.name, `--hostname=${this.name}`, '-D', this.root],
      `--network-namespace-path=/run/netns/${this.name}`,
      // keepalived and firewalls need the first, etcd and databases like the second.
      '--capability=CAP_NET_ADMIN,CAP_IPC_LOCK',
      ...['--resolv-conf=off', '--timezone=off', '--link-journal=no', '--console=read-only'],
    ]
    const log = openSync(join(this.#folder, 'console.log'), 'a')
    const argv = ['--pdeathsig', 'KILL', 'sh', '-euc', script, 'sh', `${enter.length}`, ...enter, ...nspawn]
    const child = spawn('setpriv', argv, {
      stdio: ['ignore', log, log],
      env: {
        PATH: process.env.PATH,
        SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1',
        SYSTEMD_NSPAWN_API_VFS_WRITABLE: 'network',
      },
    })
    closeSync(log)
    return child
  }

  async #greetsOverSsh(): Promise<boolean> {
    if (!this.isOn) throw new Error(`${this.name} is off:\n${this.console.slice(-2000)}`)
    const socket = connect(22, this.address)
    socket.setTimeout(1000, () => socket.destroy(new Error('no answer')))
    try {
      const [greeting] = (await once(socket, 'data')) as [Buffer]
      return greeting.toString('latin1').startsWith('SSH-')
    } finally {
      socket.destroy()
    }
  }
}
