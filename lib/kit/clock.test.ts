import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { execFileSync } from 'node:child_process'
import { millis, minutes, seconds, TestClock, TimerWheel } from './clock.ts'

test('durations are milliseconds', () => {
  expect([millis(3), seconds(2), minutes(3)]).toEqual([3, 2000, 180_000])
})

describe('a test clock', () => {
  test('fires what is due in its order, with the time at which it was due', () => {
    const clock = new TestClock(0)
    const fired: string[] = []
    const note = (name: string) => () => void fired.push(`${name} at ${clock.now()}`)
    clock.after(millis(20), note('b'))
    clock.after(millis(10), note('a'))
    clock.after(millis(20), note('c'))
    clock.after(millis(31), note('later'))

    clock.advance(millis(30))

    expect(fired).toEqual(['a at 10', 'b at 20', 'c at 20'])
    expect(clock.now()).toBe(30)
    expect(clock.pending).toBe(1)
  })

  test('fires what a timer sets on the way', () => {
    const clock = new TestClock(0)
    const fired: number[] = []
    const again = (): void => {
      fired.push(clock.now())
      if (fired.length < 3) clock.after(millis(10), again)
    }
    clock.after(millis(10), again)

    clock.advance(millis(100))

    expect(fired).toEqual([10, 20, 30])
  })

  test('forgets what is cancelled, also on the way', () => {
    const clock = new TestClock(0)
    const fired: string[] = []
    const second = clock.after(millis(20), () => void fired.push('second'))
    clock.after(millis(10), () => second.cancel())
    const third = clock.after(millis(30), () => void fired.push('third'))
    third.cancel()
    third.cancel()

    clock.advance(millis(100))

    expect(fired).toEqual([])
    expect(clock.pending).toBe(0)
  })
})

describe('the timer wheel', () => {
  let errors: unknown[]
  let wheel: TimerWheel

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance', 'Date'] })
    errors = []
    wheel = new TimerWheel(error => void errors.push(error))
  })

  afterEach(() => {
    wheel.close()
    vi.useRealTimers()
  })

  test('never fires early, and at most one tick late', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(200_000), { maxLength: 20 }), fc.nat(120), (delays, offset) => {
        vi.advanceTimersByTime(offset)
        const set = performance.now()
        const late: number[] = []
        for (const delay of delays)
          wheel.after(millis(delay), () => void late.push(performance.now() - set - delay))

        vi.advanceTimersByTime(200_200)

        expect(late).toHaveLength(delays.length)
        for (const by of late) {
          expect(by).toBeGreaterThanOrEqual(0)
          expect(by).toBeLessThanOrEqual(100)
        }
      }),
      { numRuns: 30 },
    )
  })

  test('fires a timer once, none that is cancelled', () => {
    const fired: string[] = []
    wheel.after(millis(10), () => void fired.push('once'))
    wheel.after(millis(10), () => void fired.push('never')).cancel()
    wheel.after(minutes(3), () => void fired.push('far')).cancel()

    vi.advanceTimersByTime(400_000)

    expect(fired).toEqual(['once'])
  })

  test('turns only while timers are set', () => {
    expect(vi.getTimerCount()).toBe(0)
    wheel.after(seconds(60), () => undefined)
    expect(vi.getTimerCount()).toBe(1)

    vi.advanceTimersByTime(60_100)
    expect(vi.getTimerCount()).toBe(0)

    let fired = false
    wheel.after(millis(50), () => (fired = true))
    vi.advanceTimersByTime(100)
    expect(fired).toBe(true)
  })

  test('takes timers that a timer sets', () => {
    const fired: number[] = []
    const again = (): void => {
      fired.push(performance.now())
      if (fired.length < 3) wheel.after(millis(0), again)
    }
    wheel.after(millis(0), again)

    vi.advanceTimersByTime(500)

    expect(fired).toHaveLength(3)
  })

  test('reports a timer that throws, and goes on with the others', () => {
    const fired: string[] = []
    wheel.after(millis(10), () => {
      throw new Error('bug')
    })
    wheel.after(millis(10), () => void fired.push('other'))

    vi.advanceTimersByTime(100)

    expect(errors).toEqual([new Error('bug')])
    expect(fired).toEqual(['other'])
  })

  test('closed, fires nothing more', () => {
    let fired = false
    wheel.after(millis(10), () => (fired = true))

    wheel.close()
    vi.advanceTimersByTime(1000)

    expect(fired).toBe(false)
    expect(vi.getTimerCount()).toBe(0)
  })
})

test('a process that only waits for a timer lives until it fires', () => {
  const wait = (options: string): string => `
    import { millis, pause, TimerWheel } from ${JSON.stringify(new URL('clock.ts', import.meta.url).href)}
    await pause(new TimerWheel(() => {}, ${options}), millis(60))
    console.log('over')`
  const run = (options: string): string =>
    execFileSync(process.execPath, ['--input-type=module', '-e', wait(options)], { encoding: 'utf8', stdio: 'pipe' }) // prettier-ignore

  expect(run('{}')).toBe('over\n')
  expect(() => run('{ holdsProcess: false }')).toThrow(/unsettled top-level await/)
})
