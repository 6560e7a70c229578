import type { Paint } from './error-text.ts'
import { printable } from './printable.ts'
import { formatTable } from './table.ts'

interface VerdictView {
  readonly verdict: 'yes' | 'partly' | 'no' | 'unknown'
  readonly why: readonly string[]
}

/** A deployment's state as it is shown. */
export interface StatusView {
  readonly deployment: string
  readonly domain: string
  readonly at: string
  readonly serving: VerdictView
  readonly redundant: VerdictView
  readonly inSync: VerdictView
  readonly running: readonly { readonly operation: string; readonly by: string; readonly since: string }[]
  readonly next: { readonly command?: string; readonly why: string }
  readonly nodes: readonly NodeView[]
}

interface NodeView {
  readonly name: string
  readonly address: string
  readonly roles: readonly string[]
  readonly reachable: boolean
  readonly error?: { readonly code: string; readonly message: string }
  readonly release?: string
  readonly deployed: boolean
  readonly daemons: readonly {
    readonly daemon: string
    readonly unit: string
    readonly health: string
    readonly well: boolean
  }[]
  readonly configuration: { readonly state: string; readonly why: readonly string[] }
  readonly diskUsed?: number
  readonly clockAheadMs?: number
}

const MOST_REASONS = 4
const HEADINGS = ['NODE', 'ROLES', 'DAEMONS', 'RELEASE', 'CONFIGURATION', 'DISK', 'CLOCK']
const NONE = '-'

/** One screen: the answers first, then a line for each node. */
export function formatStatus(status: StatusView, paint: Paint): string {
  const { deployment, domain, at, next, running } = status
  const answer = (name: string, lines: readonly string[]): readonly string[] =>
    lines.map((line, index) => `${(index === 0 ? name : '').padEnd(11)}${line}`)
  return [
    `${paint('bold', deployment)} (${domain}) at ${at.slice(0, 19).replace('T', ' ')} UTC`,
    ...answer('serving', verdictLines(status.serving, paint)),
    ...answer('redundant', verdictLines(status.redundant, paint)),
    ...answer('in sync', verdictLines(status.inSync, paint)),
    ...answer('running', running.length === 0 ? ['nothing'] : running.map(formatHolder)),
    ...answer('next', [
      next.command === undefined
        ? printable(next.why)
        : `${paint('bold', next.command)}  (${printable(next.why)})`,
    ]),
    '',
    ...formatNodes(status.nodes, paint),
  ].join('\n')
}

/** Redraws a screen in place, no longer than the terminal is high. */
export function redrawn(text: string, rows: number | undefined): string {
  const lines = text.split('\n')
  const shown = rows === undefined || lines.length < rows ? lines : [...lines.slice(0, rows - 2), '…']
  // Home, each line with what is left of the old one cleared, then all below.
  return `\u001B[H${shown.map(line => `${line}\u001B[K\n`).join('')}\u001B[J`
}

const COLOURS = { yes: 'green', partly: 'yellow', no: 'red', unknown: 'yellow' } as const

function verdictLines({ verdict, why }: VerdictView, paint: Paint): readonly string[] {
  const [first, ...rest] = why.map(printable)
  const shown = rest.slice(0, MOST_REASONS - 1)
  const more = rest.length - shown.length
  return [
    `${paint(COLOURS[verdict], verdict)}${first === undefined ? '' : `: ${first}`}`,
    ...shown.map(reason => `  ${reason}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ]
}

function formatHolder({ operation, by, since }: StatusView['running'][number]): string {
  return printable(`cw ${operation} of ${by}, since ${since.slice(0, 19).replace('T', ' ')} UTC`)
}

/** Those with trouble come first, so that they are seen where not all fit. */
function formatNodes(nodes: readonly NodeView[], paint: Paint): readonly string[] {
  const sorted = nodes.toSorted((a, b) => Number(isQuiet(a)) - Number(isQuiet(b)))
  const [head = '', ...lines] = formatTable(HEADINGS, sorted.map(cellsOf))
  return [
    paint('dim', head),
    ...lines.map((line, index) => {
      const node = sorted[index]
      return node === undefined || isQuiet(node) ? line : paint(node.reachable ? 'yellow' : 'red', line)
    }),
  ]
}

function isQuiet({ reachable, deployed, daemons, configuration }: NodeView): boolean {
  return reachable && deployed && daemons.every(each => each.well) && configuration.state !== 'out of sync'
}

function cellsOf(node: NodeView): readonly string[] {
  const roles = node.roles.join(',') || 'spare'
  if (!node.reachable) return [node.name, roles, `${node.error?.code ?? ''}: ${node.error?.message ?? ''}`]
  return [
    node.name,
    roles,
    formatDaemons(node),
    node.release ?? NONE,
    node.deployed ? node.configuration.state : NONE,
    node.diskUsed === undefined ? NONE : `${Math.round(node.diskUsed * 100)} %`,
    node.clockAheadMs === undefined ? NONE : formatClock(node.clockAheadMs),
  ]
}

function formatDaemons({ deployed, daemons }: NodeView): string {
  if (!deployed) return 'nothing deployed'
  const bad = daemons.filter(daemon => !daemon.well)
  if (bad.length === 0) return `${daemons.length} well`
  return bad.map(({ daemon, unit, health }) => `${daemon} ${unit === 'active' ? health : unit}`).join(', ')
}

function formatClock(ms: number): string {
  const seconds = ms / 1000
  // Less is the way of the answer, and no difference of clocks.
  return Math.abs(seconds) < 0.5 ? 'right' : `${seconds > 0 ? '+' : ''}${seconds.toFixed(1)} s`
}
