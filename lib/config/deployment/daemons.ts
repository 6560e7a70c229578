import { CORE_PORTS, DAEMON_PORTS } from '../ports.ts'
import type { Deployment, DeploymentNode, Role } from './deployment.ts'
import { etcdVoters } from './voters.ts'

/** What runs on nodes as a unit of its own. */
export const DAEMONS = [
  'bono',
  'sprout',
  'homestead',
  'homer',
  'ellis',
  'ralf',
  'memento',
  'config-manager',
  'queue-manager',
  'cluster-manager',
  'astaire',
  'chronos',
  'etcd',
] as const

export type DaemonOnNode = (typeof DAEMONS)[number]

/** The port on the node's address where each answers `GET /health`; etcd has one for that alone. */
const HEALTH_PORTS: Readonly<Record<DaemonOnNode, number>> = {
  bono: DAEMON_PORTS.bonoHttp,
  sprout: CORE_PORTS.sproutHttp,
  homestead: CORE_PORTS.homestead,
  homer: CORE_PORTS.homer,
  ellis: DAEMON_PORTS.ellis,
  ralf: DAEMON_PORTS.ralf,
  memento: CORE_PORTS.callLists,
  'config-manager': DAEMON_PORTS.configManager,
  'queue-manager': DAEMON_PORTS.queueManager,
  'cluster-manager': DAEMON_PORTS.clusterManager,
  astaire: DAEMON_PORTS.astaire,
  chronos: DAEMON_PORTS.chronos,
  etcd: 2381,
}

/** Without one of these no call is made; the others add to it. */
export const ROLES_FOR_CALLS = ['bono', 'sprout', 'homestead'] as const satisfies readonly Role[]

/** What has to run on a node: its roles, etcd where it is a voter, astaire and chronos where it shares registrations, and what follows etcd. */
export function daemonsOf(node: DeploymentNode, deployment: Deployment): readonly DaemonOnNode[] {
  const isVoter = etcdVoters(deployment).some(voter => voter.name === node.name)
  return DAEMONS.filter(daemon => {
    if (daemon === 'etcd') return isVoter
    if (daemon === 'astaire' || daemon === 'chronos') return node.sharesRegistrations
    return isManager(daemon) || (node.roles as readonly string[]).includes(daemon)
  })
}

export function unitOf(daemon: DaemonOnNode): string {
  return `clearwater-${daemon}.service`
}

export function healthPortOf(daemon: DaemonOnNode): number {
  return HEALTH_PORTS[daemon]
}

function isManager(daemon: DaemonOnNode): boolean {
  return daemon.endsWith('-manager')
}
