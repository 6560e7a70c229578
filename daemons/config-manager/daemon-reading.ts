import { statusByHttp } from '../../lib/http/daemon-status.ts'
import { millis, pause, type Clock, type Duration } from '../../lib/kit/clock.ts'

/** What a daemon says of the configuration it works with. */
export interface Reading {
  /** How often it has read its files. */
  readonly readings: number
  /** Things that are wrong with them, none of which keeps it from its work. */
  readonly faults: number
  /** Why it could not use what it read last; it goes on with what it had before. */
  readonly problem?: string
}

/** `undefined`: it does not answer, or says nothing of its configuration. */
export type AskReading = (daemon: string) => Promise<Reading | undefined>

/**
 * Asks daemons at their `/status`.
 *
 * @param origins where each answers; one that is not here has nothing to say
 */
export function readingByHttp(origins: Readonly<Partial<Record<string, string>>>): AskReading {
  const ask = statusByHttp(origins)
  return async daemon => {
    const status = await ask(daemon)
    return status === undefined ? undefined : readingOf(status)
  }
}

const ASK_EVERY = millis(200)

/**
 * Whether a daemon could use its files after it was told to read them again.
 *
 * @param before what it said before that; `undefined` if it said nothing, and then it is not asked
 * @returns what went wrong, one sentence
 */
export async function faultOfReading(
  daemon: string,
  before: Reading | undefined,
  { ask, clock, within }: { readonly ask: AskReading; readonly clock: Clock; readonly within: Duration },
): Promise<string | undefined> {
  if (before === undefined) return undefined
  const end = clock.now() + within
  for (;;) {
    const now = await ask(daemon).catch(() => undefined)
    // One that was started anew has read its files too.
    if (now !== undefined && now.readings !== before.readings) return wordsOf(daemon, before, now)
    if (clock.now() >= end) {
      return `${daemon} has not read its configuration again within ${within / 1000} s`
    }
    await pause(clock, ASK_EVERY)
  }
}

function wordsOf(daemon: string, before: Reading, { problem, faults }: Reading): string | undefined {
  if (problem !== undefined) return `${daemon} cannot use its configuration: ${problem}`
  const more = faults - before.faults
  if (more <= 0) return undefined
  return `${daemon} finds ${more === 1 ? 'a new fault' : `${more} new faults`} in its configuration; its log tells`
}

function readingOf(status: Readonly<Record<string, unknown>>): Reading | undefined {
  const { configurationReadings, configurationFaults, configurationProblem } = status
  if (typeof configurationReadings !== 'number') return undefined
  return {
    readings: configurationReadings,
    faults: typeof configurationFaults === 'number' ? configurationFaults : 0,
    ...(typeof configurationProblem === 'string' ? { problem: configurationProblem } : {}),
  }
}
