import { CwError } from '../../lib/kit/errors.ts'
import type { LogLevel } from '../../lib/kit/log.ts'

export interface AllInOneOptions {
  /** Folder of the stores; created if missing. */
  readonly dataDir: string
  readonly domain: string
  /**
   * Address where phones reach the edge (`client`, `webSocket`). Everything behind it, the provisioning interface
   * included, listens on 127.0.0.1 only.
   */
  readonly bind: string
  /** Address that the edge puts into Via, Record-Route and Path. */
  readonly advertise: string
  /** Added to every port of `ALL_IN_ONE_PORTS`. */
  readonly portOffset: number
  readonly logLevel: LogLevel
}

/** The ports of a core, before the offset is added. */
export const ALL_IN_ONE_PORTS = {
  client: 5060,
  webSocket: 5062,
  trusted: 5058,
  icscf: 5052,
  bgcf: 5053,
  scscf: 5054,
  homestead: 8888,
  provisioning: 8889,
  homer: 7888,
} as const

export type AllInOnePorts = Readonly<Record<keyof typeof ALL_IN_ONE_PORTS, number>>

/** A whole core in this process. */
export interface AllInOne {
  readonly ports: AllInOnePorts
  /** Stops accepting, finishes transactions, writes out and closes the stores. */
  close(): Promise<void>
  /** Live state, for people who look. */
  status(): Readonly<Record<string, unknown>>
}

/**
 * Starts every daemon on embedded stores.
 *
 * @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED, ADDRESS_NOT_LOCAL, DATA_DIR_UNUSABLE or DATA_DIR_LOCKED; what had
 * been opened by then is closed again.
 */
export function startAllInOne(_options: AllInOneOptions): Promise<AllInOne> {
  return Promise.reject(new CwError('BUG', 'the daemons are not wired yet'))
}
