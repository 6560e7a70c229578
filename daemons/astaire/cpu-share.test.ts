import { expect, test } from 'vitest'
import { CpuShare } from './cpu-share.ts'

test('who has used more than its share pauses until it has not', () => {
  let used = 100
  let now = 1000
  const share = new CpuShare(
    () => used,
    () => now,
  )
  expect(share.pauseFor(0.05)).toBe(0)

  used += 10
  now += 20
  expect(share.pauseFor(0.05)).toBe(180)
  expect(share.pauseFor(0.5)).toBe(0)
  now += 180
  expect(share.pauseFor(0.05)).toBe(0)

  used += 10_000
  expect(share.pauseFor(0.01)).toBe(5000)
})
