import { isIP } from 'node:net'
import type { Deployment, DeploymentNode, Role } from '../../../lib/config/deployment/deployment.ts'

/** A name and the addresses it stands for. */
export interface HostName {
  readonly name: string
  readonly addresses: readonly string[]
}

export interface Srv {
  /** `_sip._tcp.<name>`. */
  readonly name: string
  readonly port: number
  readonly targets: readonly SrvTarget[]
}

export interface SrvTarget {
  /** Name of a single node. */
  readonly host: string
  /** Those with the lowest first. */
  readonly priority: number
}

export interface Naptr {
  readonly name: string
  readonly order: number
  readonly service: 'SIP+D2T' | 'SIP+D2U'
  readonly replacement: string
}

export interface ServiceRecords {
  readonly srv: readonly Srv[]
  readonly naptr: readonly Naptr[]
}

/** Names of clusters as the manual's DNS chapter gives them, below the domain; '' is the domain itself. */
const CLUSTERS: readonly { readonly role: Role; readonly label: string }[] = [
  { role: 'bono', label: '' },
  { role: 'sprout', label: 'sprout' },
  { role: 'sprout', label: 'icscf.sprout' },
  { role: 'sprout', label: 'scscf.sprout' },
  { role: 'sprout', label: 'bgcf.sprout' },
  { role: 'homestead', label: 'hs' },
  { role: 'homer', label: 'homer' },
  { role: 'ralf', label: 'ralf' },
  { role: 'ellis', label: 'ellis' },
  { role: 'memento', label: 'memento' },
]

/** What speaks SIP, in the order in which transports are preferred. */
const SERVICES: readonly {
  readonly role: Role
  readonly label: string
  readonly port: number
  readonly transports: readonly ('tcp' | 'udp')[]
}[] = [
  { role: 'bono', label: '', port: 5060, transports: ['tcp', 'udp'] },
  { role: 'sprout', label: 'sprout', port: 5054, transports: ['tcp'] },
  { role: 'sprout', label: 'scscf.sprout', port: 5054, transports: ['tcp'] },
  { role: 'sprout', label: 'icscf.sprout', port: 5052, transports: ['tcp'] },
  { role: 'sprout', label: 'bgcf.sprout', port: 5053, transports: ['tcp'] },
]

const FACES_THE_WORLD: readonly Role[] = ['bono', 'ellis', 'memento']

/**
 * Every name of a deployment: its nodes', and its clusters'.
 *
 * @param site for whom they are: a cluster that has nodes at this site is those; absent: for all
 */
export function hostNames(deployment: Deployment, site?: string): readonly HostName[] {
  const { domain, nodes } = deployment
  const own = nodes.map(node => ({ name: nodeName(node, domain), addresses: [addressIn(node)] }))
  const public_ = nodes
    .filter(node => isIP(node.publicHostname) === 0)
    .map(node => ({ name: node.publicHostname, addresses: [addressIn(node)] }))
  const clusters = CLUSTERS.map(({ role, label }) => {
    const all = nodes.filter(node => node.roles.includes(role))
    const near = all.filter(node => node.site === site)
    return { name: below(label, domain), addresses: (near.length > 0 ? near : all).map(addressIn) }
  }).filter(({ addresses }) => addresses.length > 0)
  const taken = new Set([...own, ...clusters].map(({ name }) => name))
  return [...own, ...public_.filter(({ name }) => !taken.has(name)), ...clusters]
}

/**
 * SRV and NAPTR records, as the manual's example zone has them.
 *
 * @param site for whom they are: its own nodes come first, and others in their place (manual, "Geographic redundancy");
 * absent: for all
 */
export function serviceRecords({ domain, nodes }: Deployment, site?: string): ServiceRecords {
  const served = SERVICES.filter(({ role }) => nodes.some(node => node.roles.includes(role)))
  const targetOf = (node: DeploymentNode): SrvTarget => ({
    host: nodeName(node, domain),
    priority: site === undefined || node.site === site ? 0 : 1,
  })
  return {
    srv: served.flatMap(({ role, label, port, transports }) =>
      transports.map(transport => ({
        name: `_sip._${transport}.${below(label, domain)}`,
        port,
        targets: nodes.filter(node => node.roles.includes(role)).map(targetOf),
      })),
    ),
    naptr: served.flatMap(({ label, transports }) =>
      transports.map((transport, index) => ({
        name: below(label, domain),
        order: index + 1,
        service: transport === 'tcp' ? ('SIP+D2T' as const) : ('SIP+D2U' as const),
        replacement: `_sip._${transport}.${below(label, domain)}`,
      })),
    ),
  }
}

function nodeName(node: DeploymentNode, domain: string): string {
  return `${node.name}.${domain}`
}

/** Clients come to the public address; the core stays inside. */
function addressIn(node: DeploymentNode): string {
  const faces = node.roles.some(role => FACES_THE_WORLD.includes(role))
  return faces && isIP(node.publicAddress) !== 0 ? node.publicAddress : node.address
}

function below(label: string, domain: string): string {
  return label === '' ? domain : `${label}.${domain}`
}
