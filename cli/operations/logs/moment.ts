import { CwError } from '../../../lib/kit/errors.ts'

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/**
 * A moment as people give it: so long ago (`90s`, `15m`, `2h`, `1d`), or a date with or without a time (`2016-07-04`,
 * `2016-07-04 12:00:30`), in UTC unless it names a zone.
 *
 * @param flag how it is called in the error
 * @returns milliseconds since the epoch
 * @throws CwError OPTION_INVALID
 */
export function parseMoment(text: string, flag: string, now: number): number {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  if (count !== undefined) return now - Number(count) * UNITS[unit as keyof typeof UNITS]
  const [, date, time = '00:00', zone = 'Z'] =
    /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?))? ?(Z|[+-]\d\d:\d\d)?$/.exec(text) ?? []
  const moment = date === undefined ? NaN : Date.parse(`${date}T${time}${zone}`)
  if (!Number.isNaN(moment)) return moment
  throw new CwError('OPTION_INVALID', `${flag} ${JSON.stringify(text)} is no time`, {
    changed: 'nothing',
    remedies: [`${flag} 15m`, `${flag} "2016-07-04 12:00:30"`],
  })
}
