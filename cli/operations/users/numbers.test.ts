import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CwError } from '../../../lib/kit/errors.ts'
import { countNumbers, numbersIn, parseNumbers } from './numbers.ts'

const numbers = (text: string): string[] => [...numbersIn(parseNumbers(text))]

function whyOf(text: string): string | undefined {
  try {
    parseNumbers(text)
  } catch (error) {
    if (error instanceof CwError && error.code === 'NUMBER_RANGE_INVALID') return error.detail.why
    throw error
  }
  return undefined
}

describe('directory numbers', () => {
  test('single numbers, names, ranges and lists of them are read in order', () => {
    expect(numbers('6505550001')).toEqual(['6505550001'])
    expect(numbers('alice.smith')).toEqual(['alice.smith'])
    expect(numbers('8..8')).toEqual(['8'])
    expect(numbers('+16505550009..+16505550011, 7')).toEqual([
      '+16505550009',
      '+16505550010',
      '+16505550011',
      '7',
    ])
  })

  test('leading zeros are kept', () => {
    expect(numbers('0098..0101')).toEqual(['0098', '0099', '0100', '0101'])
  })

  test.each([
    ['', 'is empty'],
    ['1,,2', 'is empty'],
    ['1..10', '1 digits'],
    ['+10..20', 'in front'],
    ['20..10', 'below'],
    ['1..2..3', '".." between'],
    ['x..y', '".." between'],
    ['a@b', 'not a directory number'],
    ['6505550001 2', 'not a directory number'],
    ['a<b>1..a<b>2', 'not a directory number'],
    ['0000000..9999999', 'more than'],
  ])('"%s" is refused: %s', (text, why) => {
    expect(whyOf(text)).toContain(why)
  })

  test('all faulty items of a list are told at once', () => {
    expect(whyOf('1..x,2,b@c')).toMatch(/"1\.\.x".*"b@c"/)
  })

  test('a range yields as many numbers as it counts, each of the same length, one apart', () => {
    const range = fc
      .record({
        prefix: fc.constantFrom('', '+', '+x'),
        width: fc.integer({ min: 1, max: 15 }),
        size: fc.integer({ min: 1, max: 200 }),
      })
      .chain(({ prefix, width, size }) =>
        fc.integer({ min: 0, max: 10 ** width - Math.min(size, 10 ** width) }).map(first => {
          const last = first + Math.min(size, 10 ** width) - 1
          const write = (n: number): string => prefix + String(n).padStart(width, '0')
          return {
            text: `${write(first)}..${write(last)}`,
            first: write(first),
            last: write(last),
            size: last - first + 1,
          }
        }),
      )
    fc.assert(
      fc.property(range, ({ text, first, last, size }) => {
        const all = numbers(text)
        expect(countNumbers(parseNumbers(text))).toBe(size)
        expect(all).toHaveLength(size)
        expect([all[0], all.at(-1)]).toEqual([first, last])
        expect(new Set(all.map(each => each.length)).size).toBe(1)
        expect([...all].sort()).toEqual(all)
      }),
    )
  })

  test('whatever is typed is either read or refused with a reason', () => {
    fc.assert(
      fc.property(fc.string(), text => {
        const why = whyOf(text)
        if (why === undefined) expect(countNumbers(parseNumbers(text))).toBeGreaterThan(0)
        else expect(why).not.toBe('')
      }),
    )
  })
})
