import { formatConfigFile } from '../config-file.ts'
import { sproutHostnameOf } from '../names.ts'
import { CORE_PORTS } from '../ports.ts'
import type { Deployment, DeploymentNode, Role } from './deployment.ts'
import { etcdVoters } from './voters.ts'

/** Where ralf listens for HTTP. */
const RALF_PORT = 10_888

/**
 * The first text of `shared_config`: names that follow from the domain, then what the deployment file sets.
 *
 * @param secretOf the value of a secret option, which stands in the file by reference only
 */
export function sharedConfigOf(deployment: Deployment, secretOf: (name: string) => string): string {
  const { domain, nodes, settings, secrets } = deployment
  const has = (role: Role): boolean => nodes.some(node => node.roles.includes(role))
  const values = new Map([
    ['home_domain', domain],
    ['sprout_hostname', sproutHostnameOf(domain)],
    ['hs_hostname', `hs.${domain}:${CORE_PORTS.homestead}`],
    ['hs_provisioning_hostname', `hs.${domain}:${CORE_PORTS.provisioning}`],
  ])
  if (has('ralf')) values.set('ralf_hostname', `ralf.${domain}:${RALF_PORT}`)
  if (has('homer')) values.set('xdms_hostname', `homer.${domain}:${CORE_PORTS.homer}`)
  if (has('ellis')) values.set('ellis_hostname', `ellis.${domain}`)
  // What memento gives out sprout has to write down. Criteria name it, so it needs no port of its own.
  if (has('memento')) values.set('memento', `${CORE_PORTS.scscf}`)
  // With an HSS subscribers are not provisioned here.
  if (settings.has('hss_hostname') || settings.has('hss_realm')) values.delete('hs_provisioning_hostname')
  for (const [name, value] of settings) values.set(name, value)
  for (const name of secrets.keys()) values.set(name, secretOf(name))
  return formatConfigFile(values, [
    `Shared configuration of ${deployment.name}: the same on every node, learned from etcd.`,
    'Change it with: cw config set',
  ])
}

/** The text of a node's `local_config`. */
export function localConfigOf(node: DeploymentNode, deployment: Deployment): string {
  const remote = deployment.sites.find(site => site !== node.site)
  const values = new Map([
    ['local_ip', node.address],
    ['public_ip', node.publicAddress],
    ['public_hostname', node.publicHostname],
    [
      'etcd_cluster',
      etcdVoters(deployment)
        .map(voter => voter.address)
        .join(','),
    ],
    ['local_site_name', node.site],
  ])
  if (remote !== undefined) values.set('remote_site_name', remote)
  const index = /-(\d{1,9})$/.exec(node.name)?.[1]
  if (index !== undefined) values.set('node_idx', `${Number(index)}`)
  // The role names the store clusters of a node; with several roles somebody has to say which.
  if (node.roles.length > 1) values.set('etcd_cluster_key', node.roles.toSorted().join('-'))
  for (const [name, value] of node.local) values.set(name, value)
  return formatConfigFile(values, [writtenFor(deployment)])
}

/** The text of a node's `user_settings`. */
export function userSettingsOf(node: DeploymentNode, deployment: Deployment): string {
  return formatConfigFile(node.user, [writtenFor(deployment)])
}

function writtenFor({ name }: Deployment): string {
  return `Written by cw deploy for ${name}; change it in the deployment file.`
}
