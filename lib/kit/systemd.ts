import { execFile } from 'node:child_process'
import { millis, type Clock } from './clock.ts'
import type { Log } from './log.ts'

/** What a service tells the manager that started it (sd_notify(3)). Nothing here fails: telling is best effort. */
export interface Supervisor {
  /** The service does its work. */
  ready(status: string): Promise<void>
  /** It reads its configuration again; `ready` ends that. */
  reloading(): Promise<void>
  /** It has begun to stop. */
  stopping(status: string): Promise<void>
  /** Says every third of the watchdog's time that all is well, as long as `isAlive` says so. */
  watch(isAlive: () => Promise<boolean>): void
  close(): void
}

export interface SupervisorOptions {
  readonly clock: Clock
  readonly log: Log
  readonly environment?: NodeJS.ProcessEnv
  /** Tells systemd these assignments. */
  readonly notify?: (assignments: readonly string[]) => Promise<void>
}

const NOTIFY_WITHIN_MS = 5000

/**
 * The systemd that started this process as a unit of `Type=notify` with `NotifyAccess=all`; without one (no
 * `NOTIFY_SOCKET`) nobody is told.
 *
 * Messages go by the program systemd-notify, since Node cannot send datagrams to a unix socket.
 */
export function openSupervisor(options: SupervisorOptions): Supervisor {
  const environment = options.environment ?? process.env
  const told = environment.NOTIFY_SOCKET !== undefined && environment.NOTIFY_SOCKET !== ''
  return told ? new Systemd(options, watchdogMicroseconds(environment)) : NOBODY
}

const NOBODY: Supervisor = {
  ready: () => Promise.resolve(),
  reloading: () => Promise.resolve(),
  stopping: () => Promise.resolve(),
  watch: () => undefined,
  close: () => undefined,
}

class Systemd implements Supervisor {
  readonly #clock: Clock
  readonly #log: Log
  readonly #notify: (assignments: readonly string[]) => Promise<void>
  readonly #watchdogUs: number | undefined
  /** In order: systemd must not hear of an end before the beginning. */
  #last: Promise<void> = Promise.resolve()
  #closed = false

  constructor(options: SupervisorOptions, watchdogUs: number | undefined) {
    this.#clock = options.clock
    this.#log = options.log
    this.#notify = options.notify ?? systemdNotify
    this.#watchdogUs = watchdogUs
  }

  ready(status: string): Promise<void> {
    return this.#tell('READY=1', `STATUS=${oneLine(status)}`)
  }

  reloading(): Promise<void> {
    return this.#tell('RELOADING=1')
  }

  stopping(status: string): Promise<void> {
    return this.#tell('STOPPING=1', `STATUS=${oneLine(status)}`)
  }

  watch(isAlive: () => Promise<boolean>): void {
    if (this.#watchdogUs === undefined) return
    const interval = millis(Math.max(50, this.#watchdogUs / 3000))
    const look = async (): Promise<void> => {
      const alive = await isAlive().catch(() => false)
      if (this.#closed) return
      if (alive) await this.#tell('WATCHDOG=1')
      else this.#log.error('this daemon does not answer itself; systemd restarts it if that goes on')
      this.#clock.after(interval, () => void look())
    }
    void look()
  }

  close(): void {
    this.#closed = true
  }

  #tell(...assignments: readonly string[]): Promise<void> {
    this.#last = this.#last
      .then(() => this.#notify(assignments))
      .catch((error: unknown) => {
        this.#log.warn('systemd could not be told', { assignments, error })
      })
    return this.#last
  }
}

/** Only if it is meant for this process: a child inherits the variables. */
function watchdogMicroseconds(environment: NodeJS.ProcessEnv): number | undefined {
  const { WATCHDOG_USEC: time, WATCHDOG_PID: pid } = environment
  if (time === undefined || !/^[1-9]\d*$/.test(time)) return undefined
  return pid === undefined || pid === String(process.pid) ? Number(time) : undefined
}

function oneLine(status: string): string {
  return status.replace(/\s+/g, ' ')
}

function systemdNotify(assignments: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('systemd-notify', [...assignments], { timeout: NOTIFY_WITHIN_MS }, error => {
      if (error === null) resolve()
      else reject(new Error('systemd-notify failed', { cause: error }))
    })
  })
}
