import { Eta } from 'eta/core'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CwError } from '../../../lib/kit/errors.ts'
import { resourceFolder } from '../resources.ts'
import { isSyntax, SYNTAXES, type Syntax } from './syntax.ts'

/** The units of all daemons are one template; the name it is asked for by tells whose it is. */
const UNIT_OF_DAEMON = /^systemd\/clearwater-(?!daemon\.)([a-z-]+)\.service$/

/** A Cassandra node that founds its cluster differs in one line. */
const FOUNDER = 'cassandra/founder.yaml'

/** A line that only steers leaves nothing behind; the line end after a printed value stays. */
const CONTROL_LINES = /^[ \t]*(<%(?![=~])(?:(?!%>)[^])*%>)[ \t]*\n/gm

const engines = new Map<Syntax, Eta>()

/**
 * Renders `templates/<name>.eta`. Every value that a template prints with `<%= %>` is quoted for the syntax which the
 * template's name ends with, so that a hostile value stays a value. A file without `.eta` is taken as it is.
 */
export function renderTemplate(name: string, values: object, folder = resourceFolder('templates')): string {
  const daemon = UNIT_OF_DAEMON.exec(name)?.[1]
  if (daemon !== undefined) {
    return renderTemplate('systemd/clearwater-daemon.service', { ...values, daemon }, folder)
  }
  if (name === FOUNDER)
    return renderTemplate('cassandra/cassandra.yaml', { ...values, founder: true }, folder)
  const syntax = /\.([a-z]+)$/.exec(name)?.[1] ?? ''
  const file = join(folder, `${name}.eta`)
  const text = readText(file)
  if (text === undefined) return literal(join(folder, name))
  if (!isSyntax(syntax)) throw new CwError('BUG', `no syntax is named by the template ${name}`)
  try {
    return engineOf(syntax).renderString(text.replaceAll(CONTROL_LINES, '$1'), values)
  } catch (error) {
    if (error instanceof CwError) throw error
    throw new CwError('BUG', `the template ${name} cannot be rendered`, { where: { file }, cause: error })
  }
}

function literal(file: string): string {
  const text = readText(file)
  if (text === undefined) throw new CwError('BUG', 'a template is missing', { where: { file } })
  return text
}

function engineOf(syntax: Syntax): Eta {
  const made =
    engines.get(syntax) ??
    new Eta({
      autoEscape: true,
      autoTrim: false,
      escapeFunction: value => SYNTAXES[syntax](printed(value)),
    })
  engines.set(syntax, made)
  return made
}

function printed(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  throw new CwError('BUG', `a template prints ${value === undefined ? 'what is not there' : typeof value}`)
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
