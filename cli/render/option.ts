/** What is shown of an option. */
export interface OptionView {
  readonly name: string
  readonly doc: string
  readonly files: readonly string[]
  readonly type?: string
  readonly default?: string
  readonly unit?: string
  readonly choices?: readonly string[]
  readonly min?: number
  readonly max?: number
  readonly used_by?: readonly string[]
  readonly impact?: string
  readonly section?: string
  readonly secret?: boolean
  readonly required?: boolean
}

const IMPACTS: Readonly<Record<string, string>> = {
  live: 'takes effect by itself',
  reload: 'takes effect without interruption',
  restart: 'restarts the daemons that use it, one node at a time',
  rebuild: 'needs a new deployment',
}

/** An option with one fact a line. */
export function formatOption(option: OptionView): string {
  const { name, doc, files, type, unit, choices, min, max, impact, used_by: usedBy, section } = option
  const usual = option.default === undefined ? undefined : `${option.default} ${unit ?? ''}`.trim()
  const bounds = [...(min === undefined ? [] : [`from ${min}`]), ...(max === undefined ? [] : [`to ${max}`])]
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['file', files.join(', ')],
    ['type', type === undefined ? undefined : [type, ...bounds].join(' ')],
    ['values', choices?.join('  ')],
    ['default', usual ?? (option.required === true ? 'none: it is required' : undefined)],
    ['secret', option.secret === true ? 'yes: in cw.yaml it is named under secrets' : undefined],
    ['used by', usedBy?.join(', ')],
    ['change', impact === undefined ? undefined : `${impact}: ${IMPACTS[impact] ?? ''}`],
    ['manual', section],
  ]
  const lines = facts.flatMap(([label, value]) =>
    value === undefined || value === '' ? [] : [`  ${`${label}:`.padEnd(9)}${value}`],
  )
  return [name, `  ${doc}`, ...lines].join('\n')
}
