import { printable } from './printable.ts'

/** An operation as it is shown. */
export interface OperationView {
  readonly id: string
  readonly at: string
  readonly operation: string
  readonly by: string
  readonly outcome: string
  readonly done: number
  readonly steps: readonly string[]
  readonly entries: readonly { readonly at: string; readonly event: string }[]
}

/** A line an operation. */
export function formatHistory(operations: readonly OperationView[]): string {
  if (operations.length === 0) return 'no operation yet'
  const rows = operations.map(({ id, operation, outcome, done, steps, by }) =>
    [id, operation, outcome, `${done}/${Math.max(done, steps.length)}`, by].map(printable),
  )
  const table = [['ID', 'OPERATION', 'OUTCOME', 'STEPS', 'BY'], ...rows]
  const widths = [0, 1, 2, 3].map(column => Math.max(...table.map(row => row[column]?.length ?? 0)))
  return table
    .map(row =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** What happened in one operation, line by line. */
export function formatOperation({ entries }: OperationView): string {
  return printable(entries.map(({ at, event, ...rest }) => `${at} ${event}${detailOf(rest)}`).join('\n'))
}

function detailOf(rest: object): string {
  const told = Object.entries(rest).flatMap(([key, value]) => {
    if (key === 'changes' || key === 'steps' || key === 'options') return []
    return [` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`]
  })
  return told.join('')
}
