import { ROLES_FOR_CALLS, type DaemonOnNode } from '../../../lib/config/deployment/daemons.ts'
import { ROLES, type Role } from '../../../lib/config/deployment/deployment.ts'
import type { CwError } from '../../../lib/kit/errors.ts'
import type { LockHolder } from '../../fleet/lock.ts'
import type { ConfigurationDifferences } from '../config/diff.ts'
import type { DaemonSighting, Sighting } from './look.ts'

/** A node's clock may differ by so much before digests and leases suffer. */
export const MOST_CLOCK_DIFFERENCE_MS = 2_000
/** Above it a disk is filling up. */
export const MOST_DISK_SHARE = 0.9

/** An answer, and each reason why it is not a plain yes. */
export interface Verdict {
  readonly verdict: 'yes' | 'partly' | 'no' | 'unknown'
  readonly why: readonly string[]
}

/** A node and what was seen of it. */
export interface NodeSeen {
  readonly name: string
  readonly address: string
  readonly site: string
  readonly roles: readonly Role[]
  readonly seen:
    { readonly ok: true; readonly value: Sighting } | { readonly ok: false; readonly error: CwError }
}

/** The shared configuration against the nodes; or why nobody knows. */
export type ConfigurationSeen = ConfigurationDifferences | { readonly unknown: string }

export interface NodeStatus {
  readonly name: string
  readonly address: string
  readonly site: string
  readonly roles: readonly Role[]
  readonly reachable: boolean
  /** Why it is not. */
  readonly error?: { readonly code: string; readonly message: string }
  readonly release?: string
  readonly deployed: boolean
  readonly daemons: readonly (DaemonSighting & { readonly well: boolean })[]
  readonly configuration: {
    readonly state: 'in sync' | 'out of sync' | 'unknown'
    readonly why: readonly string[]
    /** It stands in the queue of restarts. */
    readonly restarting?: true
  }
  readonly diskUsed?: number
  readonly clockAheadMs?: number
}

export interface Judged {
  readonly serving: Verdict
  readonly redundant: Verdict
  readonly inSync: Verdict
  readonly running: readonly LockHolder[]
  readonly nodes: readonly NodeStatus[]
}

/** What is to be thought of what was seen. */
export function judge(nodes: readonly NodeSeen[], configuration: ConfigurationSeen): Judged {
  const statuses = nodes.map(node => statusOf(node, configuration))
  const holders = nodes.flatMap(({ seen }) => (seen.ok && seen.value.holder ? [seen.value.holder] : []))
  return {
    serving: servingOf(statuses),
    redundant: redundantOf(statuses),
    inSync: inSyncOf(statuses, configuration),
    running: [...new Map(holders.map(holder => [holder.id, holder])).values()],
    nodes: statuses,
  }
}

/** A daemon whose unit runs and whose health page says yes. */
export function isWell({ unit, health }: Pick<DaemonSighting, 'unit' | 'health'>): boolean {
  return unit === 'active' && health === 'ok'
}

function statusOf(node: NodeSeen, configuration: ConfigurationSeen): NodeStatus {
  const { name, address, site, roles, seen } = node
  const own = { name, address, site, roles }
  if (!seen.ok) {
    const { code, message } = seen.error
    return {
      ...own,
      reachable: false,
      error: { code, message },
      deployed: false,
      daemons: [],
      configuration: { state: 'unknown', why: [] },
    }
  }
  const { release, disk, clockAheadMs, daemons } = seen.value
  return {
    ...own,
    reachable: true,
    ...(release === undefined ? {} : { release }),
    deployed: release !== undefined,
    daemons: daemons.map(daemon => ({ ...daemon, well: isWell(daemon) })),
    configuration: configurationOf(name, configuration),
    ...(disk === undefined ? {} : { diskUsed: 1 - disk.availableKiB / disk.totalKiB }),
    clockAheadMs,
  }
}

const DIFFERENCES = {
  silent: 'its config-manager does not report',
  missing: 'is missing',
  behind: 'is older than in etcd',
  drift: 'was edited by hand',
  refused: 'is refused',
  fault: 'has trouble',
  queued: 'has yet to restart for what it has',
} as const

function configurationOf(node: string, seen: ConfigurationSeen): NodeStatus['configuration'] {
  if ('unknown' in seen) return { state: 'unknown', why: [seen.unknown] }
  const own = seen.nodes.filter(each => each.node === node)
  const why = own.map(({ file, kind, detail }) =>
    [file, detail === undefined ? DIFFERENCES[kind] : `${DIFFERENCES[kind]}: ${detail}`]
      .filter(part => part !== undefined)
      .join(' '),
  )
  return {
    state: own.length === 0 ? 'in sync' : 'out of sync',
    why,
    ...(own.some(({ kind }) => kind === 'queued') ? { restarting: true } : {}),
  }
}

