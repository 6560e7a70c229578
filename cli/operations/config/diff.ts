import { parseConfigFile } from '../../../lib/config/config-file.ts'
import type { Deployment } from '../../../lib/config/deployment/deployment.ts'
import { sharedConfigOf } from '../../../lib/config/deployment/node-files.ts'
import { findOption } from '../../../lib/config/options.ts'
import type { SharedFileName } from '../../../lib/config/shared-file.ts'
import type { EtcdClient } from '../../../lib/etcd/client.ts'
import type { NodeReport } from '../../../lib/etcd/node-report.ts'
import { readConfiguration, type SiteConfiguration } from './configuration.ts'
import type { RestartQueue } from '../../../lib/etcd/restart-queue.ts'
import { readQueue, readReports } from './rollout.ts'

/**
 * How a node's files stand against etcd. `drift`: edited there by hand; `refused`: etcd has what it cannot take; `queued`:
 * it has them, and has yet to restart for them.
 */
export interface NodeDifference {
  readonly site: string
  readonly node: string
  /** Absent: the node as a whole. */
  readonly file?: SharedFileName
  readonly kind: 'silent' | 'missing' | 'behind' | 'drift' | 'refused' | 'fault' | 'queued'
  readonly detail?: string
}

/** An option that etcd and the deployment file give differently. */
export interface SettingDifference {
  readonly site: string
  readonly name: string
  /** Absent: not set there. */
  readonly etcd?: string
  readonly file?: string
}

export interface ConfigurationDifferences {
  readonly nodes: readonly NodeDifference[]
  readonly settings: readonly SettingDifference[]
}

/** Compares what etcd has with what the nodes say they have, and with the deployment file. */
export async function compareConfiguration(
  etcd: Pick<EtcdClient, 'get' | 'getPrefix'>,
  deployment: Deployment,
  sites: readonly string[],
): Promise<ConfigurationDifferences> {
  const nodes: NodeDifference[] = []
  const settings: SettingDifference[] = []
  for (const current of await readConfiguration(etcd, sites)) {
    const reports = await readReports(etcd, current.site)
    // After the reports: a node puts itself into the queue before it says that it has a file.
    const queue = await readQueue(etcd, current.site)
    for (const { name, address, site, roles } of deployment.nodes) {
      if (site !== current.site || (roles.length === 0 && !reports.has(address))) continue
      nodes.push(...nodeDifferences(name, reports.get(address), current, queue))
    }
    const text = current.files.get('shared_config')?.text ?? ''
    settings.push(...settingDifferences(deployment, current.site, text))
  }
  return { nodes, settings }
}

function nodeDifferences(
  node: string,
  report: NodeReport | undefined,
  { site, files }: SiteConfiguration,
  { queued }: RestartQueue,
): readonly NodeDifference[] {
  if (report === undefined) return [{ site, node, kind: 'silent' }]
  const found: NodeDifference[] = report.faults.map(detail => ({ site, node, kind: 'fault', detail }))
  for (const [file, { revision }] of files) {
    const has = report.files[file]
    if (has?.refused !== undefined) {
      found.push({ site, node, file, kind: 'refused', detail: has.refused.faults.join('; ') })
    } else if (has === undefined) {
      found.push({ site, node, file, kind: 'missing' })
    } else if (has.revision < revision) {
      found.push({ site, node, file, kind: 'behind' })
    }
    if (has?.drift !== undefined) found.push({ site, node, file, kind: 'drift' })
  }
  if (queued.some(entry => entry.id === report.queueId)) found.push({ site, node, kind: 'queued' })
  return found
}

/** Secrets are left out: the deployment file only names where they are. */
export function settingDifferences(
  deployment: Deployment,
  site: string,
  sharedConfig: string,
): readonly SettingDifference[] {
  const ofFile = parseConfigFile(sharedConfigOf(deployment, () => '')).values
  const ofEtcd = parseConfigFile(sharedConfig).values
  return [...new Set([...ofFile.keys(), ...ofEtcd.keys()])]
    .filter(name => findOption(name)?.secret !== true && ofFile.get(name) !== ofEtcd.get(name))
    .map(name => {
      const [etcd, file] = [ofEtcd.get(name), ofFile.get(name)]
      return {
        site,
        name,
        ...(etcd === undefined ? {} : { etcd }),
        ...(file === undefined ? {} : { file }),
      }
    })
}
