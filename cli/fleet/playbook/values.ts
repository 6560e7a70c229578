import { isIP, isIPv6 } from 'node:net'
import { formatConfigFile } from '../../../lib/config/config-file.ts'
import { etcdVoters } from '../../../lib/config/deployment/voters.ts'
import type { Deployment, DeploymentNode, Role } from '../../../lib/config/deployment/deployment.ts'
import { uriHost } from '../../../lib/kit/address.ts'
import { etcdName } from '../actions/etcd-member.ts'
import { firewallRules, type FirewallRule } from './firewall.ts'
import { hostNames, serviceRecords, type HostName, type ServiceRecords } from './names.ts'

/** What templates may say about a node: plain data, made once for each node. */
export interface TemplateValues {
  readonly deployment: { readonly name: string; readonly domain: string }
  readonly node: {
    readonly name: string
    readonly address: string
    /** The address as a URL takes it: IPv6 in brackets. */
    readonly urlHost: string
    readonly roles: readonly Role[]
    readonly etcdName: string
  }
  readonly isVoter: boolean
  /** Texts of the manual's three files. */
  readonly localConfig: string
  readonly sharedConfig: string
  /** Empty where nothing is set. */
  readonly userSettings: string
  /** Every name of the deployment with its addresses. */
  readonly names: readonly HostName[]
  readonly services: ServiceRecords
  readonly firewall: readonly FirewallRule[]
}

export interface ValuesRequest {
  readonly deployment: Deployment
  readonly node: DeploymentNode
  /** Options from environment or files, by name. */
  readonly secrets: ReadonlyMap<string, string>
  /** What etcd has as the shared configuration of the node's site. */
  readonly learned: string | undefined
}

export function templateValues({ deployment, node, secrets, learned }: ValuesRequest): TemplateValues {
  const voters = etcdVoters(deployment)
  return {
    deployment: { name: deployment.name, domain: deployment.domain },
    node: {
      name: node.name,
      address: node.address,
      urlHost: uriHost(node.address),
      roles: node.roles,
      etcdName: etcdName(node.address),
    },
    isVoter: voters.some(voter => voter.name === node.name),
    localConfig: localConfig(deployment, node, voters),
    sharedConfig: learned ?? sharedConfig(deployment, secrets),
    userSettings: node.user.size === 0 ? '' : formatConfigFile(node.user, header(deployment)),
    names: hostNames(deployment),
    services: serviceRecords(deployment),
    firewall: firewallRules(deployment, node),
  }
}

function localConfig(
  deployment: Deployment,
  node: DeploymentNode,
  voters: readonly DeploymentNode[],
): string {
  const others = deployment.sites.filter(site => site !== node.site)
  const values = new Map([
    ['local_ip', node.address],
    ['public_ip', isIP(node.publicAddress) === 0 ? node.address : node.publicAddress],
    ['public_hostname', node.publicHostname],
    ['etcd_cluster', voters.map(voter => voter.address).join(',')],
    ['local_site_name', node.site],
    ...(others[0] === undefined ? [] : ([['remote_site_name', others[0]]] as const)),
    ...node.local,
  ])
  return formatConfigFile(values, header(deployment))
}

/** The shared configuration as the deployment file says it; once it is in etcd, etcd says it. */
export function sharedConfig(deployment: Deployment, secrets: ReadonlyMap<string, string>): string {
  const { domain, nodes } = deployment
  const has = (role: Role): boolean => nodes.some(node => node.roles.includes(role))
  const values = new Map([
    ['home_domain', domain],
    ['sprout_hostname', `sprout.${domain}`],
    ['hs_hostname', `hs.${domain}:8888`],
    ['hs_provisioning_hostname', `hs.${domain}:8889`],
    ...(has('ralf') ? ([['ralf_hostname', `ralf.${domain}:10888`]] as const) : []),
    ...(has('homer') ? ([['xdms_hostname', `homer.${domain}:7888`]] as const) : []),
    ...(has('ellis') ? ([['ellis_hostname', `ellis.${domain}`]] as const) : []),
    ...deployment.settings,
    ...secrets,
  ])
  return formatConfigFile(values, [
    `Shared configuration of ${deployment.name}: the same on every node, learned from etcd.`,
    'Change it with: cw config set',
  ])
}

function header({ name }: Deployment): readonly string[] {
  return [`Written by cw deploy for ${name}; change it in the deployment file.`]
}

/** Addresses of one family: templates write IPv4 and IPv6 in different words. */
export function ofFamily(family: 4 | 6, addresses: readonly string[]): readonly string[] {
  return addresses.filter(address => isIPv6(address) === (family === 6))
}
