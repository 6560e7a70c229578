import { join } from 'node:path'
import { CORE_PORTS } from '../../lib/config/ports.ts'
import { Child, type ChildExit } from './child.ts'
import { freePortOffset } from './ports.ts'
import { TempDir } from './temp-dir.ts'
import { waitUntil } from './wait.ts'

export const DOMAIN = 'ims.test'
export const PROJECT = join(import.meta.dirname, '..', '..')
const CW = join(PROJECT, 'bin', 'cw')

export interface CoreOptions {
  /** Keeps its data here and leaves it there; absent: in a folder of its own that goes with it. */
  readonly dataDir?: string
  readonly portOffset?: number
  readonly openFiles?: number
  readonly extraArgs?: readonly string[]
}

/** The whole core as users run it: `cw up` in a process of its own. */
export class Core implements AsyncDisposable {
  readonly portOffset: number
  readonly dataDir: string
  /** From the start of the process to its ready line. */
  readonly readyAfterMs: number
  readonly #child: Child
  readonly #ownDir: TempDir | undefined

  private constructor(started: {
    child: Child
    portOffset: number
    dataDir: string
    ownDir: TempDir | undefined
    readyAfterMs: number
  }) {
    this.#child = started.child
    this.portOffset = started.portOffset
    this.dataDir = started.dataDir
    this.#ownDir = started.ownDir
    this.readyAfterMs = started.readyAfterMs
  }

  /** Starts a core and waits until it says that phones may come. */
  static async start(options: CoreOptions = {}): Promise<Core> {
    const portOffset = options.portOffset ?? (await freePortOffset())
    const ownDir = options.dataDir === undefined ? new TempDir('core') : undefined
    const dataDir = options.dataDir ?? ownDir?.path ?? ''
    const begun = performance.now()
    const child = spawnUp({ ...options, portOffset, dataDir })
    try {
      const outcome = await waitUntil('the ready line of cw up', () => {
        return saysReady(child.stdout) ? 'ready' : child.exit && 'ended'
      })
      if (outcome === 'ended') throw new Error(`cw up ended with ${String(child.exit?.code)}`)
    } catch (error) {
      await child[Symbol.asyncDispose]()
      ownDir?.[Symbol.dispose]()
      throw new Error(`cw up did not start:\n${child.stdout}\n${child.stderr}`, { cause: error })
    }
    return new Core({ child, portOffset, dataDir, ownDir, readyAfterMs: performance.now() - begun })
  }

  get pid(): number {
    return this.#child.pid
  }

  get log(): string {
    return this.#child.stderr
  }

  /** How it ended, or `undefined` while it runs. */
  get exit(): ChildExit | undefined {
    return this.#child.exit
  }

  port(name: keyof typeof CORE_PORTS): number {
    return CORE_PORTS[name] + this.portOffset
  }

  /** Ends it as an operator does and returns how it went. The data stay until disposal. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<ChildExit> {
    return await this.#child.stop(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]()
    this.#ownDir?.[Symbol.dispose]()
  }
}

/** Starts `cw up` and waits for nothing: for tests in which it must refuse. */
export function spawnUp(options: CoreOptions & { portOffset: number; dataDir: string }): Child {
  const args = ['up', '--data-dir', options.dataDir, '--domain', DOMAIN, '--bind', '127.0.0.1']
  args.push('--port-offset', `${options.portOffset}`, '--json', ...(options.extraArgs ?? []))
  return new Child(CW, args, options.openFiles === undefined ? {} : { openFiles: options.openFiles })
}

export interface CwResult extends ChildExit {
  readonly stdout: string
  readonly stderr: string
}

/** Runs one `cw` command to its end. */
export async function cw(...args: readonly string[]): Promise<CwResult> {
  await using child = new Child(CW, args)
  const exit = await child.exited
  return { ...exit, stdout: child.stdout, stderr: child.stderr }
}

function saysReady(stdout: string): boolean {
  return stdout.split('\n').some(line => {
    try {
      return (JSON.parse(line) as { event?: unknown }).event === 'ready'
    } catch {
      return false
    }
  })
}
