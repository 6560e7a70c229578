import {
  lifeOfChargingSession,
  NamedChargingSessions,
  type ChargingSession,
} from '../charging-session-store.ts'
import type { MemcachedCluster } from './cluster.ts'
import { MemcachedTable, type Codec } from './table.ts'

export interface MemcachedChargingSessionsOptions {
  readonly cluster: MemcachedCluster
  /** Told of the key of each record that cannot be read. */
  readonly onForeign: (key: string) => void
}

const TABLE = 'session'
/** What the original wrote where there is no timer. */
const NO_TIMER = 'NO_TIMER'

/** Charging sessions that all ralfs of a site share, as the original wrote them (interfaces.md §6.3). */
export class MemcachedChargingSessionStore extends NamedChargingSessions<MemcachedTable<ChargingSession>> {
  constructor({ cluster, onForeign }: MemcachedChargingSessionsOptions) {
    super(
      new MemcachedTable(cluster, { ...{ name: TABLE, codec, onForeign }, lifeOf: lifeOfChargingSession }),
    )
  }
}

const codec: Codec<ChargingSession> = {
  encode: ({ sessionId, ccfs, recordNumber, timerId, refreshTime, interimInterval }) =>
    JSON.stringify({
      session_id: sessionId,
      ccfs,
      acct_record_num: recordNumber,
      timer_id: timerId ?? NO_TIMER,
      refresh_time: refreshTime,
      interim_interval: interimInterval,
    }),
  decode: text => {
    try {
      return sessionIn(JSON.parse(text))
    } catch {
      return undefined
    }
  },
}

function sessionIn(value: unknown): ChargingSession | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const fields = value as Readonly<Record<string, unknown>>
  const { session_id: sessionId, ccfs, timer_id: timerId } = fields
  const numbers = [fields['acct_record_num'], fields['refresh_time'], fields['interim_interval']]
  const [recordNumber = 0, refreshTime = 0, interimInterval = 0] = numbers.filter(
    each => typeof each === 'number',
  )
  if (typeof sessionId !== 'string' || typeof timerId !== 'string') return undefined
  if (!Array.isArray(ccfs) || !ccfs.every(each => typeof each === 'string')) return undefined
  if (!numbers.every(each => Number.isSafeInteger(each))) return undefined
  return {
    ...{ sessionId, ccfs, recordNumber, refreshTime, interimInterval },
    ...(timerId === NO_TIMER ? {} : { timerId }),
  }
}
