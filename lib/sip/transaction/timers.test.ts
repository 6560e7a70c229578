import { expect, test } from 'vitest'
import { RFC_TIMERS, retransmitDelay } from './timers.ts'

test('an INVITE is resent at doubling intervals (RFC 3261 §17.1.1.2)', () => {
  expect([1, 2, 3, 4, 5, 6].map(sent => retransmitDelay(sent, false, RFC_TIMERS))).toEqual([
    500, 1000, 2000, 4000, 8000, 16_000,
  ])
})

test('anything else stops growing at T2 (§17.1.2.2, §17.2.1)', () => {
  expect([1, 2, 3, 4, 5, 6].map(sent => retransmitDelay(sent, true, RFC_TIMERS))).toEqual([
    500, 1000, 2000, 4000, 4000, 4000,
  ])
})

test('the defaults are those of RFC 3261 table 4', () => {
  expect(RFC_TIMERS).toMatchObject({ t1: 500, t2: 4000, t4: 5000 })
  expect(RFC_TIMERS.d).toBeGreaterThanOrEqual(32_000)
  expect(RFC_TIMERS.c).toBeGreaterThanOrEqual(180_000)
})
