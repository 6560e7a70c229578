import type { Awaitable } from '../kit/awaitable.ts'
import type { Versioned } from './registration-store.ts'

/** Which of the functions that report on a call this is (TS 32.299): each has a session of its own. */
export interface ChargingSessionKey {
  readonly callId: string
  /** Role-Of-Node. */
  readonly role: number
  /** Node-Functionality. */
  readonly functionality: number
}

/** An accounting session with a charging function, from START to STOP (interfaces.md §6.3). */
export interface ChargingSession {
  /** Diameter Session-Id. */
  readonly sessionId: string
  /** Charging collection functions, the one in use first. */
  readonly ccfs: readonly string[]
  /** Accounting-Record-Number of the last request. */
  readonly recordNumber: number
  /** Seconds between signs of life of the call; the session lives twice as long after the last one. */
  readonly refreshTime: number
  /** Seconds between interim records that the charging function wants. */
  readonly interimInterval: number
  /** Absent while no timer runs. */
  readonly timerId?: string
}

/**
 * Charging sessions.
 *
 * Consistency: `put` and `remove` are compare-and-set, so that each record number is given once. A session of which
 * nothing was heard for twice its refresh time vanishes.
 */
export interface ChargingSessionStore {
  get(key: ChargingSessionKey): Promise<Versioned<ChargingSession> | undefined>
  /** @param expected the version that was read; undefined if there was no session */
  put(
    key: ChargingSessionKey,
    session: ChargingSession,
    expected: number | undefined,
  ): Promise<'stored' | 'conflict'>
  remove(key: ChargingSessionKey, expected: number): Promise<'removed' | 'conflict'>
}

/** Values by name, changed by compare-and-set: what a backend has for sessions. */
interface NamedSessions {
  get(name: string): Awaitable<Versioned<ChargingSession> | undefined>
  put(name: string, session: ChargingSession, expected: number | undefined): Promise<'stored' | 'conflict'>
  remove(name: string, expected: number): Promise<'removed' | 'conflict'>
}

/** Charging sessions in what a backend has for named values; each name is `<call-id><role><functionality>`. */
export class NamedChargingSessions<Values extends NamedSessions> implements ChargingSessionStore {
  protected readonly values: Values

  protected constructor(values: Values) {
    this.values = values
  }

  async get(key: ChargingSessionKey): Promise<Versioned<ChargingSession> | undefined> {
    return this.values.get(nameOf(key))
  }

  put(
    key: ChargingSessionKey,
    session: ChargingSession,
    expected: number | undefined,
  ): Promise<'stored' | 'conflict'> {
    return this.values.put(nameOf(key), session, expected)
  }

  remove(key: ChargingSessionKey, expected: number): Promise<'removed' | 'conflict'> {
    return this.values.remove(nameOf(key), expected)
  }
}

/** The digits are one each, so that two keys are never the same text. */
function nameOf({ callId, role, functionality }: ChargingSessionKey): string {
  return `${callId}${role}${functionality}`
}

/** How long a session lives without a sign of life, in seconds. */
export function lifeOfChargingSession({ refreshTime }: ChargingSession): number {
  return 2 * refreshTime
}
