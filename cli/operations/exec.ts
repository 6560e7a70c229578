import type { DeploymentNode } from '../../lib/config/deployment/deployment.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { Fleet, forEach, type FleetOptions } from '../fleet/fleet.ts'
import type { Shells } from './shells.ts'

/** So much of a node's output stands in the result; all of it is handed on line by line. */
const KEPT_BYTES = 256 * 1024

export interface ExecRequest {
  readonly nodes: readonly DeploymentNode[]
  /** Program and arguments, as they are: no shell reads them. */
  readonly argv: readonly string[]
  readonly sudo: boolean
  readonly deadlineMs: number
  /** How many nodes at a time. */
  readonly parallel: number
  readonly fleet: FleetOptions
  readonly signal: AbortSignal
  readonly onLine: (node: string, line: string, stream: 'stdout' | 'stderr') => void
  readonly open?: () => Shells
}

export interface NodeExit {
  readonly node: string
  /** Absent: the command did not end there, or never began. */
  readonly code?: number
  readonly error?: { readonly code: string; readonly message: string }
  readonly stdout: string
  readonly stderr: string
  /** Only the beginning of the output stands here. */
  readonly truncated?: true
}

export interface ExecReport {
  readonly nodes: readonly NodeExit[]
  /** Where it failed. */
  readonly error?: CwError
}

/** Runs one command on nodes. A node on which it fails does not keep the others from it. */
export async function execOnNodes(request: ExecRequest): Promise<ExecReport> {
  const { nodes, argv, sudo, deadlineMs, parallel, fleet, signal, onLine, open } = request
  await using shells: Shells = open?.() ?? new Fleet(nodes, fleet)
  const outcomes = await forEach(
    nodes.map(node => shells.shell(node.name)),
    shell =>
      shell.run(argv, {
        ...{ sudo, deadlineMs, signal, maxOutput: KEPT_BYTES },
        onLine: (line, stream) => {
          onLine(shell.node, line, stream)
        },
      }),
    { concurrency: parallel },
  )
  const exits = outcomes.map((outcome): NodeExit => {
    if (outcome.ok) return { node: outcome.node, ...outcome.value }
    const { code, message } = outcome.error
    return { node: outcome.node, error: { code, message }, stdout: '', stderr: '' }
  })
  const errors = outcomes.flatMap(outcome => (outcome.ok ? [] : [outcome.error]))
  const error = failureOf(exits, errors)
  return { nodes: exits, ...(error === undefined ? {} : { error }) }
}

function failureOf(exits: readonly NodeExit[], errors: readonly CwError[]): CwError | undefined {
  const failed = exits.filter(({ code }) => code !== 0)
  if (failed.length === 0) return undefined
  const [first] = errors
  // Of what kind the failure is, is clear only where it is the same everywhere.
  const kind = first !== undefined && errors.length === failed.length ? first.code : 'COMMAND_FAILED'
  return new CwError(kind, `the command failed on ${failed.length} of ${exits.length} nodes`, {
    why: failed
      .map(
        ({ node, code, error }) =>
          `${node}: ${error === undefined ? `exit code ${code ?? ''}` : error.message}`,
      )
      .join('\n'),
    changed: 'some',
    cause: first,
  })
}
