import type { Fault } from './fault.ts'
import { readAssignments } from './shell-words.ts'

/** What a configuration file says. */
export interface ConfigFile {
  /** The last value of each name, expanded. */
  readonly values: ReadonlyMap<string, string>
  /** The line on which that value stands, from 1. */
  readonly lines: ReadonlyMap<string, number>
  readonly faults: readonly Fault[]
}

/** Characters that a shell leaves as they are in an assignment, wherever they stand. */
const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/
/** More than any deployment's configuration; what the configuration store takes. */
export const MOST_FILE_BYTES = 1_000_000
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/**
 * Reads a file of shell assignments as a shell would that sources it, without running anything: quotes, comments, and
 * `$name` of what is known by then. What a shell would do beyond that (commands, arithmetic) is a fault.
 *
 * Never throws, whatever the text.
 *
 * @param earlier values of the files that are sourced before
 */
export function parseConfigFile(text: string, earlier: ReadonlyMap<string, string> = new Map()): ConfigFile {
  const values = new Map<string, string>()
  const lines = new Map<string, number>()
  const faults: Fault[] = []
  if (text.length > MOST_FILE_BYTES) {
    return {
      values,
      lines,
      faults: [{ severity: 'error', message: `is larger than ${MOST_FILE_BYTES} bytes` }],
    }
  }
  for (const read of readAssignments(text, name => values.get(name) ?? earlier.get(name))) {
    faults.push(...read.faults)
    if (read.name === undefined) continue
    const before = lines.get(read.name)
    if (before !== undefined) {
      const message = `${read.name} is set on line ${before} too; this one counts`
      faults.push({ severity: 'warning', message, line: read.line, column: 1, key: read.name })
    }
    values.set(read.name, read.value)
    lines.set(read.name, read.line)
  }
  return { values, lines, faults }
}

/**
 * The text of a configuration file. Sourcing it by a shell and reading it by `parseConfigFile` give the same bytes.
 *
 * @param header lines that become comments at the top
 * @throws TypeError if a name cannot be assigned to, or a value holds what no shell variable can: a zero byte
 */
export function formatConfigFile(
  values: ReadonlyMap<string, string>,
  header: readonly string[] = [],
): string {
  const comments = header.flatMap(text => text.split(/[\r\n]+/)).map(line => `# ${line}`.trimEnd())
  const assignments = [...values].map(([name, value]) => {
    if (!NAME.test(name)) throw new TypeError(`"${name}" is no name of a variable`)
    if (value.includes('\0')) throw new TypeError(`the value of ${name} holds a zero byte`)
    return `${name}=${quoted(value)}`
  })
  return [...comments, ...assignments].map(line => `${line}\n`).join('')
}

function quoted(value: string): string {
  return PLAIN.test(value) || value === '' ? value : `'${value.replaceAll("'", `'\\''`)}'`
}
