import type { Clock } from '../../kit/clock.ts'
import {
  lifeOfChargingSession,
  NamedChargingSessions,
  type ChargingSession,
} from '../charging-session-store.ts'
import type { EmbeddedEnvironment } from './environment.ts'
import { EmbeddedExpiring } from './expiring.ts'

const DECODED_ROWS = 8000

/** Charging sessions on disk. */
export class EmbeddedChargingSessionStore extends NamedChargingSessions<EmbeddedExpiring<ChargingSession>> {
  constructor(environment: EmbeddedEnvironment, clock: Clock) {
    super(
      new EmbeddedExpiring<ChargingSession>(environment, clock, {
        name: 'charging-sessions',
        cached: DECODED_ROWS,
        expiryOf: session => clock.now() + lifeOfChargingSession(session) * 1000,
      }),
    )
  }

  /** Ends the sweeps; the environment stays open. */
  close(): void {
    this.values.close()
  }
}
