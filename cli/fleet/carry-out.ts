import type { EtcdClient } from '../../lib/etcd/client.ts'
import { CwError } from '../../lib/kit/errors.ts'
import type { ReleaseArtifact, Tools } from './actions/action.ts'
import type { Authority } from './certificates/authority.ts'
import { actionNamed } from './actions/actions.ts'
import { Limiter } from '../../lib/kit/limiter.ts'
import { nodesOf, type Planned, type PlannedStep, type PlanNode } from './plan.ts'
import { NodeManifest, type Manifest } from './playbook/manifest.ts'
import type { Phase, Playbook } from './playbook/playbook.ts'
import type { NodeShell } from './ssh/shell.ts'

/** How many nodes change at once. */
const AT_ONCE = 16

/** What happens while a plan is carried out, as it is journalled and told. */
export type StepEvent =
  | {
      readonly event: 'phase.started'
      readonly phase: string
      readonly title: string
      readonly nodes: number
    }
  | {
      readonly event: 'step.started'
      readonly step: string
      readonly title: string
      readonly changes: readonly string[]
    }
  /** Something that goes on for long says how it stands. */
  | { readonly event: 'step.told'; readonly step: string; readonly text: string }
  | { readonly event: 'step.done'; readonly step: string; readonly ms: number }
  | { readonly event: 'step.failed'; readonly step: string; readonly error: StepError }
  | { readonly event: 'phase.stopped'; readonly phase: string; readonly why: string }

export interface StepError {
  readonly code: string
  readonly message: string
  readonly why?: string
}

export interface Ended {
  readonly done: readonly string[]
  readonly failed: readonly { readonly step: string; readonly node: string; readonly error: CwError }[]
  /** Steps of the plan that were not begun. */
  readonly left: readonly string[]
  /** Why it did not go to its end, if it did not. */
  readonly stopped?: string
}

export interface CarryOutParts {
  readonly playbook: Playbook
  /** Every node of the deployment, reached or not. */
  readonly nodes: readonly PlanNode[]
  readonly voters: readonly PlanNode[]
  readonly shells: ReadonlyMap<string, NodeShell>
  readonly manifests: ReadonlyMap<string, Manifest>
  readonly release: ReleaseArtifact | undefined
  readonly authority: Authority | undefined
  readonly etcd: () => Promise<EtcdClient>
  /** Lets what has begun come to its end, and begins nothing new. */
  readonly stop: AbortSignal
  /** Ends at once, whatever has begun. */
  readonly abort: AbortSignal
  /** Called before a step begins and after it ended; what it throws ends the operation. */
  readonly onEvent: (event: StepEvent) => void
}

/** Does what the plan says, and nothing else. A node that fails is left alone; the others go on where they safely can. */
export async function carryOut(planned: Planned, parts: CarryOutParts): Promise<Ended> {
  return new Run(planned, parts).run()
}

class Run {
  readonly #planned: Planned
  readonly #parts: CarryOutParts
  readonly #done: string[] = []
  readonly #failed: { step: string; node: string; error: CwError }[] = []
  readonly #manifests: ReadonlyMap<string, NodeManifest>
  #stopped: string | undefined

