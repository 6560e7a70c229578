import { hostname, userInfo } from 'node:os'
import type { SharedChange, SharedFileName } from '../../../lib/config/shared-file.ts'
import type { Deployment, DeploymentNode } from '../../../lib/config/deployment/deployment.ts'
import type { EtcdClient } from '../../../lib/etcd/client.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { readConfiguration } from './configuration.ts'
import {
  patchOf,
  planConfiguration,
  type ConfigurationPlan,
  type FileChange,
  type NodeImpact,
  type Rewrite,
} from './plan.ts'
import { waitForRollout, type NodeState, type Rollout } from './rollout.ts'
import { undoOf } from './undo.ts'
import { writeConfiguration } from './write.ts'

export interface ChangeRequest {
  readonly deployment: Deployment
  readonly etcd: EtcdClient
  readonly sites: readonly string[]
  readonly wanted: ReadonlyMap<SharedFileName, Rewrite>
  /** In words, for the history: `set reg_max_expires`. */
  readonly what: string
  /** What a command on the same deployment needs, such as `--file FILE`. */
  readonly undoWords: readonly string[]
  readonly force: boolean
  readonly deadlineMs: number
  readonly signal: AbortSignal
  /** Asked before anything is changed; false changes nothing. */
  readonly confirm: (plan: PlanView) => Promise<boolean>
  readonly onNode: (node: string, state: NodeState) => void
  readonly onWarning: (warning: string) => void
}

/** A plan as people and programs see it: without the values of secrets. */
export interface PlanView {
  readonly files: readonly FileView[]
  readonly nodes: readonly NodeImpact[]
}

export interface FileView {
  readonly site: string
  readonly file: SharedFileName
  readonly options: readonly OptionView[]
  /** Where more than options differs. */
  readonly patch?: string
}

export interface OptionView {
  readonly name: string
  /** Absent: not set. */
  readonly before?: string
  readonly after?: string
  readonly impact: SharedChange['impact']
}

export type ChangeReport =
  | { readonly outcome: 'nothing to do' }
  | { readonly outcome: 'declined'; readonly plan: PlanView }
  | {
      readonly outcome: 'made'
      readonly plan: PlanView
      readonly revision: number
      /** Of the change in the history of each site. */
      readonly numbers: Readonly<Record<string, number>>
      readonly nodes: Readonly<Record<string, NodeState>>
      readonly undo: string
      readonly error?: CwError
    }

/**
 * Changes the shared configuration: plans, asks, writes all of it or nothing, and waits until every node has it.
 *
 * What goes wrong after it is written stands in the report: ROLLOUT_FAILED, ROLLOUT_PENDING, INTERRUPTED.
 *
 * @throws CwError FILE_INVALID, CONFIG_REBUILD, CONFIG_CONFLICT, VALUE_TOO_LARGE, ETCD_UNAVAILABLE, ETCD_REFUSED
 */
export async function changeConfiguration(request: ChangeRequest): Promise<ChangeReport> {
  const { etcd, deployment, sites } = request
  const working = deployment.nodes.filter(node => node.roles.length > 0)
  const plan = planConfiguration(await readConfiguration(etcd, sites), request.wanted, working)
  if (plan.files.length === 0) return { outcome: 'nothing to do' }
  for (const warning of plan.warnings) request.onWarning(warning)
  const view = viewOf(plan)
  if (!(await request.confirm(view))) return { outcome: 'declined', plan: view }

  const { force, what } = request
  const by = `${userInfo().username}@${hostname()}`
  const written = await writeConfiguration(etcd, plan, { by, what, force, now: () => new Date() })
  const onlySite = sites.length < deployment.sites.length ? sites[0] : undefined
  const undo = undoOf(plan, written.numbers, request.undoWords, onlySite)
  const rollout = await rollOut(request, plan, written.revision, working)
  const error = failureOf(rollout, undo)
  return {
    outcome: 'made',
    plan: view,
    revision: written.revision,
    numbers: Object.fromEntries(written.numbers),
    nodes: Object.fromEntries(rollout.nodes),
    undo,
    ...(error === undefined ? {} : { error }),
  }
}

function rollOut(
  { etcd, deadlineMs, signal, onNode }: ChangeRequest,
  plan: ConfigurationPlan,
  revision: number,
  nodes: readonly DeploymentNode[],
): Promise<Rollout> {
  const restarting = new Set(plan.nodes.filter(each => each.restart.length > 0).map(each => each.node))
  return waitForRollout(etcd, { nodes, files: plan.files, restarting, revision, deadlineMs, signal, onNode })
}

function viewOf({ files, nodes }: ConfigurationPlan): PlanView {
  return { nodes, files: files.map(fileViewOf) }
}

function fileViewOf(change: FileChange): FileView {
  const { site, file, changes } = change
  const isOptions = file === 'shared_config' && changes.length > 0
  return {
    site,
    file,
    options: isOptions ? changes.map(optionViewOf) : [],
    ...(isOptions ? {} : { patch: patchOf(change) }),
  }
}

function optionViewOf({ name, before, after, impact, secret }: SharedChange): OptionView {
  const shown = (value: string): string => (secret ? '(secret)' : value)
  return {
    name,
    ...(before === undefined ? {} : { before: shown(before) }),
    ...(after === undefined ? {} : { after: shown(after) }),
    impact,
  }
}

function failureOf({ ended, nodes }: Rollout, undo: string): CwError | undefined {
  const named = (kind: NodeState['kind']): readonly string[] =>
    [...nodes].filter(([, state]) => state.kind === kind).map(([node]) => node)
  const open = [...nodes].filter(([, state]) => state.kind !== 'done').map(([node]) => node)
  switch (ended) {
    case 'done':
      return undefined
    case 'failed': {
      const why = [...nodes].flatMap(([node, state]) =>
        state.kind === 'failed' ? [`${node}: ${state.why}`] : [],
      )
      return new CwError('ROLLOUT_FAILED', `the change did not go well on ${named('failed').join(', ')}`, {
        where: { host: named('failed').join(', ') },
        why: why.join('; '),
        changed: 'some',
        remedies: [`take it back: ${undo}`, `look at it: cw logs --node ${named('failed')[0] ?? ''}`],
      })
    }
    case 'deadline': {
      const silent = named('silent')
      return new CwError(
        'ROLLOUT_PENDING',
        `the change is made, and ${open.join(', ')} did not yet take it`,
        {
          where: { host: open.join(', ') },
          ...(silent.length === 0 ? {} : { why: `nothing is heard of ${silent.join(', ')}` }),
          changed: 'some',
          remedies: ['see how far it is: cw config diff', `take it back: ${undo}`],
        },
      )
    }
    case 'interrupted':
      return new CwError(
        'INTERRUPTED',
        'the change is made and goes on by itself; nobody waits for it any more',
        {
          where: { host: open.join(', ') },
          changed: 'some',
          remedies: ['see how far it is: cw config diff', `take it back: ${undo}`],
        },
      )
  }
}
