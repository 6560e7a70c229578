import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { spreadOf, type Spread } from './statistics.ts'
import type { SubjectName } from './subjects.ts'

const RESULTS = join(import.meta.dirname, 'results')

/** One row of the table: what was measured, beside whom, and what it may cost. */
export interface Row {
  readonly what: string
  readonly unit: string
  readonly values: Readonly<Partial<Record<SubjectName, readonly number[]>>>
  /** Kamailio in the role with which ours is compared; absent where there is nothing to compare. */
  readonly yardstick?: SubjectName
  readonly floor?: { readonly kind: 'ratio' | 'value'; readonly atMost: number }
  readonly note?: string
}

/** The rows as a Markdown table, with how it was measured below it. */
export function formatTable(rows: readonly Row[]): string {
  const compared = rows.some(row => row.yardstick !== undefined)
  const columns = compared
    ? ['What', 'Unit', 'Kamailio', 'Clearwater', 'Ratio', 'Floor']
    : ['What', 'Unit', 'Clearwater', 'Floor']
  const lines = [
    formatCells(columns),
    `|${'---|'.repeat(columns.length)}`,
    ...rows.map(row => formatCells(cellsOf(row, compared))),
  ]
  const notes = rows.flatMap(row => (row.note === undefined ? [] : [`${row.what}: ${row.note}`]))
  return [...lines, '', ...notes, machine()].join('\n')
}

/** Writes table and raw numbers into bench/results and returns the path of the table. */
export function saveResults(rows: readonly Row[], table: string): string {
  mkdirSync(RESULTS, { recursive: true })
  const stamp = new Date().toISOString().replace(/[:.]/g, '-')
  writeFileSync(join(RESULTS, `${stamp}.json`), `${JSON.stringify({ machine: machine(), rows }, null, 2)}\n`)
  const file = join(RESULTS, `${stamp}.md`)
  writeFileSync(file, `${table}\n`)
  return file
}

function cellsOf(row: Row, compared: boolean): readonly string[] {
  const ours = spread(row, 'clearwater')
  const theirs = row.yardstick === undefined ? undefined : spread(row, row.yardstick)
  const ratio = ours && theirs ? ours.median / theirs.median : undefined
  const measured = row.floor?.kind === 'ratio' ? ratio : ours?.median
  const floor = formatFloor(row, measured)
  if (!compared) return [row.what, row.unit, formatSpread(ours), floor]
  const ratioText = ratio === undefined ? '' : ratio.toFixed(2)
  return [row.what, row.unit, formatSpread(theirs), formatSpread(ours), ratioText, floor]
}

function formatCells(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

function spread(row: Row, subject: SubjectName): Spread | undefined {
  const values = row.values[subject]
  return values === undefined || values.length === 0 ? undefined : spreadOf(values)
}

function formatSpread(spread: Spread | undefined): string {
  if (!spread) return ''
  const { median, least, most } = spread
  return least === most
    ? formatNumber(median)
    : `${formatNumber(median)} (${formatNumber(least)}–${formatNumber(most)})`
}

function formatFloor({ floor, unit }: Row, measured: number | undefined): string {
  if (!floor) return ''
  const limit = floor.kind === 'ratio' ? `ratio ≤ ${floor.atMost}` : `≤ ${formatNumber(floor.atMost)} ${unit}`
  if (measured === undefined) return limit
  return `${limit}: ${measured <= floor.atMost ? 'met' : '**not met**'}`
}

function formatNumber(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toString()
  return value.toFixed(Math.abs(value) < 10 ? 3 : 1)
}

function machine(): string {
  const [first] = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  return `Machine: ${cpus().length} × ${first?.model.trim() ?? 'unknown'}, ${memory} GiB, Linux ${release()}, Node ${process.versions.node}.`
}
