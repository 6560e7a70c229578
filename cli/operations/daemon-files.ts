import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { BgcfRoute } from '../../daemons/sprout/options.ts'
import { parseConfigFile } from '../../lib/config/config-file.ts'
import { formatFault, hasErrors } from '../../lib/config/fault.ts'
import { validateJsonFile } from '../../lib/config/json-files.ts'
import type { Scope } from '../../lib/config/option.ts'
import { findOption } from '../../lib/config/options.ts'
import { FILE_OF, validateConfigFile, validateOption } from '../../lib/config/validate.ts'
import { parseDnsJson, type KnownName } from '../../lib/dns/known-names.ts'
import { CwError } from '../../lib/kit/errors.ts'

/** In the order in which a node's files are read: what a later one says wins. */
const SCOPES = ['shared', 'local', 'user'] as const satisfies readonly Scope[]

/** What a node's configuration folder says. */
export interface NodeFiles {
  /** Option to value, from all three files; what validation refuses is left out and so at its default. */
  readonly values: ReadonlyMap<string, string>
  readonly bgcfRoutes: readonly BgcfRoute[]
  /** Names that need no DNS, of `dns.json`. */
  readonly names: ReadonlyMap<string, KnownName>
  /** What is wrong with the files, one sentence each; none of it keeps a daemon from its work. */
  readonly complaints: readonly string[]
}

/**
 * Reads `shared_config`, `local_config`, `user_settings`, `bgcf.json` and `dns.json`. A file that is not there says
 * nothing; one with faults says what can be read of it.
 *
 * @param before what a JSON file with faults, or one that cannot be read, said the last time: that goes on to count
 * @throws CwError FILE_UNREADABLE if one of the first three cannot be read
 */
export async function readNodeFiles(folder: string, before?: NodeFiles): Promise<NodeFiles> {
  const complaints: string[] = []
  const values = new Map<string, string>()
  for (const scope of SCOPES) {
    const text = await textOf(join(folder, FILE_OF[scope]))
    const faults = validateConfigFile(scope, text, values)
    complaints.push(...faults.map(fault => `${FILE_OF[scope]}: ${formatFault(fault)}`))
    for (const [name, value] of parseConfigFile(text, values).values) {
      const option = findOption(name)
      if (option === undefined || value === '') values.delete(name)
      else if (validateOption(option, value) === undefined) values.set(name, value)
    }
  }

  const bgcf = await optionalTextOf(join(folder, 'bgcf.json'), complaints)
  let bgcfRoutes = before?.bgcfRoutes ?? []
  const bgcfFaults = bgcf === undefined || bgcf === '' ? [] : validateJsonFile('bgcf.json', bgcf)
  complaints.push(...bgcfFaults.map(fault => `bgcf.json: ${formatFault(fault)}`))
  if (bgcf === '') bgcfRoutes = []
  else if (bgcf !== undefined && !hasErrors(bgcfFaults))
    bgcfRoutes = (JSON.parse(bgcf) as { routes: readonly BgcfRoute[] }).routes

  const dns = await optionalTextOf(join(folder, 'dns.json'), complaints)
  let names = before?.names ?? new Map<string, KnownName>()
  const parsed = dns === undefined ? names : dns === '' ? new Map<string, KnownName>() : parseDnsJson(dns)
  if (typeof parsed === 'string') complaints.push(`dns.json: ${parsed}`)
  else names = parsed
  return { values, bgcfRoutes, names, complaints }
}

/** The text of a file that a daemon can do without; undefined, and a complaint, if it cannot be read. */
async function optionalTextOf(file: string, complaints: string[]): Promise<string | undefined> {
  try {
    return await textOf(file)
  } catch (error) {
    const { message, cause } = error as CwError
    complaints.push(`${basename(file)}: ${message}${cause instanceof Error ? ` (${cause.message})` : ''}`)
    return undefined
  }
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return ''
    throw new CwError('FILE_UNREADABLE', 'a configuration file cannot be read', {
      where: { file },
      changed: 'nothing',
      remedies: ['see whose it is: ls -l'],
      cause,
    })
  }
}
