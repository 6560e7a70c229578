import { pino, stdSerializers } from 'pino'

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

const RANKS = { silent: 0, error: 1, warn: 2, info: 3, debug: 4 } as const

export type LogLevel = keyof typeof RANKS

/** Fields whose values never reach a log, wherever they stand. */
const SECRET_PATHS = ['password', 'ha1', 'response', 'nonce', '*.password', '*.ha1', '*.response', '*.nonce']

/** A log whose level can change while it is written to; what `with` has given follows. */
export interface OpenLog extends Log {
  setLevel(level: LogLevel): void
}

/** Where the lines of a log go. */
export interface LogDestination {
  write(line: string): void
}

/** A log that writes JSON lines, to standard error unless told otherwise: standard output stays free for results. */
export function openLog(level: LogLevel, fields: LogFields = {}, destination?: LogDestination): OpenLog {
  const threshold = { rank: RANKS[level] }
  const logger = pino(
    // The threshold decides: a child of pino keeps the level it was born with.
    { level: 'debug', base: fields, redact: SECRET_PATHS, serializers: { error: stdSerializers.err } },
    destination ?? pino.destination({ fd: 2, sync: true }),
  )
  return { ...fromPino(logger, threshold), setLevel: next => (threshold.rank = RANKS[next]) }
}

/** A log that keeps nothing: for tests that do not look at it. */
export const noLog: Log = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  with: () => noLog,
}

function fromPino(logger: pino.Logger, threshold: { readonly rank: number }): Log {
  const writing =
    (level: Exclude<LogLevel, 'silent'>) =>
    (message: string, fields: LogFields = {}): void => {
      if (threshold.rank >= RANKS[level]) logger[level](fields, message)
    }
  return {
    error: writing('error'),
    warn: writing('warn'),
    info: writing('info'),
    debug: writing('debug'),
    with: fields => fromPino(logger.child(fields), threshold),
  }
}
