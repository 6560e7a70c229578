import { parseConfigFile } from './config-file.ts'
import type { Fault } from './fault.ts'
import { emptyJsonFile, validateJsonFile, type JsonFileName } from './json-files.ts'
import type { Consumer, Impact } from './option.ts'
import { findOption } from './options.ts'
import { validateSharedConfig } from './validate.ts'
import { emptyXmlFile, isXmlFile, validateXmlFile, type XmlFileName } from './xml-files.ts'

/** A file that is the same on all nodes of a site, by its name in `/etc/clearwater`. */
export type SharedFileName = 'shared_config' | JsonFileName | XmlFileName

/** The text of each file while there is nothing in it. */
export function emptySharedFile(file: SharedFileName): string {
  if (file === 'shared_config') return ''
  return isXmlFile(file) ? emptyXmlFile(file) : emptyJsonFile(file)
}

/** One option, or a whole other file, that two texts give differently. */
export interface SharedChange {
  readonly name: string
  readonly before: string | undefined
  readonly after: string | undefined
  readonly impact: Impact
  readonly usedBy: readonly Consumer[]
  readonly secret: boolean
}

/** What a change asks of the daemons of a node. */
export interface Effects {
  readonly reload: ReadonlySet<string>
  readonly restart: ReadonlySet<string>
}

/** Everything that is wrong with a shared file. Never throws. */
export function validateSharedFile(file: SharedFileName, text: string): readonly Fault[] {
  if (file === 'shared_config') return validateSharedConfig(text)
  return isXmlFile(file) ? validateXmlFile(file, text) : validateJsonFile(file, text)
}

/** What differs in meaning: comments, quotes and order do not. An absent file says nothing. */
export function changesBetween(
  file: SharedFileName,
  before: string | undefined,
  after: string,
): readonly SharedChange[] {
  return file === 'shared_config'
    ? optionChanges(before ?? '', after)
    : fileChanges(file, before ?? emptySharedFile(file), after)
}

/** Whom a change concerns. Who only takes it at a reload need not be told twice where it restarts anyway. */
export function effectsOf(changes: readonly SharedChange[]): Effects {
  const daemonsOf = (wanted: (impact: Impact) => boolean): readonly string[] =>
    changes.filter(change => wanted(change.impact)).flatMap(change => change.usedBy.map(daemonOf))
  const restart = new Set(daemonsOf(impact => impact === 'restart' || impact === 'rebuild'))
  const reload = daemonsOf(impact => impact === 'live' || impact === 'reload')
  return { restart, reload: new Set(reload.filter(daemon => !restart.has(daemon))) }
}

/** The process in which a part of a node runs. */
function daemonOf(consumer: Consumer): string {
  return consumer === 'homestead-prov' ? 'homestead' : consumer
}

function optionChanges(before: string, after: string): readonly SharedChange[] {
  const [old, now] = [parseConfigFile(before).values, parseConfigFile(after).values]
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter(name => old.get(name) !== now.get(name))
    .map(name => {
      const option = findOption(name)
      const change = { name, before: old.get(name), after: now.get(name) }
      return {
        ...change,
        impact: option?.impact ?? 'live',
        usedBy: option?.usedBy ?? [],
        secret: option?.secret === true,
      }
    })
}

/** sprout reads these files, at a reload (operations.md §5.1); bono what keeps calls from being refused. */
function fileChanges(
  file: JsonFileName | XmlFileName,
  before: string,
  after: string,
): readonly SharedChange[] {
  if (isXmlFile(file) ? before.trim() === after.trim() : sameJson(before, after)) return []
  const usedBy: readonly Consumer[] = file === 'rph.json' ? ['bono', 'sprout'] : ['sprout']
  return [{ name: file, before, after, impact: 'reload', usedBy, secret: false }]
}

function sameJson(a: string, b: string): boolean {
  try {
    return JSON.stringify(JSON.parse(a)) === JSON.stringify(JSON.parse(b))
  } catch {
    return a === b
  }
}
