import type { Clock } from '../../kit/clock.ts'
import {
  chargingSessionName,
  lifeOfChargingSession,
  type ChargingSession,
  type ChargingSessionKey,
  type ChargingSessionStore,
} from '../charging-session-store.ts'
import type { Versioned } from '../registration-store.ts'
import type { EmbeddedEnvironment } from './environment.ts'
import { EmbeddedExpiring } from './expiring.ts'

const DECODED_ROWS = 8000

/** Charging sessions on disk. */
export class EmbeddedChargingSessionStore implements ChargingSessionStore {
  readonly #sessions: EmbeddedExpiring<ChargingSession>

  constructor(environment: EmbeddedEnvironment, clock: Clock) {
    this.#sessions = new EmbeddedExpiring(environment, clock, {
      name: 'charging-sessions',
      cached: DECODED_ROWS,
      expiryOf: session => clock.now() + lifeOfChargingSession(session) * 1000,
    })
  }

  async get(key: ChargingSessionKey): Promise<Versioned<ChargingSession> | undefined> {
    return this.#sessions.get(chargingSessionName(key))
  }

  put(
    key: ChargingSessionKey,
    session: ChargingSession,
    expected: number | undefined,
  ): Promise<'stored' | 'conflict'> {
    return this.#sessions.put(chargingSessionName(key), session, expected)
  }

  remove(key: ChargingSessionKey, expected: number): Promise<'removed' | 'conflict'> {
    return this.#sessions.remove(chargingSessionName(key), expected)
  }

  /** Ends the sweeps; the environment stays open. */
  close(): void {
    this.#sessions.close()
  }
}
