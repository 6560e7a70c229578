import { parseConfigFile } from '../../../lib/config/config-file.ts'
import { findOption } from '../../../lib/config/options.ts'
import type { SharedFileName } from '../../../lib/config/shared-file.ts'
import { SHARED_FILES } from '../../../lib/etcd/layout.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import type { ConfigurationAccess } from './access.ts'
import { readChanges } from './change-log.ts'
import { readConfiguration } from './configuration.ts'

/** An option as a site has it. */
export interface OptionValue {
  readonly site: string
  readonly name: string
  /** What counts: the value set, else the default; absent: neither. */
  readonly value?: string
  readonly isSet: boolean
}

/** A change in the history of a site. */
export interface HistoryEntry {
  readonly site: string
  readonly number: number
  readonly at: string
  readonly by: string
  readonly what: string
  readonly files: readonly SharedFileName[]
}

export function isSharedFile(name: string): name is SharedFileName {
  return SHARED_FILES.some(file => file === name)
}

/**
 * Options of each site: the named ones, else all that are set.
 *
 * @param showSecrets else secrets are told as `(secret)`
 * @throws CwError OPTION_INVALID for a name that is no option
 */
export async function readOptions(
  { etcd, sites }: ConfigurationAccess,
  names: readonly string[],
  showSecrets: boolean,
): Promise<readonly OptionValue[]> {
  for (const name of names) {
    if (findOption(name) !== undefined) continue
    throw new CwError('OPTION_INVALID', `there is no option "${name}"`, {
      changed: 'nothing',
      remedies: [`cw config explain ${name}`],
    })
  }
  return (await readConfiguration(etcd, sites)).flatMap(({ site, files }) => {
    const { values } = parseConfigFile(files.get('shared_config')?.text ?? '')
    return (names.length === 0 ? [...values.keys()] : names).map(name => {
      const isHidden = findOption(name)?.secret === true && !showSecrets
      const set = values.get(name)
      const value = set === undefined ? findOption(name)?.default : isHidden ? '(secret)' : set
      return { site, name, isSet: set !== undefined, ...(value === undefined ? {} : { value }) }
    })
  })
}

/**
 * The text of a shared file of one site, and whether all the sites that are meant have the same.
 *
 * @throws CwError USAGE if sites differ, so that none of them can stand for all
 */
export async function readText(
  access: ConfigurationAccess,
  file: SharedFileName,
): Promise<string | undefined> {
  const texts = (await readConfiguration(access.etcd, access.sites)).map(({ files }) => files.get(file)?.text)
  if (texts.every(text => text === texts[0])) return texts[0]
  throw new CwError('USAGE', `${file} is not the same in all sites`, {
    changed: 'nothing',
    remedies: access.sites.map(site => `--site ${site}`),
  })
}

/** The last changes of each site, the last one first. */
export async function readHistory(
  { etcd, sites }: ConfigurationAccess,
  count: number,
): Promise<readonly HistoryEntry[]> {
  const lists = await Promise.all(
    sites.map(async site =>
      (await readChanges(etcd, site, count)).map(({ number, at, by, what, before }) => ({
        site,
        number,
        at,
        by,
        what,
        files: [...before.keys()],
      })),
    ),
  )
  return lists.flat().toSorted((a, b) => b.at.localeCompare(a.at))
}
