import type { OperationRecord } from '../../fleet/journal.ts'
import {
  MOST_CLOCK_DIFFERENCE_MS,
  MOST_DISK_SHARE,
  NOT_SHARED,
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
  const missing = redundant.why.filter(reason => reason !== NOT_SHARED)
  const reached = nodes.filter(node => node.reachable)
  if (reached.length === 0) return { command: 'cw check', why: 'no node can be reached' }
  if (reached.every(node => !node.deployed)) return { command: 'cw deploy', why: 'nothing is deployed yet' }
  return (
    trouble(nodes) ??
    (inSync.verdict === 'no' ? outOfSync(reached, inSync.why) : undefined) ??
    (redundant.verdict === 'no' && missing.length > 0
      ? { why: `nothing is broken; another node would help: ${missing.join('; ')}` }
      : { why: 'nothing to do' })
  )
}

function trouble(nodes: readonly NodeStatus[]): NextStep | undefined {
  const lost = nodes.find(node => !node.reachable)
  if (lost !== undefined) {
    return { command: `cw check --node ${lost.name}`, why: `${lost.name} cannot be reached` }
  }
  for (const { name, daemons, deployed } of nodes) {
    const bad = deployed ? daemons.find(daemon => !daemon.well && daemon.unit !== 'absent') : undefined
    if (bad !== undefined) {
      const state = bad.unit === 'active' ? `runs and its health page is ${bad.health}` : `is ${bad.unit}`
      return { command: `cw logs --node ${name} --since 15m`, why: `${bad.daemon} on ${name} ${state}` }
    }
  }
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

function outOfSync(nodes: readonly NodeStatus[], why: readonly string[]): NextStep {
  const incomplete = nodes.some(node => !node.deployed || node.daemons.some(({ unit }) => unit === 'absent'))
  const releases = new Set(nodes.map(node => node.release))
  const waiting = nodes.flatMap(({ name, daemons }) =>
    daemons.filter(each => each.waitsForRestart.length > 0).map(each => ({ name, daemon: each.daemon })),
  )[0]
  const [first = ''] = why
  if (incomplete || releases.size > 1) return { command: 'cw deploy', why: first }
  if (waiting !== undefined) {
    return { command: `cw restart ${waiting.daemon} --node ${waiting.name}`, why: first }
  }
  return { command: 'cw config diff', why: first }
}

function dateOf(iso: string): string {
  return iso.slice(0, 16).replace('T', ' ')
}
