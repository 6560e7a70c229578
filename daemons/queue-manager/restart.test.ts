import { describe, expect, test } from 'vitest'
import { seconds, TestClock } from '../../lib/kit/clock.ts'
import { noLog } from '../../lib/kit/log.ts'
import { restartNode } from './restart.ts'

/** A node whose daemons are well when the test says so, on a clock that goes on whenever somebody waits. */
class Node {
  readonly clock = new TestClock()
  readonly restarted: string[] = []
  /** Whether a daemon is well so many milliseconds after the beginning. */
  isWell: (daemon: string, ms: number) => boolean = () => true
  broken: string | undefined
  readonly #start = this.clock.now()

  async restart(...daemons: readonly string[]): Promise<string | undefined> {
    const stop = new AbortController()
    const outcome = restartNode(
      daemons,
      {
        clock: this.clock,
        log: noLog,
        units: {
          restart: daemon => {
            this.restarted.push(daemon)
            return daemon === this.broken ? Promise.reject(new Error('no such unit')) : Promise.resolve()
          },
          isActive: () => Promise.resolve(true),
        },
        isHealthy: daemon => Promise.resolve(this.isWell(daemon, this.clock.now() - this.#start)),
      },
      { healthy: seconds(60), settled: seconds(5) },
      stop.signal,
    )
    const state = { over: false }
    void outcome.finally(() => {
      state.over = true
    })
    while (!state.over) {
      this.clock.advance(seconds(0.5))
      await new Promise(next => setImmediate(next))
    }
    return outcome
  }

  get tookMs(): number {
    return this.clock.now() - this.#start
  }
}

describe('the restart of a node', () => {
  test('is done once all daemons have been healthy for a while', async () => {
    const node = new Node()
    node.isWell = (daemon, ms) => daemon !== 'sprout' || ms > 10_000
    expect(await node.restart('bono', 'sprout')).toBeUndefined()
    expect(node.restarted).toEqual(['bono', 'sprout'])
    expect(node.tookMs).toBeGreaterThanOrEqual(15_000)
  })

  test('is not done while a daemon comes and goes, and has an end', async () => {
    const node = new Node()
    node.isWell = (_, ms) => ms % 3000 > 1000
    expect(await node.restart('sprout')).toBe('sprout is not healthy after its restart')
    expect(node.tookMs).toBeGreaterThanOrEqual(60_000)
  })

  test('ends with a daemon that does not start', async () => {
    const node = new Node()
    node.broken = 'bono'
    expect(await node.restart('bono', 'sprout')).toBe('bono does not start: no such unit')
    expect(node.restarted).toEqual(['bono'])
  })
})
