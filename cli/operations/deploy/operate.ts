import { randomBytes } from 'node:crypto'
import type { Deployment, DeploymentNode } from '../../../lib/config/deployment/deployment.ts'
import { OPTIONS } from '../../../lib/config/options.ts'
import type { EtcdClient } from '../../../lib/etcd/client.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import type { DrainLimits, EtcdView, InstalledRelease, ReleaseArtifact } from '../../fleet/actions/action.ts'
import type { Authority } from '../../fleet/certificates/authority.ts'
import { carryOut, type Ended, type StepEvent } from '../../fleet/carry-out.ts'
import type { FleetOptions } from '../../fleet/fleet.ts'
import { Journal, journalFolder, type OperationRecord, type Outcome } from '../../fleet/journal.ts'
import { holderOf, operator, OperationLock } from '../../fleet/lock.ts'
import type { Plan, Planned } from '../../fleet/plan.ts'
import type { FileDiff } from '../../fleet/plan-diff.ts'
import type { Manifest } from '../../fleet/playbook/manifest.ts'
import { loadPlaybook } from '../../fleet/playbook/playbook.ts'
import { readSecrets } from '../deployment-file.ts'
import { mirrorToEtcd, type EtcdMirror } from './mirror.ts'
import { counted, driftFound, requireKnown, requireNoVoter, settingsLeftAlone } from './objections.ts'
import { Session, type OpenedNodes } from './session.ts'

/** Operations that are playbooks. */
export type OperationName = 'deploy' | 'destroy'

/** What an operation was asked for; all of it stands in its journal, so that it can be resumed. */
export interface OperationOptions {
  readonly only?: readonly string[]
  readonly overwriteDrift?: boolean
  /** How long who serves no more is drained. Default: five minutes, and then it is stopped. */
  readonly drain?: DrainLimits
  /** A release file; absent: the one that this cw is, or the one that is installed. */
  readonly release?: string
  /** A release that lies on the nodes already. */
  readonly installed?: InstalledRelease
}

export interface OperationRequest {
  readonly operation: OperationName
  readonly deployment: Deployment
  readonly options: OperationOptions
  /** The release to put on nodes. */
  readonly release: ReleaseArtifact | undefined
  /** Goes on with this operation, under its id. */
  readonly resume?: OperationRecord
  readonly fleet: FleetOptions
  /** Finishes what has begun and begins nothing new. */
  readonly signal: AbortSignal
  /** Whether to carry out what the preview shows. */
  readonly confirm: (preview: Preview) => Promise<boolean>
  readonly onEvent: (event: StepEvent) => void
  readonly onWarning: (warning: string) => void
  readonly open?: (nodes: readonly DeploymentNode[]) => Promise<OpenedNodes>
}

export interface UnreachableNode {
  readonly node: string
  readonly code: string
  readonly message: string
}

/** Everything that would happen, to be looked at first. */
export interface Preview {
  readonly plan: Plan
  readonly diffs: readonly FileDiff[]
  readonly unreachable: readonly UnreachableNode[]
}

export interface FailedStep {
  readonly step: string
  readonly node: string
  readonly code: string
  readonly message: string
  readonly why?: string
}

/** How an operation went. `error` is set where something is left to do. */
export interface OperationReport {
  readonly outcome: 'nothing to do' | Outcome
  /** Absent where nothing was begun. */
  readonly id?: string
  readonly version?: string
  readonly done: number
  readonly failed: readonly FailedStep[]
  readonly left: readonly string[]
  readonly unreachable: readonly UnreachableNode[]
  readonly error?: CwError
}

/** Observes and plans; changes nothing. */
export async function previewOperation(request: OperationRequest): Promise<Preview> {
  await using session = await open(request)
  const { planned, etcd } = await session.plan()
  tellSettings(request, etcd)
  return await previewOf(session, planned)
}

/**
 * Observes, plans, asks, carries out. Another run of the same finds nothing to do; a run that was killed or failed in
 * part is taken up by resuming it, or by the next run.
 *
 * @throws LOCKED, DRIFT_FOUND, NODE_TAKEN, NOT_CONFIRMED (what `confirm` throws) before anything was changed
 */
