import type { Clock } from '../../kit/clock.ts'
import { lastExpiry, type RegistrationRecord, type RegistrationStore } from '../registration-store.ts'
import type { EmbeddedEnvironment } from './environment.ts'
import { EmbeddedExpiring } from './expiring.ts'

const DECODED_ROWS = 8000

/** Registrations on disk. */
export class EmbeddedRegistrationStore
  extends EmbeddedExpiring<RegistrationRecord>
  implements RegistrationStore
{
  constructor(environment: EmbeddedEnvironment, clock: Clock) {
    super(environment, clock, { name: 'registrations', cached: DECODED_ROWS, expiryOf: lastExpiry })
  }
}
