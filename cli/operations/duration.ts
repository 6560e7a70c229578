import { CwError } from '../../lib/kit/errors.ts'

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 }
const MOST_SECONDS = 24 * 3600

/**
 * Reads a time such as `90s`, `30m` or `2h`, up to a day; in seconds.
 *
 * @throws CwError OPTION_INVALID
 */
export function parseSeconds(option: string, text: string): number {
  const [, count, unit = 's'] = /^(\d{1,5})([smh]?)$/.exec(text) ?? []
  const seconds = Number(count) * (UNITS[unit === '' ? 's' : unit] ?? Number.NaN)
  if (seconds >= 1 && seconds <= MOST_SECONDS) return seconds
  throw new CwError('OPTION_INVALID', `${option} ${JSON.stringify(text)} is no time up to a day`, {
    changed: 'nothing',
    remedies: [`write it like ${option} 90s, 30m or 2h`],
  })
}
