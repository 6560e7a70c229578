import { setTimeout as wait } from 'node:timers/promises'
import { daemonsOf } from '../../../lib/config/deployment/daemons.ts'
import type { Deployment, DeploymentNode } from '../../../lib/config/deployment/deployment.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { connectEtcd } from '../../fleet/etcd.ts'
import { Fleet, type FleetOptions } from '../../fleet/fleet.ts'
import { journalFolder, readOperations, type OperationRecord } from '../../fleet/journal.ts'
import { compareConfiguration } from '../config/diff.ts'
import type { Shells } from '../shells.ts'
import { judge, type ConfigurationSeen, type Judged, type NodeSeen } from './judge.ts'
import { lookAt } from './look.ts'
import { nextStep, type NextStep } from './next-step.ts'

/** A deployment on one screen. */
export interface DeploymentStatus extends Judged {
  readonly deployment: string
  readonly domain: string
  /** ISO 8601. */
  readonly at: string
  readonly next: NextStep
}

export interface StatusRequest {
  readonly deployment: Deployment
  /** Nodes that have not answered by then are told as unreachable, in milliseconds. */
  readonly deadlineMs: number
  readonly signal: AbortSignal
  readonly fleet: FleetOptions
  readonly open?: () => Shells
  /** What etcd and the nodes say of the configuration; over SSH unless a test says it. */
  readonly configuration?: () => Promise<ConfigurationSeen>
}

export interface WatchRequest extends StatusRequest {
  /** From the end of one look to the next. */
  readonly intervalMs: number
}

/** Of the deadline: a member that is off costs its share before the next is asked, and the answer is then compared. */
const ETCD_SHARE = 0.7

/** Handshakes take their turns, so that many nodes take a while although none of them is slow. */
export function defaultDeadlineMs({ nodes }: Pick<Deployment, 'nodes'>): number {
  return 3_000 + 40 * nodes.length
}

/** Looks once. Nothing is changed, and nothing waits longer than the deadline. */
export async function deploymentStatus(request: StatusRequest): Promise<DeploymentStatus> {
  await using shells = openShells(request)
  return await lookOnce(request, shells)
}

/** Looks again and again until the signal aborts, on the same connections. */
export async function* watchDeployment(request: WatchRequest): AsyncGenerator<DeploymentStatus> {
  const { signal, intervalMs } = request
  await using shells = openShells(request)
  while (!signal.aborted) {
    const status = await lookOnce(request, shells)
    yield status
    await wait(intervalMs, undefined, { signal }).catch(() => undefined)
  }
}

function openShells({ deployment, deadlineMs, fleet, open }: StatusRequest): Shells {
  if (open !== undefined) return open()
  // A host that is off is told as such before its time for all is up.
  const connectMs = Math.round(deadlineMs / 125) * 100
  return new Fleet(deployment.nodes, { ...fleet, timing: { connectMs, handshakeMs: deadlineMs } })
}

async function lookOnce(request: StatusRequest, shells: Shells): Promise<DeploymentStatus> {
  const { deployment, deadlineMs } = request
  const [nodes, configuration] = await Promise.all([
    Promise.all(deployment.nodes.map(node => lookAtNode(node, request, shells))),
    within(deadlineMs, configurationOf(request, shells)),
  ])
  const judged = judge(nodes, configuration)
  return {
    deployment: deployment.name,
    domain: deployment.domain,
    at: new Date().toISOString(),
    ...judged,
    next: nextStep(judged, unfinished(deployment, judged)),
  }
}

async function lookAtNode(
  node: DeploymentNode,
  { deployment, deadlineMs }: StatusRequest,
  shells: Shells,
): Promise<NodeSeen> {
  const { name, address, site, roles } = node
  try {
    const daemons = daemonsOf(node, deployment)
    const value = await lookAt(shells.shell(name), node, daemons, { deadlineMs, now: Date.now })
    return { name, address, site, roles, seen: { ok: true, value } }
  } catch (error) {
    if (!(error instanceof CwError)) throw error
    return { name, address, site, roles, seen: { ok: false, error } }
  }
}

async function configurationOf(request: StatusRequest, shells: Shells): Promise<ConfigurationSeen> {
  const { deployment, deadlineMs, configuration } = request
  if (configuration !== undefined) return configuration()
  try {
    await using etcd = await connectEtcd(deployment, {
      shellOf: node => shells.shell(node.name),
      // Nobody waits for an election here: what is said of the nodes shows that there is none to ask.
      deadlineMs: Math.round(deadlineMs * ETCD_SHARE),
    })
    return await compareConfiguration(etcd, deployment, deployment.sites)
  } catch (error) {
    if (!(error instanceof CwError)) throw error
    return { unknown: `etcd cannot be asked: ${error.message}` }
  }
}

async function within(deadlineMs: number, work: Promise<ConfigurationSeen>): Promise<ConfigurationSeen> {
  const late = new AbortController()
  const timeout = wait(deadlineMs, { unknown: 'etcd does not answer in time' }, { signal: late.signal })
  // Aborted when the work is done first: nobody waits for it any more.
  timeout.catch(() => undefined)
  try {
    return await Promise.race([work, timeout])
  } finally {
    late.abort()
    work.catch(() => undefined)
  }
}

/** The last operation from this machine, if it left something to do and nobody is at it. */
function unfinished({ name }: Deployment, { running }: Judged): OperationRecord | undefined {
  const [last] = running.length > 0 ? [] : readOperations(journalFolder(name))
  return last === undefined || last.outcome === 'done' ? undefined : last
}
