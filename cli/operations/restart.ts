import { randomUUID } from 'node:crypto'
import { daemonsOf, healthPortOf, unitOf, type DaemonOnNode } from '../../lib/config/deployment/daemons.ts'
import type { Deployment, DeploymentNode } from '../../lib/config/deployment/deployment.ts'
import { etcdVoters } from '../../lib/config/deployment/voters.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { Fleet, forEach, type FleetOptions } from '../fleet/fleet.ts'
import { holderOf, OperationLock } from '../fleet/lock.ts'
import type { NodeShell } from '../fleet/ssh/shell.ts'
import type { Shells } from './shells.ts'

/** Daemons of one node that are restarted together, before the next node's turn. */
export interface RestartTarget {
  readonly node: string
  readonly daemons: readonly DaemonOnNode[]
}

export interface RestartRequest {
  readonly deployment: Deployment
  readonly targets: readonly RestartTarget[]
  /** How long a daemon has to be healthy again once it runs. */
  readonly healthySeconds: number
  readonly fleet: FleetOptions
  readonly signal: AbortSignal
  readonly onNode: (target: RestartTarget, state: 'restarts' | 'is back') => void
  readonly open?: () => Shells
}

export interface RestartReport {
  readonly restarted: readonly RestartTarget[]
  /** Those whose turn did not come. */
  readonly left: readonly RestartTarget[]
  /** Why not all are back. */
  readonly error?: CwError
}

/**
 * What a restart is about, a node at a time in the order of the deployment file.
 *
 * @param daemon absent: all of the node, but etcd, which only follows its own name
 * @throws CwError USAGE if it runs on none of the nodes
 */
export function restartTargets(
  deployment: Deployment,
  nodes: readonly DeploymentNode[],
  daemon: DaemonOnNode | undefined,
): readonly RestartTarget[] {
  const targets = nodes.flatMap((node): readonly RestartTarget[] => {
    const daemons = daemonsOf(node, deployment).filter(each =>
      daemon === undefined ? each !== 'etcd' : each === daemon,
    )
    return daemons.length === 0 ? [] : [{ node: node.name, daemons }]
  })
  if (targets.length > 0) return targets
  throw new CwError('USAGE', `${daemon ?? 'nothing'} runs on none of these nodes`, {
    why: nodes.map(node => `${node.name}: ${daemonsOf(node, deployment).join(', ')}`).join('\n'),
    changed: 'nothing',
  })
}

/** Restarts each unit and waits until its health page says yes; the first that does not come back ends it. */
const RESTART = String.raw`
limit=$1; shift
ask='exec 3<>"/dev/tcp/$1/$2" && printf "GET /health HTTP/1.0\r\nHost: %s\r\n\r\n" "$1" >&3 && read -r _ code _ <&3 && echo "$code"'
while [ $# -gt 0 ]; do
  systemctl reset-failed "$1" 2>/dev/null
  systemctl restart "$1" || { echo "cw-fact failed $1"; exit 1; }
  end=$(($(date +%s) + limit))
  until [ "$(timeout 3 bash -c "$ask" sh "$2" "$3" 2>/dev/null)" = 200 ]; do
    [ "$(date +%s)" -ge "$end" ] && { echo "cw-fact sick $1"; exit 1; }
    sleep 0.3
  done
  shift 3
done
`
/** A drain, and a start that waits for readiness, before the health page is asked. */
const UNIT_DEADLINE_MS = 120_000

/**
 * Restarts daemons, one node at a time; the next one's turn comes when the last is healthy again.
 *
 * @throws CwError LOCKED, NODE_UNREACHABLE before anything was restarted
 */
export async function restartDaemons(request: RestartRequest): Promise<RestartReport> {
  const { deployment, targets, fleet, signal, onNode, open } = request
  await using shells: Shells = open?.() ?? new Fleet(deployment.nodes, fleet)
  const voters = await reachable(etcdVoters(deployment), shells)
  const lock = await OperationLock.acquire(holderOf(randomUUID(), 'restart'), voters)
  const restarted: RestartTarget[] = []
  try {
    for (const target of targets) {
      if (signal.aborted || lock.lost.aborted) break
      onNode(target, 'restarts')
      await restartNode(target, request, shells.shell(target.node))
      onNode(target, 'is back')
      restarted.push(target)
    }
  } catch (error) {
    if (!(error instanceof CwError)) throw error
    return { restarted, left: targets.slice(restarted.length + 1), error }
  } finally {
    await lock.release()
  }
  const left = targets.slice(restarted.length)
  if (left.length === 0) return { restarted, left }
  const names = left.map(({ node }) => node).join(', ')
  return { restarted, left, error: new CwError('INTERRUPTED', `ended before ${names}`, { changed: 'some' }) }
}

async function restartNode(
  { node, daemons }: RestartTarget,
  { deployment, healthySeconds }: RestartRequest,
  shell: NodeShell,
): Promise<void> {
  const address = deployment.nodes.find(each => each.name === node)?.address ?? ''
  const units = daemons.flatMap(daemon => [unitOf(daemon), address, String(healthPortOf(daemon))])
  // Not cut short by Ctrl-C: half a restart is worse than a whole one.
  const { code, stdout, stderr } = await shell.script(RESTART, [String(healthySeconds), ...units], {
    sudo: true,
    deadlineMs: daemons.length * (UNIT_DEADLINE_MS + healthySeconds * 1000),
  })
  if (code === 0) return
  const [, state, unit = ''] = /^cw-fact (failed|sick) clearwater-(.*)\.service$/m.exec(stdout) ?? []
  const where = { host: node }
  const remedies = [`cw logs --node ${node} --since 5m`]
  if (state === 'sick') {
    throw new CwError(
      'NOT_HEALTHY',
      `${unit} on ${node} is not healthy ${healthySeconds} s after its restart`,
      {
        ...{ where, remedies, changed: 'some' },
      },
    )
  }
  const why = stderr.trim().split('\n').slice(-3).join(' / ')
  throw new CwError('UNIT_FAILED', `${unit || 'a unit'} on ${node} did not restart`, {
    ...{ where, why, remedies, changed: 'some' },
  })
}

async function reachable(voters: readonly DeploymentNode[], shells: Shells): Promise<readonly NodeShell[]> {
  const all = voters.map(voter => shells.shell(voter.name))
  const outcomes = await forEach(all, shell => shell.run(['true'], { idempotent: true }))
  const reached = all.filter((_, index) => outcomes[index]?.ok)
  const [first] = outcomes.flatMap(outcome => (outcome.ok ? [] : [outcome.error]))
  if (reached.length * 2 > all.length || first === undefined) return reached
  throw new CwError(first.code, 'most of the nodes that keep the operation lock cannot be reached', {
    why: outcomes
      .flatMap(outcome => (outcome.ok ? [] : [`${outcome.node}: ${outcome.error.message}`]))
      .join('\n'),
    changed: 'nothing',
    remedies: ['see why: cw check --only REACH'],
    cause: first,
  })
}