export async function operate(request: OperationRequest): Promise<OperationReport> {
  await using session = await open(request)
  const { operation, resume } = request
  const id = resume?.id ?? newId()
  const lock = await OperationLock.acquire(holderOf(id, operation), session.lockShells)
  try {
    const { planned, observed, etcd, authority } = await session.plan()
    const preview = await previewOf(session, planned)
    const { plan, unreachable } = preview
    tellSettings(request, etcd)
    if (plan.drift.length > 0) throw driftFound(plan, operation)
    if (plan.steps.length === 0) {
      if (resume !== undefined) closeJournal(request, id)
      return nothingToDo(request, unreachable)
    }
    if (!(await request.confirm(preview))) {
      throw new CwError('NOT_CONFIRMED', `the ${operation} was not confirmed`, { changed: 'nothing' })
    }
    const run = new OperationRun(request, session, lock, id)
    const manifests = new Map(observed.map(({ node, manifest }) => [node.name, manifest]))
    // What takes etcd away cannot hold its lock there.
    const lockInEtcd = etcd.state === 'healthy' && operation !== 'destroy'
    return await run.carryOut({ planned, manifests, authority, unreachable, lockInEtcd })
  } finally {
    await lock.release()
  }
}

interface Begun {
  readonly planned: Planned
  readonly manifests: ReadonlyMap<string, Manifest>
  readonly authority: Authority | undefined
  readonly unreachable: readonly UnreachableNode[]
  readonly lockInEtcd: boolean
}

/** From the yes to the report: everything that happens is in the journal before it is told. */
class OperationRun {
  readonly #request: OperationRequest
  readonly #session: Session
  readonly #lock: OperationLock
  readonly #id: string
  #journal: Journal | undefined
  #mirror: EtcdMirror | undefined

  constructor(request: OperationRequest, session: Session, lock: OperationLock, id: string) {
    this.#request = request
    this.#session = session
    this.#lock = lock
    this.#id = id
  }

