import { millis, pause, seconds, type Clock, type Duration } from '../../lib/kit/clock.ts'
import type { Log } from '../../lib/kit/log.ts'
import type { Units } from '../../lib/kit/units.ts'

export interface Patience {
  /** For all daemons of the node to be healthy after their restart. Default 450 s. */
  readonly healthy?: Duration
  /** How long they have to stay so. Default 5 s: a daemon is ready only once it answers its own question. */
  readonly settled?: Duration
}

export interface RestartParts {
  readonly units: Pick<Units, 'restart' | 'isActive'>
  /** Whether a daemon that runs says of itself that it is healthy. */
  readonly isHealthy: (daemon: string) => Promise<boolean>
  readonly clock: Clock
  readonly log: Log
}

const ASK_EVERY = millis(500)

/**
 * Restarts daemons one after the other and waits until all of them are healthy and stay so.
 *
 * @returns what keeps the node from that, or undefined if it is healthy
 */
export async function restartNode(
  daemons: readonly string[],
  parts: RestartParts,
  patience: Patience,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { units, clock, log } = parts
  for (const daemon of daemons) {
    log.info('restarting', { daemon })
    try {
      await units.restart(daemon)
    } catch (error) {
      return `${daemon} does not start: ${error instanceof Error ? error.message : String(error)}`
    }
  }
  const settled = patience.settled ?? seconds(5)
  const end = clock.now() + (patience.healthy ?? seconds(450))
  let healthySince: number | undefined
  for (;;) {
    const ill = await illOf(daemons, parts)
    if (signal.aborted) return 'interrupted'
    const now = clock.now()
    if (ill === undefined) {
      healthySince ??= now
      if (now - healthySince >= settled) return undefined
    } else {
      healthySince = undefined
      if (now >= end) return `${ill} is not healthy after its restart`
    }
    await pause(clock, ASK_EVERY, signal)
  }
}

async function illOf(daemons: readonly string[], parts: RestartParts): Promise<string | undefined> {
  for (const daemon of daemons) {
    const isWell = await parts.units.isActive(daemon).catch(() => false)
    if (!isWell || !(await parts.isHealthy(daemon))) return daemon
  }
  return undefined
}
