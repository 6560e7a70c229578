import { spawn, type ChildProcess } from 'node:child_process'
import { within } from './wait.ts'

export interface ChildOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** All that it can read from standard input. */
  readonly stdin?: string
  /** Soft and hard limit of open files inside the child; absent: as inherited. */
  readonly openFiles?: number
  /** What the kernel sends the child when its parent is gone; KILL unless the child must tidy up its own. */
  readonly deathSignal?: 'KILL' | 'TERM'
}

export interface ChildExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** What a child has printed is kept up to this many characters a stream; older text goes first. */
const KEPT_OUTPUT = 1_000_000

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/**
 * One process started by a test: its output is collected, and it never outlives the test.
 *
 * The kernel kills it when its parent dies (`setpriv --pdeathsig`), so that an aborted run leaves nothing behind.
 */
export class Child implements AsyncDisposable {
  readonly command: string
  readonly exited: Promise<ChildExit>
  readonly #process: ChildProcess
  #stdout = ''
  #stderr = ''
  #exit: ChildExit | undefined

  constructor(command: string, args: readonly string[], options: ChildOptions = {}) {
    this.command = [command, ...args].join(' ')
    const argv = ['setpriv', '--pdeathsig', options.deathSignal ?? 'KILL', command, ...args]
    if (options.openFiles !== undefined) argv.unshift('prlimit', `--nofile=${options.openFiles}`)
    const [program = '', ...rest] = argv
    this.#process = spawn(program, rest, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    // A child that ends early need not have read everything.
    this.#process.stdin?.on('error', () => undefined).end(options.stdin)
    running.add(this.#process)
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout = (this.#stdout + text).slice(-KEPT_OUTPUT)
    })
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-KEPT_OUTPUT)
    })
    this.exited = new Promise<ChildExit>((resolve, reject) => {
      this.#process.once('error', reject)
      this.#process.once('close', (code, signal) => {
        running.delete(this.#process)
        this.#exit = { code, signal }
        resolve(this.#exit)
      })
    })
    // Whoever awaits `exited` gets the error; nobody has to.
    this.exited.catch(() => undefined)
  }

  get pid(): number {
    const pid = this.#process.pid
    if (pid === undefined) throw new Error(`${this.command} was not started`)
    return pid
  }

  get stdout(): string {
    return this.#stdout
  }

  get stderr(): string {
    return this.#stderr
  }

  /** How it ended, or `undefined` while it runs. */
  get exit(): ChildExit | undefined {
    return this.#exit
  }

  /** Waits for its end; in vain, it is told what it has said so far. */
  async end(what: string, patienceMs: number): Promise<ChildExit> {
    try {
      return await within(what, this.exited, patienceMs)
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new Error(`${why}; it has said:\n${this.#stdout}\n${this.#stderr}`, { cause })
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** Ends the process: SIGTERM (or what is asked for) first, SIGKILL when it does not obey in time. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', patienceMs = 10_000): Promise<ChildExit> {
    if (this.#exit) return this.#exit
    this.#process.kill(signal)
    try {
      return await this.end(this.command, patienceMs)
    } catch (error) {
      this.#process.kill('SIGKILL')
      await this.exited
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#exit) return
    this.#process.kill('SIGKILL')
    await this.exited.catch(() => undefined)
  }
}
