import type { Deployment } from '../../../lib/config/deployment/deployment.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import type { InstalledRelease, ReleaseArtifact } from '../../fleet/actions/action.ts'
import { releasesOn, type NodeReleases } from '../../fleet/actions/release.ts'
import { Fleet, forEach, type FleetOptions } from '../../fleet/fleet.ts'
import type { Shells } from '../shells.ts'
import { rollbackOrder, upgradeOrder } from './order.ts'
import type { Move } from './roll-out.ts'

/** The releases of all nodes by their names. */
export type DeployedReleases = ReadonlyMap<string, NodeReleases>

/**
 * Which releases are on the nodes.
 *
 * @throws CwError NODE_UNREACHABLE: while a node is down, the others are not restarted too
 */
export async function deployedReleases(
  deployment: Deployment,
  options: FleetOptions,
  open?: () => Shells,
): Promise<DeployedReleases> {
  await using fleet: Shells = open?.() ?? new Fleet(deployment.nodes, options)
  const outcomes = await forEach(
    deployment.nodes.map(({ name }) => fleet.shell(name)),
    releasesOn,
  )
  const unreachable = outcomes.flatMap(outcome => (outcome.ok ? [] : [outcome]))
  const [first] = unreachable
  if (first !== undefined) {
    throw new CwError(first.error.code, 'releases are not changed while a node is down', {
      where: { host: unreachable.map(({ node }) => node).join(', ') },
      why: unreachable.map(({ node, error }) => `${node}: ${error.message}`).join('\n'),
      changed: 'nothing',
      remedies: ['bring it back: cw status'],
      cause: first.error,
    })
  }
  return new Map(outcomes.flatMap(outcome => (outcome.ok ? [[outcome.node, outcome.value] as const] : [])))
}

/**
 * The nodes that are to get a release, in their order; those that run it already are left out.
 *
 * @throws CwError USAGE where nothing of ours runs yet
 */
export function upgradeMoves(
  deployment: Deployment,
  releases: DeployedReleases,
  to: ReleaseArtifact,
): readonly Move[] {
  if (deployment.nodes.every(({ name }) => releases.get(name)?.current === undefined)) {
    throw new CwError('USAGE', 'there is nothing to upgrade: no node runs a release yet', {
      changed: 'nothing',
      remedies: ['put it there: cw deploy'],
    })
  }
  return upgradeOrder(deployment).flatMap(({ node: { name }, isCanary }): Move[] => {
    const from = releases.get(name)?.current
    return isSame(from, to) ? [] : [moveOf(name, to, from, isCanary)]
  })
}

/**
 * The nodes that can go back, each to the release that it had before.
 *
 * @throws CwError USAGE if there is none
 */
export function rollbackMoves(deployment: Deployment, releases: DeployedReleases): readonly Move[] {
  const moves = rollbackOrder(deployment).flatMap(({ name }): Move[] => {
    const { current, previous } = releases.get(name) ?? {}
    return previous === undefined || isSame(current, previous) ? [] : [moveOf(name, previous, current, false)]
  })
  if (moves.length > 0) return moves
  throw new CwError('USAGE', 'no node has an older release to go back to', {
    why: 'each keeps the one before the one that it runs',
    changed: 'nothing',
    remedies: ['put a release there from its file: cw upgrade FILE'],
  })
}

function moveOf(
  node: string,
  to: ReleaseArtifact,
  from: InstalledRelease | undefined,
  isCanary: boolean,
): Move {
  return { node, to, isCanary, ...(from === undefined ? {} : { from }) }
}

function isSame(one: InstalledRelease | undefined, other: InstalledRelease): boolean {
  return one?.sha256 === other.sha256
}
