import { Errors } from '@oclif/core'
import { CwError } from '../../lib/kit/errors.ts'
import { nearest } from '../../lib/kit/nearest.ts'

/** Any exception as the error that its reader gets: wrong usage told by oclif, ours as it is, the rest a bug. */
export function asCwError(
  error: unknown,
  command: { readonly id: string; readonly flags: readonly string[] },
): CwError {
  if (isCwError(error)) return error.code === 'BUG' ? bug(error) : error
  if (error instanceof Errors.CLIError) return usageError(error, command)
  if (error instanceof Error && error.name === 'ExitPromptError') return unanswered()
  return bug(error)
}

/** An exception from outside any command: most likely a command that does not exist. */
export function unknownCommand(error: unknown, argv: readonly string[], ids: readonly string[]): CwError {
  if (isCwError(error)) return error
  if (!(error instanceof Errors.CLIError)) return bug(error)
  const end = argv.findIndex(word => word.startsWith('-'))
  const words = (end === -1 ? argv : argv.slice(0, end)).filter(word => word !== 'help')
  const commands = ids.map(id => id.split(':'))
  const candidates = commands.map(parts => ({
    name: parts.join(' '),
    typed: words.slice(0, parts.length).join(' '),
  }))
  const names = candidates
    .filter(each => nearest(each.typed, [each.name]) !== undefined)
    .map(each => each.name)
  const meant = nearest(words.slice(0, 2).join(' '), names) ?? names[0]
  const typed = words.slice(0, 2).join(' ')
  return new CwError('USAGE', `there is no command "cw ${typed}"`, {
    changed: 'nothing',
    remedies: [...(meant === undefined ? [] : [`cw ${meant} --help`]), 'cw --help'],
  })
}

/** By name: a command and its caller may hold two copies of the class. */
function isCwError(error: unknown): error is CwError {
  return error instanceof CwError || (error instanceof Error && error.name === 'CwError' && 'code' in error)
}

/** Ctrl-C at a question: questions come before anything is done. */
function unanswered(): CwError {
  return new CwError('INTERRUPTED', 'a question was left unanswered', { changed: 'nothing' })
}

function usageError(
  error: InstanceType<typeof Errors.CLIError>,
  command: { readonly id: string; readonly flags: readonly string[] },
): CwError {
  const name = `cw ${command.id.replaceAll(':', ' ')}`
  const unknown = 'flags' in error && Array.isArray(error.flags) ? error.flags.map(String) : []
  const meant = unknown
    .map(flag => nearest(flag.replace(/^-+/, ''), command.flags))
    .filter(flag => flag !== undefined)
  return new CwError('USAGE', sentenceOf(error), {
    where: { address: name },
    changed: 'nothing',
    remedies: [...meant.map(flag => `${name} --${flag}`), `${name} --help`],
    cause: error,
  })
}

/** oclif's message as one sentence. */
function sentenceOf(error: Error): string {
  const args: readonly unknown[] = 'args' in error && Array.isArray(error.args) ? error.args : []
  const missing = args.flatMap(arg =>
    typeof arg === 'object' && arg !== null && 'name' in arg ? [arg.name] : [],
  )
  if (missing.length > 0) return `missing: ${missing.map(name => String(name).toUpperCase()).join(', ')}`
  const lines = error.message.replace('\nSee more help with --help', '').split('\n')
  const text = lines.map(line => line.trim()).filter(line => line !== '')
  return lowerFirst(text.join(' ').replace(/^Parsing (--\S+) /, '$1: '))
}

function bug(error: unknown): CwError {
  const message = error instanceof Error ? error.message : String(error)
  return new CwError('BUG', `an internal error: ${message}`, {
    why: 'This is a fault of cw itself, not of how it was called.',
    remedies: ['report it with the trace and the command line: docs/errors.md, "BUG"'],
    cause: error,
  })
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
