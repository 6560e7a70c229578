import { daemonsOf, type DaemonOnNode } from '../../../lib/config/deployment/daemons.ts'
import type { Deployment, DeploymentNode } from '../../../lib/config/deployment/deployment.ts'
import type { CwError } from '../../../lib/kit/errors.ts'
import { Fleet, type FleetOptions } from '../../fleet/fleet.ts'
import type { Shells } from '../shells.ts'
import { parseLogLine, type LogEntry } from './entry.ts'
import { mergeByTime } from './merge.ts'
import { LogSource, type LogWindow } from './source.ts'

/** While it is followed, a node that is cut off must not hold up the others; else the order of all lines counts. */
const PATIENCE_MS = { follow: 3_000, whole: 60_000 } as const

export interface LogsRequest extends LogWindow {
  readonly deployment: Deployment
  readonly nodes: readonly DeploymentNode[]
  /** Only the daemons of these roles; absent: all that run there. */
  readonly roles?: readonly string[] | undefined
  readonly fleet: FleetOptions
  readonly signal: AbortSignal
  readonly onEntry: (entry: LogEntry) => Promise<void>
  readonly open?: () => Shells
}

export interface LogsReport {
  readonly count: number
  /** Nodes whose logs could not be read, or not to their end. */
  readonly failed: readonly { readonly node: string; readonly error: CwError }[]
}

/** Hands on what the nodes have logged, by time, until it has all been told or the signal ends it. */
export async function readLogs(request: LogsRequest): Promise<LogsReport> {
  const { deployment, nodes, roles, fleet, onEntry, open } = request
  await using shells: Shells = open?.() ?? new Fleet(nodes, fleet)
  const ended = new AbortController()
  const signal = AbortSignal.any([request.signal, ended.signal])
  const sources = nodes.map(
    node => new LogSource(shells.shell(node.name), daemonsMeant(node, deployment, roles), request, signal),
  )
  const patience = request.follow ? PATIENCE_MS.follow : PATIENCE_MS.whole
  let count = 0
  try {
    for await (const { node, line } of mergeByTime(sources, signal, patience)) {
      const entry = parseLogLine(node, line)
      if (entry === undefined) continue
      count++
      await onEntry(entry)
    }
  } finally {
    ended.abort()
  }
  const failed = sources.flatMap(({ node, error }) => (error === undefined ? [] : [{ node, error }]))
  return { count, failed }
}

function daemonsMeant(
  node: DeploymentNode,
  deployment: Deployment,
  roles: readonly string[] | undefined,
): readonly DaemonOnNode[] {
  return daemonsOf(node, deployment).filter(daemon => roles === undefined || roles.includes(daemon))
}
