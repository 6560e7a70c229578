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

/** The key in a store: the digits are one each, so that two keys are never the same text. */
export function chargingSessionName({ callId, role, functionality }: ChargingSessionKey): string {
  return `${callId}${role}${functionality}`
}

/** How long a session lives without a sign of life, in seconds. */
export function lifeOfChargingSession({ refreshTime }: ChargingSession): number {
  return 2 * refreshTime
}