/** How many nodes do it well, of those that should. */
function nodesWith(
  nodes: readonly NodeStatus[],
  daemon: DaemonOnNode,
): { readonly of: number; readonly well: number } {
  const meant = nodes.filter(
    node =>
      (node.roles as readonly string[]).includes(daemon) || node.daemons.some(each => each.daemon === daemon),
  )
  const well = meant.filter(node => node.daemons.some(each => each.daemon === daemon && each.well))
  return { of: meant.length, well: well.length }
}

/** Roles without which there are no calls, and which no node does well. */
export function rolesStopped(nodes: readonly NodeStatus[]): readonly Role[] {
  return ROLES_FOR_CALLS.filter(role => nodesWith(nodes, role).well === 0)
}

function servingOf(nodes: readonly NodeStatus[]): Verdict {
  if (nodes.every(node => !node.reachable)) return { verdict: 'unknown', why: ['no node can be reached'] }
  const lost = (role: Role): boolean => nodesWith(nodes, role).well === 0
  const stopped = rolesStopped(nodes)
  const without = (role: Role): string =>
    nodesWith(nodes, role).of === 0 ? `no node has the role ${role}` : `no ${role} works`
  if (stopped.length > 0) return { verdict: 'no', why: stopped.map(without) }
  const others = ROLES.filter(
    role =>
      !(ROLES_FOR_CALLS as readonly Role[]).includes(role) && nodesWith(nodes, role).of > 0 && lost(role),
  )
  if (others.length > 0)
    return { verdict: 'partly', why: others.map(role => `${without(role)}; calls go on`) }
  return { verdict: 'yes', why: [] }
}

/** Does service go on when any one node is lost? */
function redundantOf(nodes: readonly NodeStatus[]): Verdict {
  if (nodes.every(node => !node.reachable)) return { verdict: 'unknown', why: ['no node can be reached'] }
  const why = ROLES_FOR_CALLS.flatMap(role => {
    const { of, well } = nodesWith(nodes, role)
    if (of === 0) return [`no node has the role ${role}`]
    if (well >= 2) return []
    return [well === of ? `only ${well} ${role}` : `only ${well} of ${of} ${role} works`]
  })
  const etcd = nodesWith(nodes, 'etcd')
  const majority = Math.floor(etcd.of / 2) + 1
  if (etcd.well <= majority && etcd.of > 0) {
    const spare = etcd.well < majority ? 'which is no majority' : 'the next one lost ends its majority'
    why.push(`${etcd.well} of ${etcd.of} etcd members work, ${spare}`)
  }
  return { verdict: why.length === 0 ? 'yes' : 'no', why }
}

function inSyncOf(nodes: readonly NodeStatus[], configuration: ConfigurationSeen): Verdict {
  const reached = nodes.filter(node => node.reachable)
  const bare = reached.filter(node => !node.deployed)
  const deployed = reached.filter(node => node.deployed)
  const releases = new Set(deployed.map(node => node.release))
  const old = deployed.filter(node =>
    node.daemons.some(({ version }) => version !== undefined && version !== node.release),
  )
  const why = [
    ...(bare.length === 0 ? [] : [`nothing is deployed on ${listed(bare)}`]),
    ...(releases.size > 1 ? [`${releases.size} releases: ${[...releases].join(', ')}`] : []),
    ...(old.length === 0 ? [] : [`an older release still runs on ${listed(old)}`]),
    ...deployed.flatMap(({ name, daemons }) =>
      daemons
        .filter(({ waitsForRestart }) => waitsForRestart.length > 0)
        .map(each => `${each.daemon} on ${name} needs a restart for ${each.waitsForRestart.join(', ')}`),
    ),
    ...deployed
      .filter(({ configuration: own }) => own.state === 'out of sync')
      .map(({ name, configuration: own }) => `${name}: ${own.why.join('; ')}`),
  ]
  if ('settings' in configuration && configuration.settings.length > 0) {
    const names = new Set(configuration.settings.map(({ name }) => name))
    why.push(`etcd and the deployment file differ in ${[...names].join(', ')}`)
  }
  if (why.length > 0) return { verdict: 'no', why }
  if ('unknown' in configuration) return { verdict: 'unknown', why: [configuration.unknown] }
  const silent = nodes.filter(node => !node.reachable)
  if (silent.length > 0) return { verdict: 'unknown', why: [`${listed(silent)} cannot be asked`] }
  return { verdict: 'yes', why: [] }
}

const MOST_NAMES = 4

function listed(nodes: readonly { readonly name: string }[]): string {
  const names = nodes.slice(0, MOST_NAMES).map(node => node.name)
  const more = nodes.length - names.length
  return more === 0 ? names.join(', ') : `${names.join(', ')} and ${more} more`
}
