export type Level = 'error' | 'warn' | 'info' | 'debug'

/** One line of a log of the deployment. */
export interface LogEntry {
  /** ISO 8601, to the millisecond. */
  readonly at: string
  readonly node: string
  /** The daemon, or the unit's part that spoke. */
  readonly daemon: string
  readonly level: Level
  readonly message: string
  /** What the message is about. */
  readonly fields: Readonly<Record<string, unknown>>
}

/**
 * A line as the node's script gives it: microseconds, where it is from (`j` for the journal, else a daemon), and the
 * line itself. `undefined` for what is no log line.
 */
export function parseLogLine(node: string, line: string): LogEntry | undefined {
  const [, micros, source, json] = /^(\d+) (\S+) (.*)$/s.exec(line) ?? []
  const document = json === undefined ? undefined : parsedObject(json)
  if (micros === undefined || source === undefined || document === undefined) return undefined
  const at = new Date(Math.floor(Number(micros) / 1000))
  if (Number.isNaN(at.getTime())) return undefined
  const own = { at: at.toISOString(), node }
  return source === 'j' ? { ...own, ...ofJournal(document) } : { ...own, ...ofDaemon(source, document) }
}

type Told = Omit<LogEntry, 'at' | 'node'>
type Document = Readonly<Record<string, unknown>>

const OF_SYSLOG: readonly Level[] = ['error', 'error', 'error', 'error', 'warn', 'info', 'info', 'debug']

/** systemd.journal-fields(7). What systemd says about a unit names it in `UNIT`. */
function ofJournal(document: Document): Told {
  const unit = textOf(document.UNIT) || textOf(document._SYSTEMD_UNIT)
  return {
    daemon: unit.replace(/^clearwater-/, '').replace(/\.service$/, ''),
    level: OF_SYSLOG[Number(document.PRIORITY ?? 6)] ?? 'info',
    message: messageOf(document.MESSAGE),
    fields: {},
  }
}

function ofDaemon(daemon: string, { level, time: _time, daemon: _daemon, msg, ...fields }: Document): Told {
  const rank = Number(level)
  return {
    daemon,
    level: rank >= 50 ? 'error' : rank >= 40 ? 'warn' : rank >= 30 ? 'info' : 'debug',
    message: textOf(msg),
    fields,
  }
}

/** Text; or bytes where it is no UTF-8; or nothing where it was too long for the journal to print. */
function messageOf(value: unknown): string {
  if (Array.isArray(value)) return Buffer.from(value.map(Number)).toString('utf8')
  return typeof value === 'string' ? value : '(too long to be shown)'
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function parsedObject(json: string): Document | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Document)
      : undefined
  } catch {
    return undefined
  }
}
