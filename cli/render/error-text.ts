import { styleText } from 'node:util'
import type { CwError, ErrorDetail } from '../../lib/kit/errors.ts'
import { whyOf } from './envelope.ts'
import { printable } from './printable.ts'
import { traceOf } from './trace.ts'

type Style = Parameters<typeof styleText>[0]
export type Paint = (style: Style, text: string) => string

/** Colours if the stream is a terminal, and NO_COLOR or FORCE_COLOR do not say otherwise. */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  return (style, text) => styleText(style, text, { stream })
}

/** A part that takes several lines stays in its column. */
const CONTINUED = `\n${' '.repeat(11)}`

/** An error in its six parts: code, sentence, where, why, what has been changed, what to do next. */
export function formatError(error: CwError, paint: Paint): string {
  const { where, changed, remedies } = error.detail
  const lines = [`${paint(['red', 'bold'], `error ${error.code}`)}: ${printable(error.message)}`]
  const part = (name: string, text: string | undefined): void => {
    if (text !== undefined && text !== '') {
      lines.push(`  ${paint('dim', `${name}:`.padEnd(9))}${printable(text).replaceAll('\n', CONTINUED)}`)
    }
  }
  part('where', formatWhere(where))
  part('why', whyOf(error))
  part('changed', changed === 'some' ? 'some of it was done before this happened' : 'nothing')
  remedies?.forEach((remedy, index) => part(index === 0 ? 'next' : '', remedy))
  if (error.code === 'BUG') traceOf(error).forEach((frame, index) => part(index === 0 ? 'trace' : '', frame))
  return lines.map(line => line.replace(/^ {2}: {8}/, ' '.repeat(11))).join('\n')
}

function formatWhere(where: ErrorDetail['where']): string | undefined {
  if (where === undefined) return undefined
  const file = where.file === undefined ? undefined : [where.file, where.line].filter(defined).join(':')
  const line = where.file === undefined && where.line !== undefined ? `line ${where.line}` : undefined
  return [file, line, where.host, where.address].filter(defined).join(', ')
}

function defined<T>(value: T | undefined): value is T {
  return value !== undefined
}