  constructor(planned: Planned, parts: CarryOutParts) {
    this.#planned = planned
    this.#parts = parts
    this.#manifests = new Map(
      [...parts.shells].flatMap(([name, shell]) => {
        const manifest = parts.manifests.get(name)
        return manifest === undefined ? [] : [[name, new NodeManifest(shell, manifest)] as const]
      }),
    )
  }

  async run(): Promise<Ended> {
    for (const phase of this.#parts.playbook.phases) {
      const steps = this.#planned.plan.steps.filter(step => step.phase === phase.name)
      if (steps.length === 0) continue
      // A cluster that cannot have a quorum would only keep those waiting who found it.
      if (phase.needs === 'majority') this.#requireEnough(phase)
      if (this.#stopped === undefined) await this.#runPhase(phase, steps)
      this.#requireEnough(phase)
      if (this.#stopped !== undefined) break
    }
    const begun = new Set([...this.#done, ...this.#failed.map(({ step }) => step)])
    return {
      done: this.#done,
      failed: this.#failed,
      left: this.#planned.plan.steps.map(step => step.id).filter(id => !begun.has(id)),
      ...(this.#stopped === undefined ? {} : { stopped: this.#stopped }),
    }
  }

  async #runPhase(phase: Phase, steps: readonly PlannedStep[]): Promise<void> {
    const byNode = Map.groupBy(steps, step => step.node)
    const { onEvent } = this.#parts
    onEvent({ event: 'phase.started', phase: phase.name, title: phase.title, nodes: byNode.size })
    const isAlone = ([, own]: [string, PlannedStep[]]): boolean =>
      own.some(step => step.changes.some(change => change.alone === true))
    const [together, alone] = [[...byNode].filter(each => !isAlone(each)), [...byNode].filter(isAlone)]
    const places = new Limiter(AT_ONCE)
    await settled(together.map(([node, own]) => places.run(() => this.#runNode(node, own))))
    for (const [node, own] of alone) {
      await this.#runNode(node, own)
      if (!this.#hasFailed(node)) continue
      // The next one would lose its service to the same trouble.
      this.#stop(phase, `${node} did not come back`)
      return
    }
  }

  async #runNode(node: string, steps: readonly PlannedStep[]): Promise<void> {
    for (const step of steps) {
      if (this.#hasFailed(node)) return
      if (this.#parts.stop.aborted) {
        this.#stopped ??= reasonOf(this.#parts.stop)
        return
      }
      await this.#runStep(step)
    }
  }

  async #runStep(step: PlannedStep): Promise<void> {
    const { onEvent } = this.#parts
    const changes = step.changes.map(change => change.summary)
    onEvent({ event: 'step.started', step: step.id, title: step.title, changes })
    const began = performance.now()
    try {
      await this.#change(step)
    } catch (cause) {
      const error = asStepError(cause, step)
      this.#failed.push({ step: step.id, node: step.node, error })
      onEvent({ event: 'step.failed', step: step.id, error: wordsOf(error) })
      return
    }
    this.#done.push(step.id)
    onEvent({ event: 'step.done', step: step.id, ms: Math.round(performance.now() - began) })
  }

  async #change({ id, node, changes }: PlannedStep): Promise<void> {
    const shell = this.#parts.shells.get(node)
    const manifest = this.#manifests.get(node)
    if (shell === undefined || manifest === undefined) throw new CwError('BUG', `${node} was not reached`)
    const tools = this.#tools(shell, id)
    await manifest.update(now =>
      changes.reduce((said, change) => actionNamed(actionOf(change)).announced?.(change, said) ?? said, now),
    )
    for (const change of changes) await actionNamed(actionOf(change)).carryOut(change, tools)
    await manifest.update(now =>
      changes.reduce((said, change) => actionNamed(actionOf(change)).recorded?.(change, said) ?? said, now),
    )
  }

  #tools(shell: NodeShell, step: string): Tools {
    const { release, authority, etcd, onEvent } = this.#parts
    return {
      shell,
      release,
      authority,
      etcd,
      signal: this.#parts.abort,
      tell: text => {
        onEvent({ event: 'step.told', step, text })
      },
      content: sha256 => {
        const text = this.#planned.contents.get(sha256)
        if (text === undefined) throw new CwError('BUG', `the plan has no text ${sha256}`)
        return text
      },
    }
  }

  #requireEnough(phase: Phase): void {
    const { nodes, voters, shells } = this.#parts
    const meant = nodesOf(phase, nodes, voters)
    const through = meant.filter(node => shells.has(node.name) && !this.#hasFailed(node.name)).length
    const enough = phase.needs === 'majority' ? through > meant.length / 2 : through > 0
    if (!enough) this.#stop(phase, `only ${through} of ${meant.length} nodes came through: ${phase.title}`)
  }

  #stop(phase: Phase, why: string): void {
    if (this.#stopped !== undefined) return
    this.#stopped = why
    this.#parts.onEvent({ event: 'phase.stopped', phase: phase.name, why })
  }

  #hasFailed(node: string): boolean {
    return this.#failed.some(failed => failed.node === node)
  }
}

/** Waits for all, also when one throws: nothing goes on behind the operation's back. */
async function settled(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find(each => each.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

function actionOf(change: PlannedStep['changes'][number]): Parameters<typeof actionNamed>[0] {
  return change.action
}

function reasonOf(signal: AbortSignal): string {
  return signal.reason instanceof Error && signal.reason.name !== 'AbortError'
    ? signal.reason.message
    : 'interrupted'
}

function asStepError(cause: unknown, { id, node }: PlannedStep): CwError {
  if (cause instanceof CwError) return cause
  return new CwError('BUG', `${id} failed`, { where: { host: node }, changed: 'some', cause })
}

function wordsOf(error: CwError): StepError {
  const why = error.detail.why ?? (error.cause instanceof Error ? error.cause.message : undefined)
  return { code: error.code, message: error.message, ...(why === undefined ? {} : { why }) }
}
