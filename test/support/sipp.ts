import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Child } from './child.ts'
import { TempDir } from './temp-dir.ts'
import { within } from './wait.ts'

export interface SippOptions {
  /** Path of the XML scenario. */
  readonly scenario: string
  /** `host:port` of the element under test. */
  readonly target: string
  readonly localPort: number
  /** Where SIPp itself stands; absent: 127.0.0.1. */
  readonly localAddress?: string
  /** `u1` UDP, `t1` TCP, one socket each; `ui` UDP with one socket an address. */
  readonly transport?: 'u1' | 't1' | 'ui'
  /** Lines of the injection file: field0;field1;… */
  readonly rows?: readonly string[]
  /** How rows are taken; SIPp starts again at the top when they run out. */
  readonly rowOrder?: 'SEQUENTIAL' | 'RANDOM'
  /** Calls to make (or to take) before it ends. */
  readonly calls: number
  readonly callsPerSecond?: number
  readonly concurrentCalls?: number
  /** Extra keywords for the scenario: `[name]`. */
  readonly keys?: Readonly<Record<string, string>>
  readonly extraArgs?: readonly string[]
  readonly patienceMs?: number
}

/** What SIPp counted over one run. */
export interface SippResult {
  readonly exitCode: number | null
  readonly successful: number
  readonly failed: number
  readonly retransmissions: number
  readonly unexpectedMessages: number
  /** Calls that were ever open at the same time. */
  readonly elapsedMs: number
  /** What SIPp wrote to its error file; empty when all went well. */
  readonly errors: string
  /** One sentence for a failed assertion: counters, then the first lines of the error file. */
  readonly summary: string
}

/** A SIPp that is running: one side of a scripted flow. */
export class Sipp implements AsyncDisposable {
  readonly #child: Child
  readonly #dir: TempDir
  readonly #options: SippOptions

  constructor(options: SippOptions) {
    this.#options = options
    this.#dir = new TempDir('sipp')
    this.#child = new Child('sipp', this.#arguments(), { cwd: this.#dir.path })
  }

  get pid(): number {
    return this.#child.pid
  }

  /** Waits until SIPp has made all its calls and reads what it counted. */
  async result(): Promise<SippResult> {
    const { scenario, patienceMs = 60_000 } = this.#options
    const exit = await within(`SIPp ${basename(scenario)} to finish`, this.#child.exited, patienceMs)
    const errors = readIfThere(this.#dir.file('errors.log'))
    const counted = parseSippStatistics(readIfThere(this.#dir.file('stat.csv')))
    const result = { exitCode: exit.code, errors, ...counted }
    return { ...result, summary: summarise(scenario, result, this.#child.stderr) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]()
    this.#dir[Symbol.dispose]()
  }

  #arguments(): string[] {
    const {
      scenario,
      target,
      localPort,
      localAddress = '127.0.0.1',
      transport = 'u1',
      rows,
      rowOrder = 'SEQUENTIAL',
      calls,
    } = this.#options
    const args = [
      '-sf',
      scenario,
      '-i',
      localAddress,
      '-p',
      `${localPort}`,
      '-t',
      transport,
      '-m',
      `${calls}`,
    ]
    if (rows) {
      const file = join(this.#dir.path, 'rows.csv')
      writeFileSync(file, [rowOrder, ...rows, ''].join('\n'))
      args.push('-inf', file)
    }
    if (this.#options.callsPerSecond !== undefined) args.push('-r', `${this.#options.callsPerSecond}`)
    if (this.#options.concurrentCalls !== undefined) args.push('-l', `${this.#options.concurrentCalls}`)
    for (const [name, value] of Object.entries(this.#options.keys ?? {})) args.push('-key', name, value)
    args.push('-nostdin', '-trace_stat', '-stf', this.#dir.file('stat.csv'), '-fd', '1')
    args.push('-trace_err', '-error_file', this.#dir.file('errors.log'))
    return [...args, ...(this.#options.extraArgs ?? []), target]
  }
}

/** Runs SIPp to its end. */
export async function runSipp(options: SippOptions): Promise<SippResult> {
  await using sipp = new Sipp(options)
  return await sipp.result()
}

type Counters = Pick<
  SippResult,
  'successful' | 'failed' | 'retransmissions' | 'unexpectedMessages' | 'elapsedMs'
>

/** Reads the cumulative counters from the last line of SIPp's `-trace_stat` file. */
export function parseSippStatistics(csv: string): Counters {
  const [header = '', ...lines] = csv.trim().split('\n')
  const names = header.split(';')
  const values = (lines.at(-1) ?? '').split(';')
  const read = (name: string): number => Number(values[names.indexOf(name)] ?? 'NaN')
  return {
    successful: read('SuccessfulCall(C)'),
    failed: read('FailedCall(C)'),
    retransmissions: read('Retransmissions(C)'),
    unexpectedMessages: read('FailedUnexpectedMessage(C)'),
    elapsedMs: clockMs(values[names.indexOf('ElapsedTime(C)')] ?? ''),
  }
}

/** `00:00:12:345000` (hours, minutes, seconds, microseconds) in milliseconds. */
function clockMs(text: string): number {
  const [hours = NaN, minutes = NaN, seconds = NaN, micros = 0] = text.split(':').map(Number)
  return ((hours * 60 + minutes) * 60 + seconds) * 1000 + micros / 1000
}

function summarise(scenario: string, result: Omit<SippResult, 'summary'>, stderr: string): string {
  const counters = `${result.successful} done, ${result.failed} failed, ${result.retransmissions} retransmissions`
  const errors = (result.errors || stderr).slice(0, 3000)
  return `${basename(scenario)}: exit ${String(result.exitCode)}, ${counters}\n${errors}`
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}
