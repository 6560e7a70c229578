import { ROLES_FOR_CALLS } from '../../../lib/config/deployment/daemons.ts'
import { ROLES } from '../../../lib/config/deployment/deployment.ts'
import type { OperationRecord } from '../../fleet/journal.ts'
import {
  MOST_CLOCK_DIFFERENCE_MS,
  MOST_DISK_SHARE,
  rolesStopped,
  type Judged,
  type NodeStatus,
} from './judge.ts'

/** The one thing that helps most now. Without a command there is nothing to do. */
export interface NextStep {
  readonly command?: string
  readonly why: string
}

/** What to do next: the first thing in the way comes first, then what service suffers from most. */
export function nextStep(judged: Judged, unfinished: OperationRecord | undefined): NextStep {
  const { nodes, running, redundant, inSync } = judged
  const [holder] = running
  if (holder !== undefined) {
    return { command: 'cw status --watch', why: `wait for cw ${holder.operation} of ${holder.by}` }
  }
  if (unfinished !== undefined) {
    return {
      command: 'cw resume',
      why: `cw ${unfinished.operation} of ${dateOf(unfinished.at)} is half done`,
    }
  }
  const reached = nodes.filter(node => node.reachable)
  if (reached.length === 0) return { command: 'cw check', why: 'no node can be reached' }
  if (reached.every(node => !node.deployed)) return { command: 'cw deploy', why: 'nothing is deployed yet' }
  return (
    trouble(nodes) ??
    (inSync.verdict === 'no' ? outOfSync(reached, inSync.why) : undefined) ??
    (redundant.verdict === 'no'
      ? { why: `nothing is broken; another node would help: ${redundant.why.join('; ')}` }
      : { why: 'nothing to do' })
  )
}

function trouble(nodes: readonly NodeStatus[]): NextStep | undefined {
  const [worst] = illsOf(nodes).toSorted((a, b) => compareRanks(a.rank, b.rank))
  if (worst !== undefined) return worst.step
  const full = nodes.find(({ diskUsed }) => diskUsed !== undefined && diskUsed > MOST_DISK_SHARE)
  if (full !== undefined)
    return { command: `cw ssh ${full.name}`, why: `the disk of ${full.name} is nearly full` }
  const early = nodes.find(({ clockAheadMs = 0 }) => Math.abs(clockAheadMs) > MOST_CLOCK_DIFFERENCE_MS)
  if (early !== undefined) {
    return {
      command: `cw ssh ${early.name}`,
      why: `the clock of ${early.name} is wrong; look at timedatectl`,
    }
  }
  return undefined
}

/** Something that does not work. Of two ranks the one that is smaller at the first place where they differ is worse. */
interface Ill {
  readonly step: NextStep
  readonly rank: readonly number[]
}

/** What stops calls is worst; then a lost node, a unit that does not run, and one that is not well. */
function illsOf(nodes: readonly NodeStatus[]): readonly Ill[] {
  const stopped: readonly string[] = rolesStopped(nodes)
  return nodes.flatMap(({ name, reachable, roles, deployed, daemons }): readonly Ill[] => {
    if (!reachable) {
      const step = { command: `cw check --node ${name}`, why: `${name} cannot be reached` }
      return [{ step, rank: [Number(!roles.some(role => stopped.includes(role))), 0] }]
    }
    const bad = deployed ? daemons.filter(daemon => !daemon.well && daemon.unit !== 'absent') : []
    return bad.map(({ daemon, unit, health }) => {
      const state = unit === 'active' ? `runs and its health page is ${health}` : `is ${unit}`
      return {
        step: { command: `cw logs --node ${name} --since 15m`, why: `${daemon} on ${name} ${state}` },
        rank: [Number(!stopped.includes(daemon)), 1, Number(unit === 'active'), placeOf(daemon)],
      }
    })
  })
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index])
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0)
}

/** Calls suffer first from roles they go through, then from other roles, and last from what only follows etcd. */
function placeOf(daemon: string): number {
  if ((ROLES_FOR_CALLS as readonly string[]).includes(daemon)) return 0
  return (ROLES as readonly string[]).includes(daemon) ? 1 : 2
}

function outOfSync(nodes: readonly NodeStatus[], why: readonly string[]): NextStep {
  const incomplete = nodes.some(node => !node.deployed || node.daemons.some(({ unit }) => unit === 'absent'))
  const releases = new Set(nodes.map(node => node.release))
  const waiting = nodes.flatMap(({ name, daemons }) =>
    daemons.filter(each => each.waitsForRestart.length > 0).map(each => ({ name, daemon: each.daemon })),
  )[0]
  const [first = ''] = why
  if (incomplete || releases.size > 1) return { command: 'cw deploy', why: first }
  const queued = nodes.find(({ configuration }) => configuration.restarting)
  if (queued !== undefined) {
    return { command: 'cw status --watch', why: `${queued.name} has its turn to restart, or waits for it` }
  }
  if (waiting !== undefined) {
    return { command: `cw restart ${waiting.daemon} --node ${waiting.name}`, why: first }
  }
  return { command: 'cw config diff', why: first }
}

function dateOf(iso: string): string {
  return iso.slice(0, 16).replace('T', ' ')
}
