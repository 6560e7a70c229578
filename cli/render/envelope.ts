import type { CwError, ErrorDetail } from '../../lib/kit/errors.ts'
import { traceOf } from './trace.ts'

/** What every command prints with `--json`. An error may stand beside the result of what was done before it. */
export interface Envelope {
  readonly status: 'ok' | 'error'
  readonly result?: unknown
  readonly error?: ErrorBody
  readonly warnings: readonly string[]
}

interface ErrorBody {
  readonly code: string
  readonly message: string
  readonly where: NonNullable<ErrorDetail['where']>
  readonly why: string | null
  readonly changed: 'nothing' | 'some'
  readonly remedies: readonly string[]
  readonly trace?: readonly string[]
}

export function okEnvelope(result: unknown, warnings: readonly string[]): Envelope {
  return { status: 'ok', result, warnings }
}

export function errorEnvelope(error: CwError, warnings: readonly string[], result?: unknown): Envelope {
  const { where, changed, remedies } = error.detail
  return {
    status: 'error',
    ...(result === undefined ? {} : { result }),
    error: {
      code: error.code,
      message: error.message,
      where: where ?? {},
      why: whyOf(error) ?? null,
      changed: changed ?? 'nothing',
      remedies: remedies ?? [],
      ...(error.code === 'BUG' ? { trace: traceOf(error) } : {}),
    },
    warnings,
  }
}

/** The reason as given, else what the cause says about itself. */
export function whyOf(error: CwError): string | undefined {
  if (error.detail.why !== undefined) return error.detail.why
  return error.code !== 'USAGE' && error.cause instanceof Error && error.cause.message !== ''
    ? error.cause.message
    : undefined
}
