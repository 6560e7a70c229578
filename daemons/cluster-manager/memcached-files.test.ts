import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ClusterView, NodeState } from '../../lib/clustering/states.ts'
import { millis, TestClock } from '../../lib/kit/clock.ts'
import { noLog } from '../../lib/kit/log.ts'
import { TempDir } from '../../test/support/temp-dir.ts'
import { MemcachedFiles } from './memcached-files.ts'

const ONE = '10.0.0.1'
const TWO = '10.0.0.2'
const THREE = '10.0.0.3'
const at = (...addresses: readonly string[]): readonly string[] => addresses.map(each => `${each}:11211`)

/** A node in the middle of a change of its cluster, with an astaire that says what a test wants. */
describe('that a change is resynchronised', () => {
  let dir: TempDir
  beforeEach(() => {
    dir = new TempDir('memcached-files')
  })
  afterEach(() => {
    dir[Symbol.dispose]()
  })

  async function isOver(
    view: Readonly<Record<string, NodeState>>,
    astaire: Readonly<Record<string, unknown>>,
  ) {
    const clock = new TestClock(0)
    const files = new MemcachedFiles(
      {
        ...{ own: ONE, clock, log: noLog },
        units: { reload: () => Promise.resolve(), isActive: () => Promise.resolve(true) },
        ask: () => Promise.resolve(astaire),
      },
      dir.path,
      11_211,
    )
    const over = { is: false }
    const stop = new AbortController()
    const run = files
      .run('resynchronise', new Map(Object.entries(view)) as ClusterView, stop.signal)
      .then(() => (over.is = true))
    for (let turn = 0; turn < 20 && !over.is; turn++) {
      await new Promise(resolve => setImmediate(resolve))
      clock.advance(millis(500))
    }
    const result = over.is
    stop.abort()
    await run
    return result
  }
  const LEAVING = { servers: at(ONE, TWO, THREE), newServers: at(ONE, THREE), state: 'synchronised' }
  const JOINING = { servers: at(ONE, TWO), newServers: at(ONE, TWO, THREE), state: 'synchronised' }

  test('shows by what astaire is to have', async () => {
    const changed = 'normal, config changed'
    const leaves = {
      [ONE]: changed,
      [TWO]: 'leaving, config changed',
      [THREE]: changed,
    } as const
    expect(await isOver(leaves, LEAVING)).toBe(true)
    expect(await isOver(leaves, { ...LEAVING, state: 'synchronising' })).toBe(false)
    expect(await isOver(leaves, { servers: at(ONE, TWO, THREE), state: 'synchronised' })).toBe(false)
  })

  test('shows also where the others are through with it', async () => {
    const changed = 'normal, config changed'
    const left = { [ONE]: changed, [TWO]: 'finished', [THREE]: 'normal' } as const
    expect(await isOver(left, LEAVING)).toBe(true)
    const joined = { [ONE]: changed, [TWO]: 'normal', [THREE]: 'normal' } as const
    expect(await isOver(joined, JOINING)).toBe(true)
  })
})
