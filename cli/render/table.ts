import { printable } from './printable.ts'

/** Rows of cells under their headings; a row's last cell may be as long as it is, whatever column it ends in. */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const all = [headings, ...rows].map(row => row.map(cell => printable(cell).replaceAll('\n', ' ')))
  const widths = headings.map((_, column) =>
    Math.max(0, ...all.map(row => (column < row.length - 1 ? (row[column] ?? '').length : 0))),
  )
  return all.map(row =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}
