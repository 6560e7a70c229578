import type { Clock } from '../../lib/kit/clock.ts'
import { addressIndex, gauge, scalar, table, type Row, type Subtree } from '../../lib/snmp/mib.ts'
import { CLEARWATER, type Oid } from '../../lib/snmp/oid.ts'
import { Rate } from '../../lib/snmp/rate.ts'
import { parseServerAddress } from '../../lib/store/memcached/cluster-settings.ts'
import type { ConnectionProgress, ResyncProgress } from '../../lib/store/memcached/resync.ts'

export interface AstaireStatisticsOptions {
  readonly progress: ResyncProgress
  readonly rates: CopyRates
  /** Outside of a resynchronisation there is nothing to tell. */
  readonly isRunning: () => boolean
}

const ASTAIRE: Oid = [...CLEARWATER, 9, 9]
/** The previous complete five seconds: the only period that these tables have. */
const PREVIOUS_5_S = 1

/** Progress of a resynchronisation as the original told it by SNMP (snmp.md, "Astaire"). */
export function astaireSubtrees({
  progress,
  rates,
  isRunning,
}: AstaireStatisticsOptions): readonly Subtree[] {
  const figure = (number: number, read: () => number): Subtree =>
    scalar([...ASTAIRE, number], () => (isRunning() ? read() : 0))
  const eachConnection = (
    rowsOf: (index: Oid, connection: ConnectionProgress, server: string) => readonly Row[],
  ) => {
    return (): readonly Row[] => {
      if (!isRunning()) return []
      return [...progress.connections].flatMap(([server, connection]) => {
        const address = parseServerAddress(server)
        return address === undefined
          ? []
          : rowsOf([...addressIndex(address.host), address.port], connection, server)
      })
    }
  }
  return [
    figure(1, () => progress.bucketsNeeded - progress.bucketsDone),
    figure(2, () => progress.bucketsDone),
    figure(3, () => progress.entries),
    figure(4, () => progress.bytes),
    table([...ASTAIRE, 5], () => [{ index: [PREVIOUS_5_S], columns: { 2: gauge(rates.all.perSecond) } }]),
    table(
      [...ASTAIRE, 6],
      eachConnection((index, { bucketsNeeded, bucketsDone }) => [
        { index, columns: { 4: gauge(bucketsNeeded - bucketsDone), 5: gauge(bucketsDone) } },
      ]),
    ),
    table(
      [...ASTAIRE, 7],
      eachConnection((index, { buckets }) =>
        [...buckets].map(([bucket, { entries, bytes }]) => ({
          index: [...index, bucket],
          columns: { 5: gauge(entries), 6: gauge(bytes) },
        })),
      ),
    ),
    table(
      [...ASTAIRE, 8],
      eachConnection((index, { buckets }, server) =>
        [...buckets.keys()].map(bucket => ({
          index: [...index, bucket, PREVIOUS_5_S],
          columns: { 6: gauge(rates.of(server, bucket).perSecond) },
        })),
      ),
    ),
  ]
}

/** Octets a second that are copied: in all, and of each vbucket from each server. */
export class CopyRates {
  readonly all: Rate
  readonly #clock: Clock
  readonly #each = new Map<string, Rate>()

  constructor(clock: Clock) {
    this.#clock = clock
    this.all = new Rate(clock)
  }

  of(server: string, bucket: number): Rate {
    const key = `${server} ${bucket}`
    const known = this.#each.get(key) ?? new Rate(this.#clock)
    this.#each.set(key, known)
    return known
  }

  copied(server: string, bucket: number, bytes: number): void {
    this.all.add(bytes)
    this.of(server, bucket).add(bytes)
  }
}
