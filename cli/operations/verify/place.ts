import { lookup } from 'node:dns/promises'
import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { daemonsOf, healthPortOf } from '../../../lib/config/deployment/daemons.ts'
import type { Deployment, DeploymentNode, Role } from '../../../lib/config/deployment/deployment.ts'
import { portsAt } from '../../../lib/config/ports.ts'
import { LOOPBACK, LOOPBACK_6, uriHost } from '../../../lib/kit/address.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import type { Fleet } from '../../fleet/fleet.ts'
import type { NodeShell } from '../../fleet/ssh/shell.ts'

/** A TCP address as it can be reached from here; `close` ends the way to it. */
export interface Way extends AsyncDisposable {
  readonly host: string
  readonly port: number
}

/** Something on a node that is reached over TCP. */
export interface Door {
  readonly node: string
  open(): Promise<Way>
}

/** Where verification finds a service: a deployment of many nodes, or one machine. */
export interface ServicePlace {
  readonly domain: string
  /** Logs in to each node: undefined, or why that cannot be done. */
  readonly logins: readonly {
    readonly node: string
    readonly attempt: (signal: AbortSignal) => Promise<unknown>
  }[]
  /** Each bono, where clients outside reach it; `name` is how it calls itself. */
  readonly edges: readonly {
    readonly node: string
    readonly host: string
    readonly port: number
    readonly name: string
  }[]
  /** The S-CSCF of each sprout; `uri` names this one, not the cluster. */
  readonly cores: readonly (Door & { readonly uri: string })[]
  readonly provisioning: readonly Door[]
  /** The health page of each daemon. */
  readonly daemons: readonly (Door & { readonly daemon: string })[]
  /** The node that is known by this name or address. */
  nodeAt(host: string): string | undefined
}

const LOGIN_DEADLINE_MS = 15_000

/**
 * A deployment: bonos are reached as clients do, everything else through its node.
 *
 * @param portOffset added to every port but SSH's, for tests
 */
export function placeOfDeployment(
  deployment: Deployment,
  fleet: Pick<Fleet, 'shell'>,
  portOffset = 0,
): ServicePlace {
  const ports = portsAt(portOffset)
  const having = (role: Role): readonly DeploymentNode[] =>
    deployment.nodes.filter(node => node.roles.includes(role))
  const door = (node: DeploymentNode, port: number): Door => ({
    node: node.name,
    open: () => through(fleet.shell(node.name), node.address, port),
  })
  const names = new Map(
    deployment.nodes.flatMap(({ name, address, publicAddress, publicHostname }) =>
      [address, publicAddress, publicHostname]
        .flatMap(host => [host, uriHost(host)])
        .map(host => [host, name] as const),
    ),
  )
  return {
    domain: deployment.domain,
    logins: deployment.nodes.map(({ name }) => ({
      node: name,
      attempt: signal =>
        fleet.shell(name).run(['true'], { idempotent: true, deadlineMs: LOGIN_DEADLINE_MS, signal }),
    })),
    edges: having('bono').map(node => ({
      node: node.name,
      host: node.publicAddress,
      port: ports.client,
      name: `${uriHost(node.publicHostname)}:${ports.client}`,
    })),
    cores: having('sprout').map(node => ({
      ...door(node, ports.scscf),
      uri: `sip:${uriHost(node.address)}:${ports.scscf};transport=TCP`,
    })),
    provisioning: having('homestead').map(node => door(node, ports.provisioning)),
    daemons: deployment.nodes.flatMap(node =>
      daemonsOf(node, deployment).map(daemon => ({
        ...door(node, healthPortOf(daemon) + portOffset),
        daemon,
      })),
    ),
    nodeAt: host => names.get(host),
  }
}

export interface Machine {
  readonly domain: string
  /** Where phones reach the edge. */
  readonly address: string
  readonly provisioning: { readonly host: string; readonly port: number }
  readonly portOffset: number
}

/**
 * A machine that runs a whole core. What does not stand open to phones is reached from the machine itself only; seen
 * from elsewhere, calls enter through bono alone.
 *
 * @throws CwError OPTION_INVALID for an address that is none
 */
export async function placeOfMachine(machine: Machine): Promise<ServicePlace> {
  const { domain, provisioning, portOffset } = machine
  const ports = portsAt(portOffset)
  const host = await addressOf(machine.address)
  const node = machine.address
  const at = (address: string, port: number): Door => ({
    node,
    open: () => Promise.resolve({ host: address, port, [Symbol.asyncDispose]: () => Promise.resolve() }),
  })
  const inner = isIPv6(host) ? LOOPBACK_6 : LOOPBACK
  return {
    domain,
    logins: [],
    edges: [{ node, host, port: ports.client, name: `${uriHost(host)}:${ports.client}` }],
    cores: isOwn(host)
      ? [{ ...at(inner, ports.scscf), uri: `sip:${uriHost(inner)}:${ports.scscf};transport=TCP` }]
      : [],
    provisioning: [at(provisioning.host, provisioning.port)],
    daemons: [{ ...at(provisioning.host, ports.homestead), daemon: 'homestead' }],
    nodeAt: () => node,
  }
}

async function through(shell: NodeShell, host: string, port: number): Promise<Way> {
  const forward = await shell.forward(host, port)
  return { host: '127.0.0.1', port: forward.port, [Symbol.asyncDispose]: () => forward.close() }
}

/** Whether an address is this machine's. */
function isOwn(address: string): boolean {
  const own = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  return /^127\./.test(address) || own.some(each => each.address === address)
}

async function addressOf(host: string): Promise<string> {
  try {
    return (await lookup(host)).address
  } catch (cause) {
    throw new CwError('OPTION_INVALID', `the address "${host}" is not known`, {
      changed: 'nothing',
      remedies: ['write an IP address, or a name that DNS knows: --address 127.0.0.1'],
      cause,
    })
  }
}
