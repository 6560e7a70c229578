import { millis, pause, seconds, type Duration } from '../../lib/kit/clock.ts'
import type { StoreNode } from './store-node.ts'

const ASK_EVERY = millis(500)
/** So long nothing is said of it; then what keeps it is told, and it is waited for again. */
const PATIENCE = seconds(120)

interface Waiting extends Pick<StoreNode, 'ask' | 'clock'> {
  readonly daemon: string
  readonly signal: AbortSignal
}

/**
 * Waits until a daemon says that it has all that it is to have.
 *
 * @throws Error with what it says instead, after two minutes
 */
export async function untilSynchronised(
  { ask, clock, daemon, signal }: Waiting,
  isDone: (status: Readonly<Record<string, unknown>>, waited: Duration) => boolean,
): Promise<void> {
  const begin = clock.now()
  const end = begin + PATIENCE
  let last: Readonly<Record<string, unknown>> | undefined
  while (!signal.aborted) {
    last = await ask(daemon).catch(() => undefined)
    if (last !== undefined && isDone(last, millis(clock.now() - begin))) return
    if (clock.now() >= end) {
      const said = last === undefined ? 'does not answer' : `says ${JSON.stringify(last).slice(0, 300)}`
      throw new Error(`${daemon} does not have all that it is to have: it ${said}`)
    }
    await pause(clock, ASK_EVERY, signal)
  }
}
