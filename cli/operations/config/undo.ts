import { quoted } from '../../fleet/ssh/quote.ts'
import type { ConfigurationPlan } from './plan.ts'

const PLAIN = /^[\w@%+=:,./-]+$/

/**
 * The command that takes a change back: in its own words where they say it all, else what was before by its number.
 * Secrets do not stand in commands.
 *
 * @param words what each command needs besides, such as the deployment file
 * @param site the one that the change was for, if not for all
 */
export function undoOf(
  plan: ConfigurationPlan,
  numbers: ReadonlyMap<string, number>,
  words: readonly string[],
  site?: string,
): string {
  const own = ownWords(plan)
  const commands =
    own === undefined ? byNumber(numbers) : [site === undefined ? own : [...own, '--site', site]]
  return commands.map(command => [...command, ...words].map(word).join(' ')).join(' && ')
}

function ownWords({ files }: ConfigurationPlan): readonly string[] | undefined {
  const [first] = files
  if (first === undefined || first.changes.length === 0) return undefined
  const before = (file: typeof first): string =>
    JSON.stringify(file.changes.map(change => [change.name, change.before]))
  // Sites that differ cannot be taken back by one command.
  if (files.some(file => file.file !== 'shared_config' || before(file) !== before(first))) return undefined
  const { changes } = first
  if (changes.some(change => change.secret)) return undefined
  if (changes.every(change => change.before === undefined)) {
    return ['cw', 'config', 'unset', ...changes.map(change => change.name)]
  }
  if (changes.some(change => change.before === undefined)) return undefined
  return ['cw', 'config', 'set', ...changes.map(change => `${change.name}=${change.before ?? ''}`)]
}

function byNumber(numbers: ReadonlyMap<string, number>): readonly (readonly string[])[] {
  const put = ['cw', 'config', 'import', '--before']
  return [...numbers].map(([site, number]) => [...put, String(number), '--site', site])
}

/** One word of a command, as a person may copy it. */
export function word(text: string): string {
  return PLAIN.test(text) ? text : quoted(text)
}
