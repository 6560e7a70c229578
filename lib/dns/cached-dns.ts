import { LRUCache } from 'lru-cache'
import { seconds, TimerWheel, type Clock } from '../kit/clock.ts'
import type { DnsQueries, Records, RecordType } from './queries.ts'
import { DnsStub, type Found } from './stub.ts'

export interface DnsOptions {
  /** `address`, `address:port` or `[IPv6]:port`, asked in this order; by default those of the machine. */
  readonly servers?: readonly string[]
  readonly clock?: Clock
}

/** Where a cache gets from what it does not know. */
export interface DnsSource {
  /** Never rejects. */
  find<Type extends RecordType>(type: Type, name: string): Promise<Found<Type>>
}

/** Asks DNS servers, in turn when one does not answer, and keeps what they say. */
export function dnsServers(options: DnsOptions = {}): DnsQueries {
  // Its timers only end questions, which cannot throw; the socket holds the process while one is asked.
  const clock = options.clock ?? new TimerWheel(() => undefined, { holdsProcess: false })
  return new CachedDns(new DnsStub({ ...options, clock }), clock)
}

interface Entry {
  /** Undefined: the servers did not answer when last asked, and never had before. */
  readonly records: readonly Records[RecordType][] | undefined
  /** Up to here it is what DNS says. */
  readonly freshUntil: number
  /** From here on it is asked for anew. */
  readonly askAgainAt: number
  /** It is handed out beyond its time, since the servers do not answer. */
  readonly stale: boolean
}

const MOST_ENTRIES = 10_000
/** A record that may not be kept at all is asked for once a second and not for each call. */
const LEAST_TTL_S = 1
const MOST_TTL_S = 24 * 3600
const MOST_NEGATIVE_TTL_S = 300
/** How long a missing record is missing where the zone does not say: addresses come soon, SRV and NAPTR rarely. */
const NEGATIVE_TTL_S: Readonly<Record<RecordType, number>> = { A: 5, AAAA: 5, SRV: 300, NAPTR: 300 }
/** From this part of its time on, a record that is used is fetched anew while the old one serves. */
const EARLY = 0.9
const STALE_FOR = seconds(30)
const FAILED_FOR = seconds(5)

/**
 * Keeps what DNS says for as long as it says so, and for longer while no server answers, until one does.
 *
 * Nobody waits for a name that is in use: it is fetched anew before its time is over. Many who ask at once ask once.
 * At most 10,000 answers are kept.
 */
export class CachedDns implements DnsQueries {
  readonly #source: DnsSource
  readonly #clock: Clock
  readonly #entries = new LRUCache<string, Entry>({ max: MOST_ENTRIES })
  readonly #asking = new Map<string, Promise<Entry>>()

  constructor(source: DnsSource, clock: Clock) {
    this.#source = source
    this.#clock = clock
  }

  resolve4(name: string): Promise<readonly string[]> {
    return this.#find('A', name)
  }

  resolve6(name: string): Promise<readonly string[]> {
    return this.#find('AAAA', name)
  }

  resolveSrv(name: string): Promise<readonly Records['SRV'][]> {
    return this.#find('SRV', name)
  }

  resolveNaptr(name: string): Promise<readonly Records['NAPTR'][]> {
    return this.#find('NAPTR', name)
  }

  /** @throws Error if no server answers and none ever did */
  async #find<Type extends RecordType>(type: Type, name: string): Promise<readonly Records[Type][]> {
    const key = `${type} ${name.toLowerCase()}`
    const now = this.#clock.now()
    let entry = this.#entries.get(key)
    if (entry === undefined || now >= entry.askAgainAt) {
      const asked = this.#ask(key, type, name)
      if (entry === undefined || (now >= entry.freshUntil && !entry.stale)) entry = await asked
    }
    if (entry.records === undefined) throw new Error(`no DNS server answers for ${name}`)
    // An entry is kept under the type it was asked for.
    return entry.records as readonly Records[Type][]
  }

  #ask(key: string, type: RecordType, name: string): Promise<Entry> {
    const running = this.#asking.get(key)
    if (running !== undefined) return running
    const asking = this.#source.find(type, name).then(found => {
      const entry = entryOf(found, type, this.#clock.now(), this.#entries.peek(key))
      this.#entries.set(key, entry)
      this.#asking.delete(key)
      return entry
    })
    this.#asking.set(key, asking)
    return asking
  }
}

function entryOf(found: Found, type: RecordType, now: number, before: Entry | undefined): Entry {
  if (found.kind === 'failed') {
    if (before?.records !== undefined) return { ...before, askAgainAt: now + STALE_FOR, stale: true }
    const until = now + FAILED_FOR
    return { records: undefined, freshUntil: until, askAgainAt: until, stale: false }
  }
  const isNone = found.kind === 'none'
  const ttl = isNone
    ? Math.min(found.ttl ?? NEGATIVE_TTL_S[type], MOST_NEGATIVE_TTL_S)
    : Math.min(found.ttl, MOST_TTL_S)
  const lifetime = seconds(Math.max(ttl, LEAST_TTL_S))
  return {
    records: isNone ? [] : found.records,
    freshUntil: now + lifetime,
    askAgainAt: now + lifetime * EARLY,
    stale: false,
  }
}
