import { CwError } from '../../lib/kit/errors.ts'
import type { DrainLimits, Drift, EtcdView, Look, ReleaseArtifact } from './actions/action.ts'
import { CASSANDRA_UNIT } from './actions/cassandra-member.ts'
import type { Authority } from './certificates/authority.ts'
import { ACTIONS, actionNamed, type Change } from './actions/actions.ts'
import { sha256Of } from './playbook/digest.ts'
import type { Facts } from './playbook/facts.ts'
import { MANIFEST_PATH, type Manifest } from './playbook/manifest.ts'
import type { Phase, Playbook, Selector, Step } from './playbook/playbook.ts'
import type { Probe } from './playbook/probe.ts'

/** A node as far as a playbook is concerned. */
export interface PlanNode {
  readonly name: string
  readonly address: string
  readonly roles: readonly string[]
  readonly sharesRegistrations?: boolean
  readonly sharesSubscribers?: boolean
}

/** One step on one node, and what it will change there. */
export interface PlannedStep {
  /** `phase/step@node`: what the journal calls it. */
  readonly id: string
  readonly phase: string
  readonly node: string
  readonly title: string
  readonly changes: readonly Change[]
}

/** What an operation will do: data, which prints as JSON and is carried out exactly as it says. */
export interface Plan {
  readonly operation: string
  readonly deployment: string
  /** The release that is put on the nodes. */
  readonly version?: string
  /** In the order in which they are done. */
  readonly steps: readonly PlannedStep[]
  /** Files that others have edited, and which are therefore left as they are. */
  readonly drift: readonly (Drift & { readonly node: string })[]
}

/** A plan, and beside it the texts it speaks of by their digests, which may hold secrets. */
export interface Planned {
  readonly plan: Plan
  readonly contents: ReadonlyMap<string, string>
}

export interface Observed {
  readonly node: PlanNode
  readonly facts: Facts
  readonly manifest: Manifest
}

export interface PlanRequest {
  readonly playbook: Playbook
  readonly deployment: string
  readonly sites: readonly string[]
  readonly voters: readonly PlanNode[]
  readonly release: ReleaseArtifact | undefined
  readonly authority: Authority | undefined
  readonly etcd: EtcdView
  /** Nodes that could be looked at. */
  readonly observed: readonly Observed[]
  /** Write over what others have edited; a copy stays beside it. */
  readonly overwriteDrift: boolean
  readonly drain?: DrainLimits | undefined
  readonly render: (node: PlanNode, template: string) => string
}

/** Everything the playbook wants to know of a node. */
export function probesOf(
  playbook: Playbook,
  node: PlanNode,
  voters: readonly PlanNode[],
  release: ReleaseArtifact | undefined,
): readonly Probe[] {
  const phases = playbook.phases.filter(phase => isMeant(phase.on, node, voters))
  const tasks = phases.flatMap(phase => phase.steps).flatMap(step => step.tasks)
  return [
    { ask: 'content', subject: MANIFEST_PATH },
    ...tasks.flatMap(task =>
      actionNamed(task.action).probes(task.params, { address: node.address, release }),
    ),
  ]
}

/** What has to change. Pure: the same answers give the same plan. */
export function planOperation(request: PlanRequest): Planned {
  const contents = new Map<string, string>()
  const planners = request.observed.map(observed => new NodePlanner(observed, request, contents))
  const steps: PlannedStep[] = []
  for (const phase of request.playbook.phases) {
    for (const planner of planners) {
      if (!isMeant(phase.on, planner.node, request.voters)) continue
      if (phase.on === 'one-voter' && planner !== firstVoter(planners, request)) continue
      steps.push(...planner.plan(phase))
    }
  }
  const { release } = request
  return {
    plan: {
      operation: request.playbook.operation,
      deployment: request.deployment,
      ...(release === undefined ? {} : { version: release.version }),
      steps,
      drift: planners.flatMap(planner => planner.drift),
    },
    contents,
  }
}

function firstVoter(planners: readonly NodePlanner[], { voters }: PlanRequest): NodePlanner | undefined {
  return planners.find(planner => isMeant('voters', planner.node, voters))
}

/** Whether a phase is about a node. */
export function isMeant(selector: Selector, node: PlanNode, voters: readonly PlanNode[]): boolean {
  switch (selector) {
    case 'all':
      return true
    case 'voters':
    case 'one-voter':
      return voters.some(voter => voter.name === node.name)
    case 'memcached':
      return node.sharesRegistrations === true
    case 'cassandra':
      return node.sharesSubscribers === true
    default:
      return node.roles.includes(selector)
  }
}

