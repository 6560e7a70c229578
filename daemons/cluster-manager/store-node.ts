import type { AskStatus } from '../../lib/http/daemon-status.ts'
import type { Clock } from '../../lib/kit/clock.ts'
import type { Log } from '../../lib/kit/log.ts'
import type { Units } from '../../lib/kit/units.ts'

/** The node whose stores are kept in step. */
export interface StoreNode {
  /** Its address, for signalling. */
  readonly own: string
  readonly clock: Clock
  readonly log: Log
  readonly units: Pick<Units, 'reload' | 'isActive'>
  /** For the daemons of this node. */
  readonly ask: AskStatus
}
