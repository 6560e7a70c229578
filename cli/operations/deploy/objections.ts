import type { Deployment } from '../../../lib/config/deployment/deployment.ts'
import { etcdVoters } from '../../../lib/config/deployment/voters.ts'
import { configurationKey } from '../../../lib/etcd/layout.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import type { EtcdView } from '../../fleet/actions/action.ts'
import type { Plan } from '../../fleet/plan.ts'
import { settingDifferences } from '../config/diff.ts'
import { word } from '../config/undo.ts'

/**
 * What the deployment file and etcd give differently, in words: what was changed in the file after the first deploy does
 * not go into etcd, since others may have changed it there.
 */
export function settingsLeftAlone(deployment: Deployment, etcd: EtcdView): readonly string[] {
  if (etcd.state !== 'healthy') return []
  return deployment.sites.flatMap(site => {
    const text = etcd.values.get(configurationKey(site, 'shared_config'))
    if (text === undefined) return []
    return settingDifferences(deployment, site, text).flatMap(({ name, etcd: there = 'not set', file }) =>
      file === undefined
        ? []
        : [
            `${name} is ${file} in the deployment file and ${there} in etcd (${site}), which a deploy leaves alone; ` +
              `to change it there: cw config set ${word(`${name}=${file}`)}`,
          ],
    )
  })
}

/** Somebody else has edited files, or runs what ours would take the place of. */
export function driftFound({ drift }: Plan, operation: string): CwError {
  const words = { edited: 'edited by hand', foreign: 'not written by cw', running: 'not ours, and runs' }
  const units = drift.filter(({ kind }) => kind === 'running').length
  const files = drift.length - units
  const parts = [
    ...(files === 0 ? [] : [`${counted(files, 'file')} on nodes would be overwritten`]),
    ...(units === 0 ? [] : [`${counted(units, 'unit')} of somebody else would be stopped`]),
  ]
  return new CwError('DRIFT_FOUND', parts.join(' and '), {
    why: drift.map(({ node, path, kind }) => `${node}: ${path} is ${words[kind]}`).join('\n'),
    changed: 'nothing',
    remedies: [
      ...(files === 0 ? [] : ['take what is right over into the deployment file']),
      ...(units === 0 ? [] : ['give that to another host, or this deployment']),
      ...(files === 0
        ? [`or have it stopped: cw ${operation} --overwrite-drift`]
        : [`or replace them, with a copy kept beside each: cw ${operation} --overwrite-drift`]),
    ],
  })
}

/** @throws OPTION_INVALID for a node that is none of the deployment. */
export function requireKnown({ nodes }: Deployment, only: readonly string[] | undefined): void {
  const unknown = only?.filter(name => !nodes.some(node => node.name === name)) ?? []
  if (unknown.length === 0) return
  throw new CwError('OPTION_INVALID', `the deployment has no node ${unknown.join(', ')}`, {
    why: `it has ${nodes.map(node => node.name).join(', ')}`,
    changed: 'nothing',
  })
}

/** etcd goes with the deployment: a voter that is taken away alone would be counted for its quorum for ever. */
export function requireNoVoter(deployment: Deployment, only: readonly string[] | undefined): void {
  if (only === undefined || deployment.nodes.every(node => only.includes(node.name))) return
  const voters = etcdVoters(deployment).filter(node => only.includes(node.name))
  if (voters.length === 0) return
  const names = voters.map(node => node.name).join(', ')
  throw new CwError('OPTION_INVALID', `etcd runs on ${names}, which cannot be destroyed alone`, {
    why: 'the rest of the deployment would have a dead member in its etcd cluster',
    changed: 'nothing',
    remedies: ['destroy the whole deployment: cw destroy', 'or put a new host in its place: cw deploy'],
  })
}

/** `1 step`, `2 steps`. */
export function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`
}
