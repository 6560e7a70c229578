import type { Paint } from './error-text.ts'
import { formatTable } from './table.ts'

interface FindingView {
  readonly code: string
  readonly result: 'ok' | 'warning' | 'no' | 'unknown'
  readonly node?: string
  readonly message: string
}

type CatalogueView = Readonly<
  Record<string, { readonly title: string; readonly why: string; readonly remedy: string }>
>

const COLOURS = { ok: 'green', warning: 'yellow', no: 'red', unknown: 'yellow' } as const

/** A line for each check that is well everywhere; where one is not, every such finding, and what to do. */
export function formatFindings(
  findings: readonly FindingView[],
  catalogue: CatalogueView,
  paint: Paint,
): string {
  const groups = [...Map.groupBy(findings, ({ code }) => code)]
  return groups
    .flatMap(([code, them]) => {
      const check = catalogue[code]
      const bad = them.filter(({ result }) => result !== 'ok')
      const worst = (['no', 'warning', 'unknown'] as const).find(result =>
        bad.some(each => each.result === result),
      )
      const head = `${paint(COLOURS[worst ?? 'ok'], (worst ?? 'ok').padEnd(8))} ${code.padEnd(16)} ${check?.title ?? ''}`
      const lines = [...Map.groupBy(bad, ({ result, message }) => `${result} ${message}`).values()].map(
        same => {
          const nodes = same.flatMap(({ node }) => (node === undefined ? [] : [node]))
          return `           ${nodes.length === 0 ? '' : `${nodes.join(', ')}: `}${same[0]?.message ?? ''}`
        },
      )
      return [head, ...lines, ...(bad.length === 0 ? [] : [`           next: ${check?.remedy ?? ''}`])]
    })
    .join('\n')
}

/** What is checked, why, and what helps. */
export function formatCatalogue(catalogue: CatalogueView): string {
  const rows = Object.entries(catalogue).map(([code, { title }]) => [code, title])
  return formatTable(['CODE', 'WHAT HAS TO BE SO'], rows).join('\n')
}
