import { join } from 'node:path'
import { metricsOf, statusOf, type SipParts } from '../../daemons/all-in-one/status.ts'
import manifest from '../../package.json' with { type: 'json' }
import { addMonitoringRoutes } from '../../lib/http/monitoring.ts'
import { TimerWheel } from '../../lib/kit/clock.ts'
import { openLog, type Log, type LogLevel } from '../../lib/kit/log.ts'
import { openEmbedded } from '../../lib/store/embedded/environment.ts'
import { reachableHere } from './addresses.ts'
import { PARTS, type Base, type Part } from './daemon-parts.ts'
import { placeOfFlags, type DaemonFlags, type Place } from './daemon-place.ts'
import { answersAll, readyCheck, type Door } from './ready.ts'

const READY_WITHIN_MS = 15_000

export type DaemonName = keyof typeof PARTS

/** A daemon that answers. */
export interface RunningDaemon extends Pick<Part, 'follow'> {
  readonly ports: Readonly<Record<string, number>>
  readonly address: string
  /** Whether it answers itself on each of its doors, as it would anyone. */
  isAlive(): Promise<boolean>
  /**
   * Sends elsewhere who can go, and waits for the rest, however long it takes.
   *
   * @returns true once there is nothing left to do and it may be closed, false if `unquiesce` came before
   */
  quiesce(): Promise<boolean>
  /** At work as usual again; astaire copies everything anew. */
  unquiesce(): Promise<void>
  /** Stops accepting, finishes what is under way within the time for that, and closes. */
  close(): Promise<void>
}

/** Starts one daemon as the flags of `cw daemon` say, on embedded stores of its own. */
export function startDaemon(
  name: DaemonName,
  options: DaemonFlags & { readonly logLevel: LogLevel },
): Promise<RunningDaemon> {
  return runDaemon(name, placeOfFlags(options), openLog(options.logLevel, { daemon: name }))
}

/**
 * Starts one daemon where it stands and returns once it answers.
 *
 * @param details what `/status` tells beside the daemon's own state
 */
export async function runDaemon(
  name: DaemonName,
  place: Place,
  log: Log,
  details: () => Readonly<Record<string, unknown>> = () => ({}),
): Promise<RunningDaemon> {
  const opened = new AsyncDisposableStack()
  const sip: SipParts = {}
  let ready = false
  let quiescing = false
  let drainedBy: number | undefined
  const clock = new TimerWheel(error => {
    log.error('a timer failed', { error })
  })
  opened.defer(() => {
    clock.close()
  })
  const base: Base = {
    place,
    clock,
    log,
    opened,
    sip,
    figures: [],
    needs: [],
    details: [],
    openStores: async () => {
      const environment = await openEmbedded({ dir: join(place.dataDir, name) })
      opened.defer(() => environment.close())
      return environment
    },
    drainedBy: () => (drainedBy ??= clock.now() + place.drain),
    addMonitoring: server => {
      addMonitoringRoutes(server, {
        healthy: () => ready && base.needs.every(each => each()),
        status: () => ({
          daemon: name,
          version: manifest.version,
          quiescing,
          ...details(),
          ...Object.fromEntries(base.details.flatMap(each => Object.entries(each()))),
          ...sipStatus(sip),
        }),
        metrics: () => [...(isSip(sip) ? metricsOf(sip) : []), ...base.figures.flatMap(figures => figures())],
      })
    },
  }
  try {
    const part: Part = await PARTS[name](base)
    const host = reachableHere(place.bind)
    const doors: readonly Door[] = part.doors.map(door => ({ ...door, host, selfName: place.address }))
    await readyCheck(doors, READY_WITHIN_MS)
    ready = true
    return {
      ports: part.ports,
      address: place.address,
      follow: next => part.follow(next),
      isAlive: () => answersAll(doors),
      quiesce: async () => {
        quiescing = true
        return (await part.quiescence?.begin()) ?? true
      },
      unquiesce: async () => {
        quiescing = false
        part.resynchronise?.()
        await part.quiescence?.end()
      },
      close: () => {
        ready = false
        return opened.disposeAsync()
      },
    }
  } catch (error) {
    await opened.disposeAsync()
    throw error
  }
}

function isSip(sip: SipParts): boolean {
  return sip.bono !== undefined || sip.sprout !== undefined
}

function sipStatus(sip: SipParts): Readonly<Record<string, unknown>> {
  return isSip(sip) ? statusOf(sip) : {}
}
