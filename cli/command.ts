import { Command, Errors } from '@oclif/core'
import { CwError, EXIT } from '../lib/kit/errors.ts'
import { asCwError } from './render/failure.ts'
import { printWarning, reportFailure, reportOutcome, type Outcome } from './render/report.ts'

/**
 * A `cw` command: parses its flags, hands them to an operation, and returns what that gave. Everything about output,
 * errors and exit codes happens here, so that all commands keep one contract (docs/cli.md).
 */
export abstract class CwCommand extends Command {
  static override enableJsonFlag = true

  readonly #warnings: string[] = []
  #interruption: AbortController | undefined

  /** Does what the command is for. */
  protected abstract perform(): Promise<Outcome>

  override async run(): Promise<void> {
    try {
      reportOutcome(await this.perform(), this.#warnings, this.jsonEnabled())
    } finally {
      if (this.#interruption !== undefined) process.removeListener('SIGINT', this.#onInterrupt)
    }
  }

  /** Tells of something that deserves a look but stops nothing. */
  protected note(warning: string): void {
    this.#warnings.push(warning)
    if (!this.jsonEnabled()) printWarning(warning)
  }

  /** True where a question can be asked: a person at a terminal, and no program reading along. */
  protected get interactive(): boolean {
    return process.stdin.isTTY && process.stderr.isTTY && !this.jsonEnabled()
  }

  /**
   * Asks whether to go on.
   *
   * @param what is to be confirmed, as the beginning of a sentence
   * @throws CwError NOT_CONFIRMED if the answer is no, or there is nobody to ask
   */
  protected async confirm(
    question: string,
    what: string,
    { shown, remedies = [] }: { readonly shown?: string; readonly remedies?: readonly string[] } = {},
  ): Promise<void> {
    const refusal = new CwError('NOT_CONFIRMED', `${what} was not confirmed`, {
      changed: 'nothing',
      remedies: [...remedies, 'do it without a question: --yes'],
    })
    if (!this.interactive) throw refusal
    if (shown !== undefined) process.stderr.write(`${shown}\n`)
    const { confirm } = await import('@inquirer/prompts')
    if (!(await confirm({ message: question, default: false }, { output: process.stderr }))) throw refusal
  }

  /** Aborts at the first Ctrl-C, which finishes what has begun and starts nothing new; a second one leaves at once. */
  protected get interruption(): AbortSignal {
    if (this.#interruption === undefined) {
      this.#interruption = new AbortController()
      process.on('SIGINT', this.#onInterrupt)
    }
    return this.#interruption.signal
  }

  readonly #onInterrupt = (): void => {
    if (this.#interruption?.signal.aborted === true) process.exit(130)
    this.#interruption?.abort()
    process.stderr.write('\nfinishing what has begun; Ctrl-C again leaves at once\n')
  }

  protected override catch(error: Error): Promise<void> {
    // Else oclif would add that this command forgot to parse, which is what failed.
    this.parsed = true
    if (error instanceof Errors.ExitError) {
      process.exitCode = error.oclif.exit ?? EXIT.done
      return Promise.resolve()
    }
    const flags = Object.keys({ ...this.ctor.baseFlags, ...this.ctor.flags, json: true })
    reportFailure(asCwError(error, { id: this.id ?? '', flags }), this.jsonEnabled(), this.#warnings)
    return Promise.resolve()
  }
}
