import type { CwError } from '../../lib/kit/errors.ts'
import { errorEnvelope, okEnvelope } from './envelope.ts'
import { formatError, paintFor } from './error-text.ts'
import { printable, printableScreen } from './printable.ts'

/** What a command hands over to be shown. */
export interface Outcome {
  /** What programs get with `--json`. */
  readonly result: unknown
  /** What people get. Absent: the command has already written it, line by line. */
  readonly text?: string
  /** Why the command fails all the same: `result` is then what was done. */
  readonly error?: CwError
  /** People are not told of the error: they asked for that. Programs and the exit code tell it all the same. */
  readonly quiet?: boolean
}

/** Result to standard output; warnings and errors to standard error, or all of it in one JSON document. */
export function reportOutcome(outcome: Outcome, warnings: readonly string[], json: boolean): void {
  if (json) {
    const { error, result } = outcome
    printJson(error === undefined ? okEnvelope(result, warnings) : errorEnvelope(error, warnings, result))
  } else {
    if (outcome.text !== undefined && outcome.text !== '')
      process.stdout.write(`${printableScreen(outcome.text)}\n`)
    if (outcome.error !== undefined && outcome.quiet !== true) printError(outcome.error)
  }
  if (outcome.error !== undefined) process.exitCode = outcome.error.exitCode
}

/** An error that left no result. */
export function reportFailure(error: CwError, json: boolean, warnings: readonly string[] = []): void {
  if (json) printJson(errorEnvelope(error, warnings))
  else printError(error)
  process.exitCode = error.exitCode
}

/** One JSON line from a command that goes on: an envelope with the event's name in front. */
export function printEvent(event: string, result: unknown): void {
  process.stdout.write(`${JSON.stringify({ event, ...okEnvelope(result, []) })}\n`)
}

export function printWarning(text: string): void {
  process.stderr.write(`${paintFor(process.stderr)('yellow', 'warning')}: ${printable(text)}\n`)
}

function printError(error: CwError): void {
  process.stderr.write(`${formatError(error, paintFor(process.stderr))}\n`)
}

function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, process.stdout.isTTY ? 2 : undefined)}\n`)
}
