import type { Paint } from './error-text.ts'
import { printable } from './printable.ts'

interface EntryView {
  readonly at: string
  readonly node: string
  readonly daemon: string
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

const COLOURS = { error: 'red', warn: 'yellow', info: 'green', debug: 'dim' } as const
const COMMON = new Set(['pid', 'hostname'])

/** `2016-07-04 12:00:00.123 bono-1 bono warn a sentence key=value`. Control characters of peers stay harmless. */
export function formatLogEntry(entry: EntryView, paint: Paint): string {
  const { at, node, daemon, level, message, fields } = entry
  const details = Object.entries(fields)
    .filter(([key]) => !COMMON.has(key))
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  const time = paint('dim', at.replace('T', ' ').replace('Z', ''))
  const text = [message, ...details].join(' ')
  return `${time} ${node} ${printable(daemon)} ${paint(COLOURS[level], level)} ${printable(text).replaceAll('\n', '\n    ')}`
}
