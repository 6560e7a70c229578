import { describe, expect, test } from 'vitest'
import { Admission, type AdmissionOptions } from './admission.ts'

const OPTIONS: AdmissionOptions = {
  targetLatencyUs: 100_000,
  maxTokens: 1000,
  initTokenRate: 250,
  minTokenRate: 10,
}

function open(options: Partial<AdmissionOptions> = {}) {
  return new Admission({ ...OPTIONS, ...options }, 0)
}

/** So many requests, one every 5 ms, that take this long. */
function complete(admission: Admission, count: number, latencyMs: number, from = 0): void {
  for (let i = 0; i < count; i++) admission.completed(latencyMs, from + (i + 1) * 5)
}

function admitted(admission: Admission, tries: number, now: number): number {
  let count = 0
  for (let i = 0; i < tries; i++) if (admission.take(now)) count++
  return count
}

describe('the bucket', () => {
  test('is full at first and holds no more than its size', () => {
    const admission = open()

    expect(admitted(admission, 2000, 0)).toBe(1000)
    expect(admitted(admission, 2000, 3_600_000)).toBe(1000)
  })

  test('is refilled at the rate', () => {
    const admission = open()
    admitted(admission, 1000, 0)

    expect(admitted(admission, 1000, 1000)).toBe(250)
    expect(admitted(admission, 1000, 1100)).toBe(25)
  })

  test('loses nothing to a clock that goes back', () => {
    const admission = open({ maxTokens: 1 })
    admission.take(1000)

    expect(admission.take(500)).toBe(false)
    expect(admission.take(505)).toBe(true)
  })
})

describe('the rate', () => {
  test('falls by a sixth each time that requests are above the target, down to the least', () => {
    const admission = open()
    complete(admission, 20, 101)
    expect(admission.figures.rate).toBeCloseTo(250 / 1.2)

    complete(admission, 2000, 500)
    expect(admission.figures.rate).toBe(10)
  })

  test('grows by how far requests stay below the target', () => {
    const admission = open()
    complete(admission, 20, 50)

    expect(admission.figures.rate).toBeCloseTo(250 + 0.5 * 1000 * 0.5)
  })

  test('does not grow while less than half of it is used', () => {
    const admission = open()
    for (let i = 0; i < 200; i++) admission.completed(1, i * 10)

    expect(admission.figures.rate).toBe(250)
  })

  test('falls when a server behind has too much to do, however fast we are', () => {
    const admission = open()
    admission.penalise()
    complete(admission, 20, 1)

    expect(admission.figures).toMatchObject({ penalties: 1, rate: 250 / 1.2 })
  })

  test('is looked at once a second where hardly anything gets in', () => {
    const admission = open()
    admission.completed(500, 1000)

    expect(admission.figures.rate).toBeCloseTo(250 / 1.2)
  })
})

test('the rate is not changed again before the change can be felt', () => {
  const admission = open()
  for (let i = 0; i < 2000; i++) admission.completed(500, i * 0.1)

  expect(admission.figures.rate).toBeCloseTo(250 / 1.2)
})

test('savings outlast a stall, and are lost when latency stays above the target', () => {
  const admission = open()
  complete(admission, 20, 150)
  expect(admitted(admission, 500, 100)).toBe(500)

  complete(admission, 200, 150, 100)
  expect(admitted(admission, 500, 1100)).toBeLessThan(50)
})

/**
 * One server with a queue: each call costs 1.6 ms, in four messages of which the first may be refused at a cost of
 * 0.1 ms. @returns calls that were completed in a second
 */
function simulate(
  offered: number,
  useControl: boolean,
  stallMs = 0,
): { readonly goodput: number; readonly worstMs: number } {
  const admission = open()
  const [cost, refusal, followUps, lasts] = [0.4, 0.1, 3, 20_000]
  const queue: { at: number; left: number }[] = []
  let head = 0
  let now = 0
  let nextArrival = 0
  let done = 0
  let worstMs = 0
  let nextStall = 3000
  let seed = 1
  const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647
  while (now < lasts) {
    while (nextArrival <= now) {
      queue.push({ at: nextArrival, left: followUps })
      nextArrival += (-Math.log(1 - random()) * 1000) / offered
    }
    const message = queue[head]
    if (message === undefined) {
      now = nextArrival
      continue
    }
    if (now >= nextStall) {
      now += stallMs
      nextStall += 3000
    }
    head++
    const waited = now - message.at
    worstMs = Math.max(worstMs, waited)
    if (useControl && message.left === followUps && !admission.take(now)) {
      admission.refused()
      now += refusal
      continue
    }
    now += cost
    admission.completed(now - message.at, now)
    if (message.left > 0) queue.push({ at: now, left: message.left - 1 })
    else if (now > lasts / 4) done++
  }
  return { goodput: done / ((lasts * 0.75) / 1000), worstMs }
}

describe('a server that can do 625 calls a second', () => {
  test.for([1, 1.5, 2, 3])('does nine tenths of that when offered %f times as much', times => {
    const { goodput, worstMs } = simulate(625 * times, true)

    // What refusing itself costs is not to be had.
    const left = 1 - Math.max(0, times - 1) * 625 * 0.0001
    expect(goodput).toBeGreaterThan(625 * 0.9 * left)
    expect(worstMs).toBeLessThan(1000)
  })

  test('refuses next to nothing when offered half, though it stands still for 0.3 s now and then', () => {
    expect(simulate(312, true, 300).goodput).toBeGreaterThan(305)
  })

  test('refuses nothing when offered four fifths', () => {
    expect(simulate(500, true).goodput).toBeGreaterThan(495)
  })

  test('would only make everybody wait without this', () => {
    expect(simulate(1250, false).worstMs).toBeGreaterThan(5000)
  })
})
