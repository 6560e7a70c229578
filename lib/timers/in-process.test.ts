import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { seconds, TestClock } from '../kit/clock.ts'
import { noLog } from '../kit/log.ts'
import { openEmbedded, type EmbeddedEnvironment } from '../store/embedded/environment.ts'
import { timerServiceContract } from './contract.ts'
import { InProcessTimers } from './in-process.ts'

let dir: string
let environment: EmbeddedEnvironment
let clock: TestClock
let timers: InProcessTimers

function start(): InProcessTimers {
  return new InProcessTimers({ clock, log: noLog, environment })
}

async function restart(): Promise<void> {
  timers.close()
  await environment.close()
  environment = await openEmbedded({ dir })
  timers = start()
}

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'cw-timers-'))
  environment = await openEmbedded({ dir })
  clock = new TestClock()
  timers = start()
})

afterEach(async () => {
  timers.close()
  await environment.close()
  rmSync(dir, { recursive: true, force: true })
})

timerServiceContract('in process, in memory', async testClock => {
  const service = new InProcessTimers({ clock: testClock, log: noLog })
  return { service, close: async () => service.close() }
})

timerServiceContract('in process, on disk', async testClock => {
  const service = new InProcessTimers({ clock: testClock, log: noLog, environment })
  return { service, close: async () => service.close() }
})

describe('over a restart', () => {
  test('timers that became due meanwhile pop as soon as their topic has a handler', async () => {
    await timers.set('reg', 'a', seconds(10), 'A')
    await timers.set('reg', 'b', seconds(100), 'B')
    await timers.set('reg', 'gone', seconds(10), 'C')
    await timers.cancel('reg', 'gone')

    clock.advance(seconds(50))
    await restart()
    const pops: string[] = []
    timers.onPop('reg', async pop => void pops.push(pop.opaque))
    clock.advance(seconds(1))
    await vi.waitFor(() => expect(pops).toEqual(['A']))

    clock.advance(seconds(49))
    await vi.waitFor(() => expect(pops).toEqual(['A', 'B']))
  })

  test('one that has popped is gone', async () => {
    const pops: string[] = []
    timers.onPop('reg', async pop => void pops.push(pop.id))
    await timers.set('reg', 'a', seconds(1), '')
    clock.advance(seconds(1))
    await vi.waitFor(() => expect(pops).toEqual(['a']))

    await restart()
    timers.onPop('reg', async pop => void pops.push(pop.id))
    clock.advance(seconds(1000))

    expect(pops).toEqual(['a'])
    expect(clock.pending).toBe(0)
  })
})

test('thousands that are due at once are worked off without all running at the same time', async () => {
  let running = 0
  let most = 0
  let handled = 0
  timers.onPop('reg', async () => {
    most = Math.max(most, ++running)
    await Promise.resolve()
    running--
    handled++
  })
  await Promise.all(Array.from({ length: 3000 }, (_, i) => timers.set('reg', `${i}`, seconds(1), '')))

  clock.advance(seconds(1))

  await vi.waitFor(() => expect(handled).toBe(3000))
  expect(most).toBeLessThanOrEqual(100)
})

test('a handler that keeps failing is given up after six tries', async () => {
  let tries = 0
  timers.onPop('reg', async () => {
    tries++
    throw new Error('refused')
  })
  await timers.set('reg', 'a', seconds(1), '')
  clock.advance(seconds(1))

  for (let i = 1; i <= 6; i++) {
    await vi.waitFor(() => expect(tries).toBe(i))
    clock.advance(seconds(10))
  }

  expect(tries).toBe(6)
  expect(clock.pending).toBe(0)
})
