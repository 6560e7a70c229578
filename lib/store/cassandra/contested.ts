import { setTimeout as sleep } from 'node:timers/promises'
import { CwError } from '../../kit/errors.ts'

const MOST_ATTEMPTS = 40
const LONGEST_MS = 250
const PATIENCE_MS = 8000

/**
 * Tries until a decision is won: `attempt` reads what is there, decides on it, and gives undefined if somebody else was
 * faster, or if nobody knows. Waits a little longer, and unevenly, each time.
 *
 * @throws CwError STORE_FAILED if others are faster all the time
 */
export async function contested<T>(attempt: () => Promise<{ readonly value: T } | undefined>): Promise<T> {
  const until = performance.now() + PATIENCE_MS
  for (let lost = 0; lost < MOST_ATTEMPTS && performance.now() < until; lost++) {
    const won = await attempt()
    if (won !== undefined) return won.value
    await sleep(Math.random() * Math.min(LONGEST_MS, 5 * 2 ** lost))
  }
  throw new CwError('STORE_FAILED', 'a row in Cassandra could not be changed', {
    why: 'others change it all the time, or too few of its copies answer',
    remedies: ['see which nodes run: cw status'],
  })
}
