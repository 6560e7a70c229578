import { paintFor } from './error-text.ts'

/** A check as it is shown. */
export interface CheckView {
  readonly node: string
  readonly what: string
  readonly outcome: 'passed' | 'failed' | 'not tried'
  readonly steps: readonly { readonly sent: string; readonly answer?: string; readonly ms: number }[]
  readonly path?: readonly string[]
  readonly failure?: {
    readonly hop: string
    readonly answeredBy?: string
    readonly answer?: string
    readonly why: string
    readonly suspects: readonly string[]
  }
}

/** A verification as it is shown. */
export interface VerifyReportView {
  readonly given: boolean
  readonly domain: string
  readonly checks: readonly CheckView[]
  readonly leftovers: number
  readonly ms: number
}

const COLOURS = { passed: 'green', failed: 'red', 'not tried': 'yellow' } as const

/** Each node with what it does, then each failure with all that came and did not come back. */
export function formatVerifyReport({ given, domain, checks, leftovers, ms }: VerifyReportView): string {
  const paint = paintFor(process.stdout)
  const nodes = Map.groupBy(checks, check => check.node)
  const width = Math.max(0, ...[...nodes.keys()].map(node => node.length))
  const lines = [...nodes].flatMap(([node, own]) => {
    const wrong = own.filter(check => check.outcome !== 'passed')
    const count = own.length - wrong.length
    const summary = `${count} of ${own.length} checks passed${pathsOf(own)}`
    return [
      `${node.padEnd(width)}  ${paint(wrong.length === 0 ? 'green' : 'red', summary)}`,
      ...wrong.flatMap(check => formatCheck(check).split('\n')).map(line => `  ${line}`),
    ]
  })
  if (leftovers > 0)
    lines.push(
      `removed ${leftovers} ${leftovers === 1 ? 'subscriber' : 'subscribers'} that an earlier run had left behind`,
    )
  const seconds = (ms / 1000).toFixed(1)
  const verdict = given ? paint('green', 'service is given') : paint('red', 'service is NOT given')
  return [...lines, `${domain}: ${verdict} (${seconds} s)`].join('\n')
}

/** One check; a failure takes several lines. */
export function formatCheck({ node, what, outcome, steps, failure }: CheckView): string {
  const paint = paintFor(process.stdout)
  const head = `${node}: ${what}: ${paint(COLOURS[outcome], outcome)}`
  if (failure === undefined) return head
  const exchanges = outcome === 'failed' ? steps.map(formatStep).map(step => `  ${step}`) : []
  return [`${head}: ${reasonOf(failure)}`, ...exchanges].join('\n')
}

/** A failed check in one line. */
export function whyOf({ node, what, failure }: CheckView): string {
  return `${node}: ${what}: ${failure === undefined ? 'failed' : reasonOf(failure)}`
}

function reasonOf({ hop, answer, answeredBy, why, suspects }: NonNullable<CheckView['failure']>): string {
  const said = answer === undefined ? '' : ` (${answeredBy ?? 'somebody'} answered ${answer})`
  const look = suspects.length === 0 ? '' : `; look at ${suspects.join(', ')}`
  return `${hop}: ${why}${said}${look}`
}

function formatStep({ sent, answer, ms }: CheckView['steps'][number]): string {
  return `${sent} → ${answer ?? 'no answer'}, ${ms} ms`
}

/** The ways that calls took. */
function pathsOf(checks: readonly CheckView[]): string {
  const paths = new Set(checks.flatMap(({ path = [] }) => (path.length < 2 ? [] : [path.join(' → ')])))
  return paths.size === 0 ? '' : `; calls went ${[...paths].join(', and ')}`
}
