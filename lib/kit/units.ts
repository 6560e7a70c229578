import { execFile } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'

/** The daemons of this node as its service manager knows them, by their names without `clearwater-`. */
export interface Units {
  /** Those that are to run here, without the ones that follow etcd, and memcached. */
  installed(): Promise<readonly string[]>
  /** Has it read its configuration again; one that does not run reads it when it starts. */
  reload(daemon: string): Promise<void>
  /** Stops and starts it, and returns once it says that it is ready. */
  restart(daemon: string): Promise<void>
  isActive(daemon: string): Promise<boolean>
}

/** Followers restart others, and take their own configuration from etcd; memcached would forget what it was given. */
const LEFT_ALONE = new Set(['config-manager', 'queue-manager', 'cluster-manager', 'memcached'])
const UNIT = /^clearwater-([a-z][a-z-]*)\.service$/
/** A daemon that drains finishes its transactions first. */
const WITHIN_MS = 180_000
const ASK_EVERY_MS = 100

/** Units of systemd; needs the right to manage them. Its methods throw an Error that says what systemctl said. */
export class SystemdUnits implements Units {
  readonly #systemctl: string

  constructor(systemctl = 'systemctl') {
    this.#systemctl = systemctl
  }

  async installed(): Promise<readonly string[]> {
    const listed = await this.#run(
      'list-unit-files',
      '--state=enabled',
      '--no-legend',
      '--plain',
      'clearwater-*.service',
    )
    return listed
      .split('\n')
      .flatMap(line => UNIT.exec(line.split(/\s+/)[0] ?? '')?.[1] ?? [])
      .filter(name => !LEFT_ALONE.has(name))
  }

  async reload(daemon: string): Promise<void> {
    if (await this.#isAtWork(daemon)) await this.#run('reload', unitOf(daemon))
  }

  async restart(daemon: string): Promise<void> {
    // One that has failed too often would be refused.
    await this.#run('reset-failed', unitOf(daemon)).catch(() => undefined)
    await this.#run('restart', unitOf(daemon))
  }

  async isActive(daemon: string): Promise<boolean> {
    return (await this.#run('show', '--property=ActiveState', '--value', unitOf(daemon))).trim() === 'active'
  }

  /**
   * Whether it runs, once that is sure. One that is just starting, or reading again, may have read too early, and
   * systemd would not tell it.
   */
  async #isAtWork(daemon: string): Promise<boolean> {
    const unit = unitOf(daemon)
    const end = performance.now() + WITHIN_MS
    while (performance.now() < end) {
      const shown = await this.#run('show', '--property=ActiveState,SubState', unit)
      if (!/^ActiveState=reloading$|^SubState=start/m.test(shown)) return /^ActiveState=active$/m.test(shown)
      await pause(ASK_EVERY_MS)
    }
    throw new Error(`${unit} has been starting for ${WITHIN_MS / 1000} s`)
  }

  #run(...args: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      execFile(this.#systemctl, args, { timeout: WITHIN_MS }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout)
        else reject(new Error(`systemctl ${args.join(' ')}: ${stderr.trim() || error.message}`))
      })
    })
  }
}

/** @throws Error for what is no name of a daemon: to systemctl it could be a pattern. */
function unitOf(daemon: string): string {
  const unit = `clearwater-${daemon}.service`
  if (!UNIT.test(unit)) throw new Error(`${JSON.stringify(daemon)} is not the name of a daemon`)
  return unit
}
