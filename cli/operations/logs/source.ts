import { PassThrough } from 'node:stream'
import { unitOf, type DaemonOnNode } from '../../../lib/config/deployment/daemons.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import type { NodeShell } from '../../fleet/ssh/shell.ts'
import { LOG_SCRIPT, PAGE_BYTES, PAGES_AHEAD } from './node-script.ts'

/** The longest that a timer can wait: a log is followed until somebody ends it. */
const NO_DEADLINE_MS = 2 ** 31 - 1

export interface LogWindow {
  /** Milliseconds since the epoch. */
  readonly since: number
  readonly until?: number | undefined
  readonly follow: boolean
}

/** A line of a node's log. Without `line` it says only that everything before `micros` has come. */
interface Item {
  readonly micros: number
  readonly line?: string
  readonly bytes: number
}

/** What one node says, in order of time, and no more of it than some pages ahead of its reader. */
export class LogSource {
  readonly node: string
  readonly #queue: Item[] = []
  readonly #credits = new PassThrough()
  #taken = 0
  #ended = false
  #error: CwError | undefined
  #wake: (() => void) | undefined

  constructor(shell: NodeShell, daemons: readonly DaemonOnNode[], window: LogWindow, signal: AbortSignal) {
    this.node = shell.node
    void this.#run(shell, daemons, window, signal)
  }

  /** The next item; `undefined` where there is none yet, or will be none. */
  get head(): Item | undefined {
    return this.#queue[0]
  }

  get ended(): boolean {
    return this.#ended && this.#queue.length === 0
  }

  /** Why it ended before its time. */
  get error(): CwError | undefined {
    return this.#error
  }

  take(): void {
    this.#read(this.#queue.shift()?.bytes ?? 0)
  }

  /** Calls once when there is something new. */
  onNews(wake: () => void): void {
    this.#wake = wake
  }

  async #run(
    shell: NodeShell,
    daemons: readonly DaemonOnNode[],
    { since, until, follow }: LogWindow,
    signal: AbortSignal,
  ): Promise<void> {
    const files = daemons
      .filter(daemon => daemon !== 'etcd')
      .flatMap(name => [name, `/var/log/${name}/${name}.log`])
    const args = [
      `${since}`,
      until === undefined ? '' : `${until}`,
      follow ? '1' : '0',
      `${PAGE_BYTES}`,
      `${PAGES_AHEAD}`,
    ]
    try {
      const { code, stderr } = await shell.script(
        LOG_SCRIPT,
        [...args, ...daemons.map(unitOf), '--', ...files],
        {
          ...{ sudo: true, stdin: this.#credits, signal, deadlineMs: NO_DEADLINE_MS, maxOutput: 4096 },
          onLine: (line, stream) => {
            if (stream === 'stdout') this.#heard(line)
          },
        },
      )
      if (code !== 0) this.#error = failed(this.node, stderr)
    } catch (error) {
      // What an aborted signal throws is the end that was asked for.
      if (!signal.aborted) this.#error = error instanceof CwError ? error : failed(this.node, String(error))
    }
    this.#ended = true
    this.#credits.end()
    this.#wake?.()
  }

  #heard(line: string): void {
    const bytes = Buffer.byteLength(line) + 1
    const [, micros, rest] = /^(\d+) (.*)$/s.exec(line) ?? []
    // A line that was too long to come in one piece goes on in the next.
    if (micros === undefined) return this.#read(bytes)
    this.#queue.push({ micros: Number(micros), bytes, ...(rest === '-' ? {} : { line }) })
    this.#wake?.()
  }

  /** Lets the node go on by as many pages as have been read. */
  #read(bytes: number): void {
    const before = Math.floor(this.#taken / PAGE_BYTES)
    this.#taken += bytes
    const pages = Math.floor(this.#taken / PAGE_BYTES) - before
    if (pages > 0 && !this.#ended) this.#credits.write('\n'.repeat(pages))
  }
}

function failed(node: string, why: string): CwError {
  return new CwError('COMMAND_FAILED', `the logs of ${node} cannot be read`, {
    where: { host: node },
    why: why.trim().split('\n').slice(-3).join(' / '),
    changed: 'nothing',
  })
}
