import { type Duration, seconds } from '../../kit/clock.ts'
import { type ConnectionLimits, DEFAULT_CONNECTION_LIMITS } from './connection-budget.ts'

/** What one connection, and all together, may take from us. */
export interface StreamLimits extends ConnectionLimits {
  /** How long a message may stay incomplete, and how long a peer may leave what we write to it unread. */
  readonly stall: Duration
  /** How much may wait for a peer that does not read, in octets. */
  readonly maxQueued: number
  /** Memory for incomplete messages of all connections, in octets. */
  readonly maxHeld: number
  /** How long a connection that we close may take to bring out what was sent. */
  readonly drain: Duration
}

export const DEFAULT_STREAM_LIMITS: StreamLimits = {
  ...DEFAULT_CONNECTION_LIMITS,
  stall: seconds(10),
  maxQueued: 4 * 1024 * 1024,
  maxHeld: 256 * 1024 * 1024,
  drain: seconds(2),
}

/** How often connections are looked at: every limit in time is kept to this resolution. */
export const SWEEP_PERIOD = seconds(1)
