import { createTwoFilesPatch } from 'diff'
import { parseConfigFile } from '../../../lib/config/config-file.ts'
import { formatFault, hasErrors } from '../../../lib/config/fault.ts'
import { OPTIONS } from '../../../lib/config/options.ts'
import {
  changesBetween,
  effectsOf,
  validateSharedFile,
  type SharedChange,
  type SharedFileName,
} from '../../../lib/config/shared-file.ts'
import { ROLES, type DeploymentNode } from '../../../lib/config/deployment/deployment.ts'
import { MAX_VALUE_BYTES } from '../../../lib/etcd/client.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { redact } from '../../fleet/plan-diff.ts'
import type { SiteConfiguration } from './configuration.ts'

/** One file of one site that is to become another text. */
export interface FileChange {
  readonly site: string
  readonly file: SharedFileName
  readonly before: string | undefined
  /** At which `before` was read; 0: there was none. */
  readonly revision: number
  readonly after: string
  readonly changes: readonly SharedChange[]
}

/** What a change does to a node. */
export interface NodeImpact {
  readonly node: string
  readonly reload: readonly string[]
  readonly restart: readonly string[]
}

export interface ConfigurationPlan {
  readonly files: readonly FileChange[]
  /** Nodes with a daemon that has to know, in the order of the deployment. */
  readonly nodes: readonly NodeImpact[]
  readonly warnings: readonly string[]
}

/** The text that a file is to have; `current` is what it has. */
export type Rewrite = (current: string | undefined, site: string) => string

/**
 * Plans a change of shared files, without changing anything.
 *
 * @throws CwError FILE_INVALID with every fault, VALUE_TOO_LARGE, or CONFIG_REBUILD for what no running deployment takes
 */
export function planConfiguration(
  current: readonly SiteConfiguration[],
  wanted: ReadonlyMap<SharedFileName, Rewrite>,
  nodes: readonly Pick<DeploymentNode, 'name' | 'site' | 'roles'>[],
): ConfigurationPlan {
  const warnings = new Set<string>()
  const files: FileChange[] = []
  for (const { site, files: texts } of current) {
    for (const [file, rewrite] of wanted) {
      const found = texts.get(file)
      const after = rewrite(found?.text, site)
      if (after === found?.text) continue
      for (const warning of requireValid(file, after, found?.text)) warnings.add(warning)
      const changes = changesBetween(file, found?.text, after)
      // The first text of a site makes its deployment; it rebuilds nothing.
      if (found !== undefined) requireNoRebuild(changes)
      files.push({ site, file, before: found?.text, revision: found?.revision ?? 0, after, changes })
    }
  }
  for (const warning of notFollowed(files)) warnings.add(warning)
  return { files, nodes: impactsOn(nodes, files), warnings: [...warnings] }
}

/** How a file changes, as a unified diff without the values of secrets. */
export function patchOf({ file, before = '', after }: FileChange): string {
  const names = [...OPTIONS.values()].filter(option => option.secret === true).map(option => option.name)
  const known = file === 'shared_config' ? [before, after].map(text => parseConfigFile(text).values) : []
  const values = known.flatMap(each => names.flatMap(name => each.get(name) ?? []))
  const redacted = (text: string): string => redact(text, { names, values })
  return createTwoFilesPatch(file, file, redacted(before), redacted(after), '', '', { context: 2 })
}

/** @returns what deserves a look, of what is new in the text */
function requireValid(file: SharedFileName, text: string, before: string | undefined): readonly string[] {
  const bytes = Buffer.byteLength(text)
  if (bytes > MAX_VALUE_BYTES) {
    throw new CwError('VALUE_TOO_LARGE', `${file} would be ${bytes} bytes long`, {
      where: { file },
      why: `the shared configuration takes files of at most ${MAX_VALUE_BYTES} bytes`,
      changed: 'nothing',
    })
  }
  const faults = validateSharedFile(file, text)
  if (hasErrors(faults)) {
    const told = faults.filter(fault => fault.severity === 'error')
    const [first] = told
    throw new CwError('FILE_INVALID', `${file} would not be valid, so no node gets to see it`, {
      where: { file, ...(first?.line === undefined ? {} : { line: first.line }) },
      why: told.map(fault => formatFault(fault)).join('; '),
      changed: 'nothing',
      remedies: told.some(fault => fault.key !== undefined)
        ? [`see what it takes: cw config explain ${told.find(fault => fault.key !== undefined)?.key ?? ''}`]
        : [],
    })
  }
  const known = new Set(validateSharedFile(file, before ?? '').map(fault => fault.message))
  return faults.filter(fault => !known.has(fault.message)).map(fault => `${file}: ${formatFault(fault)}`)
}

function requireNoRebuild(changes: readonly SharedChange[]): void {
  const fixed = changes.filter(change => change.impact === 'rebuild').map(change => change.name)
  if (fixed.length === 0) return
  throw new CwError('CONFIG_REBUILD', `a running deployment cannot change its ${fixed.join(', ')}`, {
    why: 'subscribers, credentials and names in DNS are made for it (manual, 8.20.3)',
    changed: 'nothing',
    remedies: ['make a new deployment with it: cw init, cw deploy'],
  })
}

/** Other programs on the nodes have their files from templates, which only a deploy renders. */
function notFollowed(files: readonly FileChange[]): readonly string[] {
  const daemons = new Set<string>([...ROLES, 'homestead-prov', 'chronos', 'astaire'])
  return files.flatMap(({ changes }) =>
    changes.flatMap(({ name, usedBy }) => {
      const others = usedBy.filter(consumer => !daemons.has(consumer) && !consumer.endsWith('-manager'))
      return others.length === 0 ? [] : [`${name} gets to ${others.join(', ')} with the next: cw deploy`]
    }),
  )
}

function impactsOn(
  nodes: readonly Pick<DeploymentNode, 'name' | 'site' | 'roles'>[],
  files: readonly FileChange[],
): readonly NodeImpact[] {
  return nodes.flatMap(({ name, site, roles }) => {
    const effects = effectsOf(files.filter(file => file.site === site).flatMap(file => file.changes))
    const reload = roles.filter(role => effects.reload.has(role))
    const restart = roles.filter(role => effects.restart.has(role))
    return reload.length + restart.length === 0 ? [] : [{ node: name, reload, restart }]
  })
}
