import { paintFor } from './error-text.ts'

/** A plan as it is shown: what happens where, and what it does to files. */
export interface PlanView {
  readonly plan: {
    readonly operation: string
    readonly deployment: string
    readonly version?: string
    readonly steps: readonly StepView[]
    readonly drift: readonly { readonly node: string; readonly path: string; readonly kind: string }[]
  }
  readonly diffs: readonly {
    readonly path: string
    readonly nodes: readonly string[]
    readonly patch: string
  }[]
  readonly unreachable: readonly { readonly node: string; readonly message: string }[]
}

interface StepView {
  readonly phase: string
  readonly node: string
  readonly title: string
  readonly changes: readonly { readonly summary: string }[]
}

/** What happens during an operation, as it is shown. */
export type EventView =
  | { readonly event: 'phase.started'; readonly title: string; readonly nodes: number }
  | { readonly event: 'phase.stopped'; readonly why: string }
  | { readonly event: 'step.started'; readonly step: string; readonly title: string }
  | { readonly event: 'step.told'; readonly step: string; readonly text: string }
  | { readonly event: 'step.done'; readonly step: string; readonly ms: number }
  | {
      readonly event: 'step.failed'
      readonly step: string
      readonly error: { readonly message: string; readonly why?: string }
    }

/** Steps that are the same on several nodes are told once; with `diffs` every change of a file too. */
export function formatPlan({ plan, diffs, unreachable }: PlanView, withDiffs: boolean): string {
  const paint = paintFor(process.stdout)
  const groups = Map.groupBy(plan.steps, step =>
    JSON.stringify([step.phase, step.title, ...step.changes.map(change => change.summary)]),
  )
  const lines: string[] = []
  for (const steps of groups.values()) {
    const [first] = steps
    if (first === undefined) continue
    lines.push(`${paint('bold', first.title)} on ${steps.map(step => step.node).join(', ')}`)
    lines.push(...first.changes.map(change => `  ${change.summary}`))
  }
  if (withDiffs) lines.push(...diffs.flatMap(diff => formatDiff(diff)))
  for (const { node, path, kind } of plan.drift) {
    const what = DRIFT_WORDS[kind] ?? kind
    lines.push(`${paint('yellow', 'drift')} ${node}: ${path} ${what}; it is left as it is`)
  }
  for (const { node, message } of unreachable) lines.push(`${paint('red', 'left out')} ${node}: ${message}`)
  lines.push(summaryOf(plan))
  return lines.join('\n')
}

const DRIFT_WORDS: Readonly<Record<string, string>> = {
  edited: 'was edited by hand',
  foreign: 'was not written by cw',
  running: 'runs, and is not ours',
}

/** A line for each thing that happens; nothing for what only begins. */
export function formatEvent(event: EventView): string | undefined {
  const paint = paintFor(process.stderr)
  switch (event.event) {
    case 'phase.started':
      return `${paint('bold', event.title)} (${counted(event.nodes, 'node')})`
    case 'phase.stopped':
      return `${paint('red', 'stopped')}: ${event.why}`
    case 'step.started':
      return undefined
    case 'step.told':
      return `         ${event.step}: ${event.text}`
    case 'step.done':
      return `  ${paint('green', 'done')}   ${event.step} ${paint('dim', `${(event.ms / 1000).toFixed(1)} s`)}`
    case 'step.failed': {
      const { message, why } = event.error
      return `  ${paint('red', 'failed')} ${event.step}: ${message}${why === undefined ? '' : `: ${why}`}`
    }
  }
}

/** `1 step`, `2 steps`. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

function formatDiff({ path, nodes, patch }: PlanView['diffs'][number]): readonly string[] {
  if (patch === '') return []
  const paint = paintFor(process.stdout)
  const lines = patch.trimEnd().split('\n')
  return [
    '',
    paint('bold', `${path} on ${nodes.join(', ')}`),
    ...lines.map(line => {
      if (line.startsWith('+')) return paint('green', line)
      return line.startsWith('-') ? paint('red', line) : line
    }),
  ]
}

function summaryOf({ steps, drift, version, deployment }: PlanView['plan']): string {
  if (steps.length === 0 && drift.length === 0) return 'nothing to do'
  const nodes = new Set(steps.map(step => step.node)).size
  const changes = steps.reduce((sum, step) => sum + step.changes.length, 0)
  const release = version === undefined ? '' : `, release ${version}`
  const where = `in ${counted(steps.length, 'step')} on ${counted(nodes, 'node')}`
  return `${deployment}: ${counted(changes, 'change')} ${where}${release}`
}
