import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatFault } from '../../../lib/config/fault.ts'
import { findOption, nearestOption } from '../../../lib/config/options.ts'
import { emptySharedFile, type SharedFileName } from '../../../lib/config/shared-file.ts'
import { validateName, validateOption } from '../../../lib/config/validate.ts'
import { SHARED_FILES } from '../../../lib/etcd/layout.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import type { ConfigurationAccess } from './access.ts'
import { readChange } from './change-log.ts'
import { readConfiguration } from './configuration.ts'
import { withOption, withoutOption } from './option-text.ts'
import type { Rewrite } from './plan.ts'

/** Which files are to change and how, and that in words. */
export interface Wanted {
  readonly wanted: ReadonlyMap<SharedFileName, Rewrite>
  readonly what: string
}

/**
 * `KEY=VALUE` words. A secret does not stand in them, where the shell's history and other users see it: it is
 * `KEY=-`, and then asked for.
 *
 * @param ask gives the value of a secret; called once at most
 * @throws CwError USAGE, or OPTION_INVALID for a key or a value that the shared configuration does not take
 */
export async function settingOptions(
  words: readonly string[],
  ask: (name: string) => Promise<string>,
): Promise<Wanted> {
  const pairs = words.map(settingOf)
  const secrets = pairs.filter(({ name }) => findOption(name)?.secret === true)
  const [secret, another] = secrets
  for (const { name, value } of secrets) {
    if (value === '-') continue
    throw new CwError('USAGE', `${name} is a secret, and a command line is seen by others`, {
      changed: 'nothing',
      remedies: [`pipe it in: cw config set ${name}=- --yes`, `be asked for it: cw config set ${name}=-`],
    })
  }
  if (another !== undefined) {
    throw new CwError('USAGE', 'one secret can be set at a time', {
      changed: 'nothing',
      remedies: secrets.map(({ name }) => `cw config set ${name}=-`),
    })
  }
  if (secret !== undefined) secret.value = await ask(secret.name)
  for (const { name, value } of pairs) {
    requireShared(name)
    const option = findOption(name)
    const wrong = option === undefined ? undefined : validateOption(option, value)
    if (wrong !== undefined) throw invalid(wrong, `cw config explain ${name}`)
  }
  const rewrite: Rewrite = current =>
    pairs.reduce((text, { name, value }) => withOption(text, name, value), current ?? '')
  return {
    wanted: new Map([['shared_config', rewrite]]),
    what: `set ${pairs.map(pair => pair.name).join(' ')}`,
  }
}

function settingOf(word: string): { readonly name: string; value: string } {
  const equals = word.indexOf('=')
  if (equals <= 0) throw invalid(`"${word}" is no setting`, 'write KEY=VALUE')
  return { name: word.slice(0, equals), value: word.slice(equals + 1) }
}

/** @throws CwError OPTION_INVALID for a name that is no option */
export function unsettingOptions(names: readonly string[]): Wanted {
  for (const name of names) if (findOption(name) === undefined) requireShared(name)
  const rewrite: Rewrite = current => names.reduce(withoutOption, current ?? '')
  return { wanted: new Map([['shared_config', rewrite]]), what: `unset ${names.join(' ')}` }
}

/**
 * A text that somebody made of another one.
 *
 * @param base what it was made of: where etcd has something else by then, nobody's change is overwritten
 */
export function editing(file: SharedFileName, base: string | undefined, text: string): Wanted {
  const rewrite: Rewrite = current => {
    if (current === base) return text
    throw new CwError('CONFIG_CONFLICT', `somebody else has changed ${file} while it was edited`, {
      changed: 'nothing',
      remedies: ['see what was changed: cw config history', 'then edit it again'],
    })
  }
  return { wanted: new Map([[file, rewrite]]), what: `edit ${file}` }
}

/**
 * All shared files that a folder has.
 *
 * @throws CwError FILE_UNREADABLE if there is none
 */
export async function importingFolder(folder: string): Promise<Wanted> {
  const wanted = new Map<SharedFileName, Rewrite>()
  for (const file of SHARED_FILES) {
    const text = await textOf(join(folder, file))
    if (text !== undefined) wanted.set(file, () => text)
  }
  if (wanted.size === 0) {
    throw new CwError('FILE_UNREADABLE', 'the folder has none of the shared files', {
      where: { file: folder },
      why: `they are ${SHARED_FILES.join(', ')}`,
      changed: 'nothing',
      remedies: [`write them there first: cw config export ${folder}`],
    })
  }
  return { wanted, what: `import ${[...wanted.keys()].join(' ')}` }
}

/** What was before a change of the history. @throws CwError USAGE if the history does not have it */
export async function importingBefore(access: ConfigurationAccess, number: number): Promise<Wanted> {
  const site = onlySite(access)
  const record = await readChange(access.etcd, site, number)
  if (record === undefined) {
    throw new CwError('USAGE', `the history of ${site} has no change ${number}`, {
      changed: 'nothing',
      remedies: ['see those it has: cw config history'],
    })
  }
  const rewrites = [...record.before].map(([file, text]): readonly [SharedFileName, Rewrite] => [
    file,
    () => text ?? emptySharedFile(file),
  ])
  return { wanted: new Map(rewrites), what: `undo change ${number} (${record.what})` }
}

/** Writes the shared files of a site into a folder, readable by the owner alone. @returns their names */
export async function exportConfiguration(
  access: ConfigurationAccess,
  folder: string,
): Promise<readonly string[]> {
  const [current] = await readConfiguration(access.etcd, [onlySite(access)])
  const files = [...(current?.files ?? [])]
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    for (const [file, { text }] of files) await writeOwn(join(folder, file), text)
  } catch (cause) {
    throw new CwError('FILE_UNREADABLE', 'the folder cannot be written', {
      where: { file: folder },
      changed: 'some',
      cause,
    })
  }
  return files.map(([file]) => file)
}

/** In place of whatever is there: a file that others may read, or a link to somewhere else, is not written into. */
async function writeOwn(path: string, text: string): Promise<void> {
  const fresh = `${path}.new-${randomUUID()}`
  try {
    await writeFile(fresh, text, { mode: 0o600, flag: 'wx' })
    await rename(fresh, path)
  } finally {
    await rm(fresh, { force: true })
  }
}

/** Each site has a history and texts of its own. */
function onlySite({ sites }: ConfigurationAccess): string {
  const [site] = sites
  if (site !== undefined && sites.length === 1) return site
  throw new CwError('USAGE', 'the deployment has several sites', {
    changed: 'nothing',
    remedies: sites.map(each => `--site ${each}`),
  })
}

function requireShared(name: string): void {
  const wrong = validateName(name, 'shared')
  if (wrong?.severity !== 'error') return
  const nearest = wrong.nearest ?? nearestOption(name)
  throw invalid(
    formatFault(wrong),
    nearest === undefined ? 'cw config explain' : `cw config explain ${nearest}`,
  )
}

function invalid(message: string, remedy: string): CwError {
  return new CwError('OPTION_INVALID', message, { changed: 'nothing', remedies: [remedy] })
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw new CwError('FILE_UNREADABLE', 'a file cannot be read', {
      where: { file },
      changed: 'nothing',
      cause,
    })
  }
}
