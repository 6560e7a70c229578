import { expect, test } from 'vitest'
import { isNewer, nextStamp, stampOf } from './stamp.ts'

const NOW = 1_800_000_000_000
const HOUR = 3_600_000

test('a stamp is after the last one, whatever the clock says', () => {
  expect(nextStamp(NOW, stampOf(NOW - 1))).toBe(stampOf(NOW))
  expect(nextStamp(NOW, stampOf(NOW))).toBe(stampOf(NOW) + 1)
  const ahead = stampOf(NOW + HOUR)
  expect(isNewer(nextStamp(NOW, ahead), ahead)).toBe(true)
})

test('also across the end of 32 bits', () => {
  const last = 2 ** 32 - 1
  expect(nextStamp(last, last)).toBe(0)
  expect(isNewer(nextStamp(last, last), last)).toBe(true)
})
