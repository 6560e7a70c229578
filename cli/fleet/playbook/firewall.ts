import type { Deployment, DeploymentNode, Role } from '../../../lib/config/deployment/deployment.ts'

/** Who may reach one of our ports. Whatever else a host serves is none of our business. */
export interface FirewallRule {
  readonly protocol: 'tcp' | 'udp'
  readonly port: number | string
  /** Addresses by family; both empty with `world`. */
  readonly from: { readonly world: boolean; readonly v4: readonly string[]; readonly v6: readonly string[] }
  readonly why: string
}

/** A node without a role counts as a spare. */
type Kind = Role | 'spare'

type Source = 'world' | 'nodes' | readonly Kind[]

interface Door {
  readonly on: 'all' | Role | readonly Kind[]
  readonly from: Source
  readonly tcp?: readonly (number | string)[]
  readonly udp?: readonly (number | string)[]
  readonly why: string
}

/** The manual's port tables (chapter "Clearwater IP Port Usage"), with what its security groups add. */
const DOORS: readonly Door[] = [
  { on: 'all', from: 'nodes', tcp: [4000, 2380], why: 'etcd' },
  { on: 'all', from: 'nodes', tcp: [2381], why: 'health of etcd' },
  { on: 'all', from: 'nodes', tcp: [9071, 9072, 9073], why: 'managers' },
  // Also to and from one that has lost its role, and gives what it has to the others.
  { on: 'all', from: 'nodes', tcp: [7000], why: 'Cassandra among its nodes' },
  { on: 'ellis', from: 'world', tcp: [80, 443], why: 'portal' },
  { on: 'bono', from: 'world', tcp: [5060, 5062, 3478], udp: [5060, 3478, '32768-65535'], why: 'clients' },
  { on: 'bono', from: ['bono', 'sprout'], tcp: [5058], why: 'trusted SIP' },
  { on: 'bono', from: 'nodes', tcp: [9060], why: 'health' },
  {
    on: 'sprout',
    from: ['bono', 'sprout'],
    tcp: [5052, 5053, 5054, 5055],
    udp: [5052, 5053, 5054],
    why: 'SIP',
  },
  // Also to and from one that has just become a spare, and gives what it has to the others.
  {
    on: ['sprout', 'spare'],
    from: ['sprout', 'spare'],
    tcp: [11211, 7253],
    why: 'registrations and timers',
  },
  { on: 'sprout', from: 'nodes', tcp: [9074], why: 'health of astaire' },
  { on: 'sprout', from: ['homestead', 'sprout'], tcp: [9888], why: 'subscription changes and timer pops' },
  { on: 'memento', from: 'world', tcp: [11888], why: 'call lists' },
  { on: 'homestead', from: ['sprout', 'ellis', 'bono', 'memento'], tcp: [8888], why: 'subscribers' },
  { on: 'homestead', from: ['ellis', 'homestead'], tcp: [8889], why: 'provisioning' },
  { on: 'homestead', from: ['homestead', 'homer', 'sprout', 'memento'], tcp: [9042], why: 'Cassandra' },
  { on: 'homer', from: ['sprout', 'ellis'], tcp: [7888], why: 'service documents' },
  { on: 'ralf', from: ['sprout', 'bono', 'ralf'], tcp: [10888], why: 'charging' },
  { on: 'ralf', from: ['ralf'], tcp: [7253, 11211], why: 'sessions and timers' },
]

/** Who may reach which of a node's ports. */
export function firewallRules(deployment: Deployment, node: DeploymentNode): readonly FirewallRule[] {
  return DOORS.filter(({ on }) => on === 'all' || is(node, typeof on === 'string' ? [on] : on)).flatMap(
    door => {
      const from = sourcesOf(door.from, deployment)
      return (['tcp', 'udp'] as const).flatMap(protocol =>
        (door[protocol] ?? []).map(port => ({ protocol, port, from, why: door.why })),
      )
    },
  )
}

/** Ports that nobody else may reach, also where no role is that listens on them: it may not have been stopped yet. */
export const CLOSED_PORTS = {
  tcp: closedPorts('tcp'),
  udp: closedPorts('udp'),
}

function closedPorts(protocol: 'tcp' | 'udp'): readonly (number | string)[] {
  return [...new Set(DOORS.filter(({ from }) => from !== 'world').flatMap(door => door[protocol] ?? []))]
}

function sourcesOf(source: Source, { nodes }: Deployment): FirewallRule['from'] {
  if (source === 'world') return { world: true, v4: [], v6: [] }
  const meant = nodes.filter(node => source === 'nodes' || is(node, source))
  // A node may speak from its public address too.
  const addresses = [...new Set(meant.flatMap(node => [node.address, node.publicAddress]))]
  return {
    world: false,
    v4: addresses.filter(address => /^[\d.]+$/.test(address)),
    v6: addresses.filter(address => address.includes(':')),
  }
}

function is({ roles }: DeploymentNode, kinds: readonly Kind[]): boolean {
  return roles.length === 0 ? kinds.includes('spare') : roles.some(role => kinds.includes(role))
}
