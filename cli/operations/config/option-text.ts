import { formatConfigFile, parseConfigFile } from '../../../lib/config/config-file.ts'

/** The text with an option set, everything else (order, comments, layout) as it was. A new one goes to the end. */
export function withOption(text: string, name: string, value: string): string {
  const lines = linesOf(text)
  const assignment = formatConfigFile(new Map([[name, value]])).trimEnd()
  const place = placeOf(text, name)
  if (place === undefined) return joined([...lines, assignment])
  return joined([...lines.slice(0, place.from), assignment, ...lines.slice(place.to)])
}

/** The text without any assignment to an option. */
export function withoutOption(text: string, name: string): string {
  let rest = text
  for (let place = placeOf(rest, name); place !== undefined; place = placeOf(rest, name)) {
    const lines = linesOf(rest)
    rest = joined([...lines.slice(0, place.from), ...lines.slice(place.to)])
  }
  return rest
}

/** The lines of the last assignment to an option: several if its quotes span them. */
function placeOf(text: string, name: string): { readonly from: number; readonly to: number } | undefined {
  const { values, lines: lineOf } = parseConfigFile(text)
  const line = lineOf.get(name)
  if (line === undefined) return undefined
  const lines = linesOf(text)
  const from = line - 1
  for (let to = from + 1; to <= lines.length; to++) {
    // Earlier values are given, since the line may refer to them.
    const { values: found, faults } = parseConfigFile(lines.slice(from, to).join('\n'), values)
    if (found.has(name) && !faults.some(fault => fault.severity === 'error')) return { from, to }
  }
  return { from, to: from + 1 }
}

function linesOf(text: string): readonly string[] {
  const lines = text.split('\n')
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines
}

function joined(lines: readonly string[]): string {
  return lines.map(line => `${line}\n`).join('')
}
