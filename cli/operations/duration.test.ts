import { expect, test } from 'vitest'
import { parseSeconds } from './duration.ts'

test.each([
  ['90s', 90],
  ['90', 90],
  ['30m', 1800],
  ['2h', 7200],
])('%s is %i seconds', (text, seconds) => {
  expect(parseSeconds('--at-most', text)).toBe(seconds)
})

test.each(['', '0', '-1', '5 m', '2d', '25h', '1.5m', '99999999'])('%j is refused', text => {
  expect(() => parseSeconds('--at-most', text)).toThrow(/^--at-most .* is no time up to a day$/)
})