/**
 * Recorded units of roles that the node has no more. Those of etcd are not among them: a member that is only stopped
 * would still count for the quorum.
 */
function retiredUnits({ playbook, voters }: PlanRequest, { node, manifest }: Observed): readonly string[] {
  const unitsOf = (phases: readonly Phase[]): readonly string[] =>
    phases
      .flatMap(phase => phase.steps.flatMap(step => step.tasks))
      .flatMap(({ action, params }) => (action === 'unit' ? [ACTIONS.unit.schema.parse(params).name] : []))
  const wanted = new Set(unitsOf(playbook.phases.filter(phase => isMeant(phase.on, node, voters))))
  const ofRoles = new Set(unitsOf(playbook.phases.filter(phase => isRole(phase.on))))
  return Object.keys(manifest.units).filter(unit => ofRoles.has(unit) && !wanted.has(unit))
}

function isRole(selector: Selector): boolean {
  return selector !== 'all' && selector !== 'voters' && selector !== 'one-voter'
}

/** Nodes of a phase among those given. */
export function nodesOf<N extends PlanNode>(
  phase: Phase,
  nodes: readonly N[],
  voters: readonly PlanNode[],
): readonly N[] {
  return nodes.filter(node => isMeant(phase.on, node, voters))
}

/** Goes through one node's steps in order, remembering what earlier ones want there. */
class NodePlanner {
  readonly node: PlanNode
  readonly drift: (Drift & { readonly node: string })[] = []
  readonly #wanted = new Map<string, string>()
  readonly #observed: Observed
  readonly #request: PlanRequest
  readonly #cassandra: Look['cassandra']
  readonly #contents: Map<string, string>

  constructor(observed: Observed, request: PlanRequest, contents: Map<string, string>) {
    this.node = observed.node
    this.#observed = observed
    this.#request = request
    this.#cassandra = cassandraSeen(observed.node, request.observed)
    this.#contents = contents
  }

  plan(phase: Phase): readonly PlannedStep[] {
    return phase.steps.flatMap(step => {
      const changes = this.#changes(step)
      if (changes.length === 0) return []
      const id = `${phase.name}/${step.name}@${this.node.name}`
      return [{ id, phase: phase.name, node: this.node.name, title: step.title, changes }]
    })
  }

  #changes(step: Step): readonly Change[] {
    const changes: Change[] = []
    for (const task of step.tasks) {
      const found = actionNamed(task.action).changes(task.params, this.#look(changes.length > 0))
      for (const change of found as readonly Change[]) {
        if (change.drift === undefined || this.#request.overwriteDrift) changes.push(change)
        else this.drift.push({ ...change.drift, node: this.node.name })
      }
    }
    return changes
  }

  #look(changing: boolean): Look {
    const { deployment, sites, etcd, voters, release, authority, drain, render } = this.#request
    return {
      ...{ deployment, sites, etcd, voters, release, authority, changing },
      ...(drain === undefined ? {} : { drain }),
      cassandra: this.#cassandra,
      node: this.node.name,
      address: this.node.address,
      facts: this.#observed.facts,
      manifest: this.#observed.manifest,
      retired: retiredUnits(this.#request, this.#observed),
      wanted: this.#wanted,
      render: template => render(this.node, template),
      keep: text => {
        const sha256 = sha256Of(text)
        this.#contents.set(sha256, text)
        return sha256
      },
    }
  }
}

/** The first one that could be looked at founds the cluster, unless somebody has been started in it before. */
function cassandraSeen(node: PlanNode, observed: readonly Observed[]): Look['cassandra'] {
  const sharing = observed.filter(each => each.node.sharesSubscribers === true)
  const founded = observed.some(({ manifest }) => manifest.units[CASSANDRA_UNIT] !== undefined)
  return { founds: !founded && sharing[0]?.node.name === node.name, stays: sharing.length > 0 }
}

/** @throws NODE_TAKEN where another deployment lives on a node. */
export function requireOwn(deployment: string, observed: readonly Observed[]): void {
  const taken = observed.filter(({ manifest }) => manifest.deployment !== deployment)
  const [first] = taken
  if (first === undefined) return
  const names = taken.map(({ node, manifest }) => `${node.name} (${manifest.deployment})`).join(', ')
  throw new CwError('NODE_TAKEN', `another deployment lives on ${names}`, {
    where: { host: first.node.name },
    changed: 'nothing',
    remedies: ['destroy it with its own deployment file: cw destroy', 'or take other hosts'],
  })
}
