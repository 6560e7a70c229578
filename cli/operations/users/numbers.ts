import { CwError } from '../../../lib/kit/errors.ts'

/** Consecutive directory numbers: what stands before and after the part that counts, and that part's ends. */
export interface NumberRange {
  readonly prefix: string
  readonly first: bigint
  readonly last: bigint
  /** Digits of the counting part, so that leading zeros are kept. */
  readonly width: number
}

/** One command takes at most this many; `cw user import` takes any number. */
const MOST_NUMBERS = 1_000_000n

/** What a SIP URI takes as its user part without escapes (RFC 3261 §25.1), less the comma, which separates here. */
const USER_PART = /^[\w.!~*'()&=+$-]+$/

/**
 * Reads `6505550000`, `6505550000..6505550099`, and lists of both with commas. Both ends of a range have the same
 * length and the same non-digits in front, e.g. `+`.
 *
 * @throws CwError NUMBER_RANGE_INVALID, which names every faulty item.
 */
export function parseNumbers(text: string): readonly NumberRange[] {
  const parsed = text.split(',').map(item => ({ item: item.trim(), range: parseItem(item.trim()) }))
  const faults = parsed.flatMap(({ item, range }) =>
    typeof range === 'string' ? [`"${item}": ${range}`] : [],
  )
  if (faults.length > 0) throw invalid(faults.join('; '))
  const ranges = parsed.map(({ range }) => range).filter(range => typeof range !== 'string')
  if (sizeOf(ranges) > MOST_NUMBERS) {
    throw invalid(`${sizeOf(ranges)} numbers are more than the ${MOST_NUMBERS} that one command takes`, [
      'put them into a file and use: cw user import FILE.csv',
    ])
  }
  return ranges
}

/** How many numbers the ranges hold. */
export function countNumbers(ranges: readonly NumberRange[]): number {
  return Number(sizeOf(ranges))
}

/** The numbers of all ranges in order, made one by one. */
export function* numbersIn(ranges: readonly NumberRange[]): Generator<string, void> {
  for (const { prefix, first, last, width } of ranges) {
    for (let n = first; n <= last; n++)
      yield width === 0 ? prefix : prefix + n.toString().padStart(width, '0')
  }
}

function sizeOf(ranges: readonly NumberRange[]): bigint {
  return ranges.reduce((sum, { first, last }) => sum + (last - first + 1n), 0n)
}

/** The range, or what is wrong with it. */
function parseItem(item: string): NumberRange | string {
  if (item === '') return 'is empty'
  const cut = item.indexOf('..')
  if (cut === -1) {
    return USER_PART.test(item)
      ? { prefix: item, first: 0n, last: 0n, width: 0 }
      : 'is not a directory number'
  }
  const start = /^(\D*)(\d{1,30})$/.exec(item.slice(0, cut))
  const end = /^(\D*)(\d{1,30})$/.exec(item.slice(cut + 2))
  if (start === null || end === null) return 'a range is two numbers with ".." between them'
  const [, prefix = '', from = ''] = start
  const [, endPrefix = '', to = ''] = end
  if (prefix !== '' && !USER_PART.test(prefix)) return 'is not a directory number'
  if (prefix !== endPrefix)
    return `"${prefix}" in front of the first number and "${endPrefix}" of the last differ`
  if (from.length !== to.length) return `the first number has ${from.length} digits and the last ${to.length}`
  if (BigInt(from) > BigInt(to)) return 'the last number is below the first'
  return { prefix, first: BigInt(from), last: BigInt(to), width: from.length }
}

function invalid(why: string, remedies: readonly string[] = []): CwError {
  return new CwError('NUMBER_RANGE_INVALID', 'the numbers cannot be read', {
    why,
    changed: 'nothing',
    remedies: [...remedies, 'write numbers like 6505550000, 6505550000..6505550099 or 6505550001,6505550007'],
  })
}
