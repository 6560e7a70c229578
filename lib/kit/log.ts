import { pino } from 'pino'

/** What an entry is about, beside its sentence: the call's identity, an address, counts. Never a secret. */
export type LogFields = Readonly<Record<string, unknown>>

/** A structured log. Entries are one sentence plus fields; `with` adds fields to all entries of a part. */
export interface Log {
  error(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  debug(message: string, fields?: LogFields): void
  with(fields: LogFields): Log
}

export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'silent'

/** Fields whose values never reach a log, wherever they stand. */
const SECRET_PATHS = ['password', 'ha1', 'response', 'nonce', '*.password', '*.ha1', '*.response', '*.nonce']

/** A log that writes JSON lines to standard error, so that standard output stays free for results. */
export function openLog(level: LogLevel, fields: LogFields = {}): Log {
  const destination = pino.destination({ fd: 2, sync: true })
  return fromPino(pino({ level, base: fields, redact: SECRET_PATHS }, destination))
}

/** A log that keeps nothing: for tests that do not look at it. */
export const noLog: Log = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  with: () => noLog,
}

function fromPino(logger: pino.Logger): Log {
  return {
    error: (message, fields) => logger.error(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    with: fields => fromPino(logger.child(fields)),
  }
}
