import { printable } from './printable.ts'

interface RecordChangeView {
  readonly name: string
  readonly type: string
  readonly before: readonly string[]
  readonly after: readonly string[]
}

/** A line a record: what goes, and what comes. */
export function formatRecordChanges(changes: readonly RecordChangeView[]): string {
  return changes
    .flatMap(({ name, type, before, after }) => [
      ...before.filter(value => !after.includes(value)).map(value => `- ${name} ${type} ${value}`),
      ...after.filter(value => !before.includes(value)).map(value => `+ ${name} ${type} ${value}`),
    ])
    .map(printable)
    .join('\n')
}