  /** From now on the lock is held, and the journal copied, in etcd too. */
  async useEtcd(): Promise<EtcdClient> {
    const etcd = await this.#session.etcd()
    await this.#lock.extendTo(etcd)
    if (this.#journal !== undefined) this.#mirror ??= mirrorToEtcd(etcd, this.#id, this.#journal)
    return etcd
  }

  async carryOut(begun: Begun): Promise<OperationReport> {
    const { planned, manifests, authority, unreachable, lockInEtcd } = begun
    const { deployment, operation, resume, release, signal } = this.#request
    using journal = openJournal(this.#request, this.#id)
    this.#journal = journal
    if (lockInEtcd) await this.useEtcd()
    const steps = planned.plan.steps.map(step => step.id)
    journal.append(
      resume === undefined
        ? {
            event: 'operation.started',
            ...{ id: this.#id, operation, steps, by: operator() },
            deployment: deployment.name,
            file: deployment.file,
            options: { ...this.#request.options },
          }
        : { event: 'operation.resumed', by: operator(), steps },
    )
    const ended = await carryOut(planned, {
      playbook: loadPlaybook(operation),
      nodes: deployment.nodes,
      voters: this.#session.voters,
      shells: this.#session.shells,
      ...{ manifests, release, authority },
      etcd: () => this.useEtcd(),
      stop: AbortSignal.any([signal, this.#lock.lost]),
      abort: new AbortController().signal,
      onEvent: event => {
        journal.append(event)
        this.#request.onEvent(event)
      },
    })
    const report = this.#report(ended, unreachable, release?.version)
    const outcome = report.outcome === 'nothing to do' ? 'done' : report.outcome
    const why = report.error?.message
    journal.append({ event: 'operation.ended', outcome, ...(why === undefined ? {} : { why }) })
    await this.#mirror?.flush()
    return report
  }

  #report(
    { done, failed, left, stopped }: Ended,
    unreachable: readonly UnreachableNode[],
    version: string | undefined,
  ): OperationReport {
    const base = {
      id: this.#id,
      ...(version === undefined ? {} : { version }),
      done: done.length,
      failed: failed.map(({ step, node, error }) => {
        const why = error.detail.why ?? (error.cause instanceof Error ? error.cause.message : undefined)
        return { step, node, code: error.code, message: error.message, ...(why === undefined ? {} : { why }) }
      }),
      left,
      unreachable,
    }
    if (this.#request.signal.aborted && left.length > 0) {
      return { ...base, outcome: 'interrupted', error: this.#interrupted(left) }
    }
    if (failed.length === 0 && left.length === 0 && unreachable.length === 0)
      return { ...base, outcome: 'done' }
    return { ...base, outcome: 'incomplete', error: this.#incomplete(base, stopped) }
  }

  #interrupted(left: readonly string[]): CwError {
    return new CwError('INTERRUPTED', `interrupted: ${counted(left.length, 'step')} of ${this.#id} left`, {
      why: listed(left),
      changed: 'some',
      remedies: [`do the rest: cw resume ${this.#id}`],
    })
  }

  #incomplete(
    { failed, left, unreachable }: Pick<OperationReport, 'failed' | 'left' | 'unreachable'>,
    stopped: string | undefined,
  ): CwError {
    const parts = [
      ...(failed.length === 0 ? [] : [`${counted(failed.length, 'node')} failed`]),
      ...(unreachable.length === 0 ? [] : [`${counted(unreachable.length, 'node')} could not be reached`]),
      ...(left.length === 0 ? [] : [`${counted(left.length, 'step')} left`]),
    ]
    const why = [
      ...failed.map(each => `${each.step}: ${each.message}${each.why === undefined ? '' : `: ${each.why}`}`),
      ...unreachable.map(({ node, message }) => `${node}: ${message}`),
      ...(stopped === undefined ? [] : [`stopped: ${stopped}`]),
    ]
    return new CwError(
      'OPERATION_INCOMPLETE',
      `the ${this.#request.operation} is not complete: ${parts.join(', ')}`,
      {
        why: why.join('\n'),
        changed: 'some',
        remedies: [`mend that, then do the rest: cw resume ${this.#id}`],
      },
    )
  }
}

function open(request: OperationRequest): Promise<Session> {
  const { deployment, operation, options, release, fleet, signal } = request
  requireKnown(deployment, options.only)
  if (operation === 'destroy') requireNoVoter(deployment, options.only)
  return Session.open({
    ...{ deployment, release, fleet, signal },
    playbook: loadPlaybook(operation),
    only: options.only,
    overwriteDrift: options.overwriteDrift === true,
    drain: options.drain,
    secrets: () => readSecrets(deployment),
    secretNames: [
      ...[...OPTIONS.values()].filter(option => option.secret === true).map(option => option.name),
      ...deployment.secrets.keys(),
    ],
    ...(request.open === undefined ? {} : { open: request.open }),
  })
}

async function previewOf(session: Session, planned: Planned): Promise<Preview> {
  const meant = new Set(session.meant.map(node => node.name))
  return {
    plan: planned.plan,
    diffs: await session.diffs(planned),
    unreachable: session.unreachable
      .filter(({ node }) => meant.has(node))
      .map(({ node, error }) => ({ node, code: error.code, message: error.message })),
  }
}

function tellSettings({ operation, deployment, onWarning }: OperationRequest, etcd: EtcdView): void {
  if (operation === 'deploy') settingsLeftAlone(deployment, etcd).forEach(onWarning)
}

function nothingToDo(
  { release, operation }: OperationRequest,
  unreachable: readonly UnreachableNode[],
): OperationReport {
  const report = {
    outcome: 'nothing to do' as const,
    ...(release === undefined ? {} : { version: release.version }),
    ...{ done: 0, failed: [], left: [], unreachable },
  }
  if (unreachable.length === 0) return report
  return {
    ...report,
    error: new CwError(
      'OPERATION_INCOMPLETE',
      `nothing to do on the nodes that were reached; ${counted(unreachable.length, 'node')} could not be`,
      {
        why: unreachable.map(({ node, message }) => `${node}: ${message}`).join('\n'),
        changed: 'nothing',
        remedies: [`bring them back, then: cw ${operation}`],
      },
    ),
  }
}

/** One that was begun on another machine is first told here as there: what follows would be no account without it. */
function openJournal({ deployment, resume }: OperationRequest, id: string): Journal {
  const journal = Journal.open(journalFolder(deployment.name), id)
  if (journal.empty) for (const entry of resume?.entries ?? []) journal.append(entry)
  return journal
}

/** A resumed operation of which nothing was left. */
function closeJournal(request: OperationRequest, id: string): void {
  using journal = openJournal(request, id)
  journal.append({ event: 'operation.resumed', by: operator(), steps: [] })
  journal.append({ event: 'operation.ended', outcome: 'done' })
}

/** In the order of time, and readable: `20160704T120000-1a2b`. */
function newId(now = new Date()): string {
  const time = now.toISOString().replaceAll(/[-:]|\.\d+Z$/g, '')
  return `${time}-${randomBytes(2).toString('hex')}`
}

function listed(items: readonly string[]): string {
  const shown = items.slice(0, 8)
  return [...shown, ...(items.length > shown.length ? [`and ${items.length - shown.length} more`] : [])].join(
    '\n',
  )
}
