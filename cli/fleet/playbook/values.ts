import { localConfigOf, sharedConfigOf, userSettingsOf } from '../../../lib/config/deployment/node-files.ts'
import {
  cassandraNodes,
  cassandraPlace,
  type CassandraPlace,
} from '../../../lib/config/deployment/cassandra.ts'
import { otherSiteOf, sharingNodes } from '../../../lib/config/deployment/memcached.ts'
import { etcdVoters } from '../../../lib/config/deployment/voters.ts'
import type { Deployment, DeploymentNode, Role } from '../../../lib/config/deployment/deployment.ts'
import { uriHost } from '../../../lib/kit/address.ts'
import { etcdName } from '../actions/etcd-member.ts'
import { CLOSED_PORTS, firewallRules, type FirewallRule } from './firewall.ts'
import { hostNames, serviceRecords, type HostName, type ServiceRecords } from './names.ts'

/** What templates may say about a node: plain data, made once for each node. */
export interface TemplateValues {
  readonly deployment: { readonly name: string; readonly domain: string }
  readonly node: {
    readonly name: string
    readonly address: string
    /** The address as a URL takes it: IPv6 in brackets. */
    readonly urlHost: string
    readonly site: string
    readonly roles: readonly Role[]
    readonly etcdName: string
  }
  readonly isVoter: boolean
  readonly sharesRegistrations: boolean
  /** Addresses of the nodes of the site whose sprouts share registrations; none where there is only one sprout. */
  readonly sharingNodes: readonly string[]
  /** The site whose sprouts these tell what they know, with the same of it; undefined where there is none. */
  readonly otherSite:
    | {
        readonly name: string
        readonly nodes: readonly string[]
      }
    | undefined
  /** The Cassandra that homesteads share; undefined where there is one homestead, or a Cassandra of the operator. */
  readonly cassandra: (CassandraPlace & Seeds) | undefined
  /** Who vouches for the members and clients of etcd: the certificate for all, and with its key for those who keep it. */
  readonly authority: { readonly certificate: string; readonly pem: string }
  /** Texts of the manual's three files. */
  readonly localConfig: string
  readonly sharedConfig: string
  /** Empty where nothing is set. */
  readonly userSettings: string
  /** Every name of the deployment with its addresses. */
  readonly names: readonly HostName[]
  readonly services: ServiceRecords
  readonly firewall: readonly FirewallRule[]
  /** What the firewall drops unless a rule lets it in. */
  readonly closedPorts: typeof CLOSED_PORTS
}

/** Whom a Cassandra node asks for the others: addresses with commas between. */
interface Seeds {
  readonly seeds: string
  readonly seedsOfFounder: string
}

export interface ValuesRequest {
  readonly deployment: Deployment
  readonly node: DeploymentNode
  /** Options from environment or files, by name. */
  readonly secrets: ReadonlyMap<string, string>
  readonly authority: TemplateValues['authority']
  /** What etcd has as the shared configuration of the node's site. */
  readonly learned: string | undefined
}

export function templateValues({
  deployment,
  node,
  secrets,
  authority,
  learned,
}: ValuesRequest): TemplateValues {
  return {
    deployment: { name: deployment.name, domain: deployment.domain },
    node: {
      name: node.name,
      address: node.address,
      urlHost: uriHost(node.address),
      site: node.site,
      roles: node.roles,
      etcdName: etcdName(node.address),
    },
    sharesRegistrations: node.sharesRegistrations,
    sharingNodes: sharingNodes(deployment, node.site),
    otherSite: otherSite(deployment, node),
    cassandra: cassandraOf(deployment, node),
    isVoter: etcdVoters(deployment).some(voter => voter.name === node.name),
    authority: { certificate: authority.certificate, pem: authority.pem },
    localConfig: localConfigOf(node, deployment),
    sharedConfig: learned ?? sharedConfigOf(deployment, name => secrets.get(name) ?? ''),
    userSettings: node.user.size === 0 ? '' : userSettingsOf(node, deployment),
    names: hostNames(deployment, node.site),
    services: serviceRecords(deployment, node.site),
    firewall: firewallRules(deployment, node),
    closedPorts: CLOSED_PORTS,
  }
}

function otherSite(deployment: Deployment, { site }: DeploymentNode): TemplateValues['otherSite'] {
  const name = otherSiteOf(deployment, site)
  if (name === undefined) return undefined
  return { name, nodes: sharingNodes(deployment, name) }
}

/** All of them are seeds, as they are few: whichever is up may be asked. */
function cassandraOf(deployment: Deployment, node: DeploymentNode): TemplateValues['cassandra'] {
  const place = cassandraPlace(deployment, node.site)
  if (place === undefined) return undefined
  const others = cassandraNodes(deployment).filter(address => address !== node.address)
  return { ...place, seeds: others.join(','), seedsOfFounder: [node.address, ...others].join(',') }
}
