import { quoted } from '../../fleet/ssh/quote.ts'
import type { ConfigurationPlan } from './plan.ts'

const PLAIN = /^[\w@%+=:,./-]+$/

/**
 * The command that takes a change back: in its own words where they say it all, else what was before by its number.
 * Secrets do not stand in commands.
 */
export function undoOf(plan: ConfigurationPlan, numbers: ReadonlyMap<string, number>): string {
  return ownWords(plan) ?? byNumber(numbers)
}

function ownWords({ files }: ConfigurationPlan): string | undefined {
  const [first] = files
  if (first === undefined || first.changes.length === 0) return undefined
  const before = (file: typeof first): string =>
    JSON.stringify(file.changes.map(change => [change.name, change.before]))
  // Sites that differ cannot be taken back by one command.
  if (files.some(file => file.file !== 'shared_config' || before(file) !== before(first))) return undefined
  const { changes } = first
  if (changes.some(change => change.secret)) return undefined
  if (changes.every(change => change.before === undefined)) {
    return ['cw config unset', ...changes.map(change => change.name)].join(' ')
  }
  if (changes.some(change => change.before === undefined)) return undefined
  return ['cw config set', ...changes.map(change => word(`${change.name}=${change.before ?? ''}`))].join(' ')
}

function byNumber(numbers: ReadonlyMap<string, number>): string {
  const all = [...numbers].map(([site, number]) => `cw config import --before ${number} --site ${site}`)
  return all.join(' && ')
}

function word(text: string): string {
  return PLAIN.test(text) ? text : quoted(text)
}
