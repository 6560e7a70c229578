import { startFollower, type Follower, type RunningFollower } from '../../lib/http/follower.ts'
import { jsonObject } from '../../lib/http/message.ts'
import type { Metric } from '../../lib/kit/metric.ts'
import { millis, pause, seconds, type Clock } from '../../lib/kit/clock.ts'
import type { Log } from '../../lib/kit/log.ts'
import { Subagent } from '../../lib/snmp/agentx/subagent.ts'
import { parseServerAddress, type ClusterView } from '../../lib/store/memcached/cluster-settings.ts'
import { MemcachedConnection } from '../../lib/store/memcached/connection.ts'
import { noProgress, OWN_KEYS, resynchronise } from '../../lib/store/memcached/resync.ts'
import { CpuShare } from './cpu-share.ts'
import { figure } from './figure.ts'
import { OtherSite } from './other-site.ts'
import { astaireSubtrees, CopyRates } from './statistics.ts'

export interface AstaireOptions {
  /** This node's memcached, as `cluster_settings` names it. */
  readonly local: string
  readonly bind: string
  /** 9074; 0 takes a free one. */
  readonly port: number
  /** Where an SNMP agent takes statistics; absent: nowhere. */
  readonly snmpMaster?: string
  readonly clock: Clock
  readonly log: Log
}

/** What may change while it runs. */
export interface AstaireSettings {
  readonly view: ClusterView
  /** The servers of the other site's sprouts; absent: there is none. */
  readonly otherSite?: ClusterView
  /** Most processor time that a resynchronisation takes, in hundredths of one processor's. */
  readonly cpuLimit: number
}

export interface RunningAstaire extends RunningFollower {
  /** Goes by other settings; a changed view is resynchronised. */
  readonly use: (settings: AstaireSettings) => void
  /** Looks at everything once more, as after the server's memory was lost. */
  readonly resynchronise: () => void
}

/** In the server itself: that it has what this view gives it. It goes with the server's memory. */
const MARK = `${OWN_KEYS}synchronised`
const LOOK_EVERY = seconds(1)
const RETRY_AFTER = seconds(10)

/**
 * Sees to it that this node's memcached has what it is to have: after it has lost its memory, and after the cluster was
 * changed, values are copied from the others; and what another site knows is taken over from there.
 *
 * @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED or ADDRESS_NOT_LOCAL
 */
export async function startAstaire(
  options: AstaireOptions,
  settings: AstaireSettings,
): Promise<RunningAstaire> {
  const astaire = new Astaire(options, settings)
  const { bind, port, log } = options
  const running = await startFollower(astaire, { name: 'astaire', log, bind, port })
  return { ...running, use: next => astaire.use(next), resynchronise: () => astaire.resynchronise() }
}

type State = 'synchronised' | 'synchronising' | 'incomplete' | 'no memcached'

class Astaire implements Follower {
  readonly #options: AstaireOptions
  readonly #stop = new AbortController()
  readonly #progress = noProgress()
  readonly #rates: CopyRates
  readonly #otherSite: OtherSite
  readonly #statistics: Subagent | undefined
  #settings: AstaireSettings
  #state: State = 'no memcached'
  /** Whether somebody wants it done although the server seems to have everything. */
  #isAsked = false
  #runs = 0
  #entries = 0
  #bytes = 0

  constructor(options: AstaireOptions, settings: AstaireSettings) {
    this.#options = options
    this.#settings = settings
    const { local, clock, log } = options
    this.#rates = new CopyRates(clock)
    this.#otherSite = new OtherSite({ local, clock, log, signal: this.#stop.signal })
    if (options.snmpMaster === undefined) return
    this.#statistics = new Subagent({
      ...{ clock, log, master: options.snmpMaster, description: 'astaire' },
      subtrees: astaireSubtrees({
        ...{ progress: this.#progress, rates: this.#rates },
        isRunning: () => this.#isRunning,
      }),
    })
  }

  get isWorking(): boolean {
    return !this.#stop.signal.aborted
  }

  use(settings: AstaireSettings): void {
    const isOther = JSON.stringify(settings.view) !== JSON.stringify(this.#settings.view)
    this.#settings = settings
    // Until it has been looked at nobody knows.
    if (isOther && this.#state === 'synchronised') this.#state = 'synchronising'
  }

  resynchronise(): void {
    this.#isAsked = true
    this.#otherSite.expire()
  }

  async follow(): Promise<void> {
    const { signal } = this.#stop
    const { clock, log } = this.#options
    while (!signal.aborted) {
      let next = LOOK_EVERY
      try {
        if ((await this.#look()) === 'incomplete') next = RETRY_AFTER
        const { view, otherSite, cpuLimit } = this.#settings
        if (otherSite !== undefined) await this.#otherSite.look({ view, otherSite, cpuLimit })
      } catch (error) {
        if (this.#state !== 'no memcached') log.warn('the memcached of this node does not answer', { error })
        this.#state = 'no memcached'
      }
      await pause(clock, next, signal)
    }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#otherSite.close()
    this.#statistics?.close()
  }

  get #isRunning(): boolean {
    return this.#state === 'synchronising' || this.#state === 'incomplete'
  }

  status(): Readonly<Record<string, unknown>> {
    const { bucketsNeeded, bucketsDone, entries, bytes } = this.#progress
    return {
      memcached: this.#options.local,
      servers: this.#settings.view.servers,
      ...(this.#settings.view.newServers === undefined ? {} : { newServers: this.#settings.view.newServers }),
      state: this.#state,
      ...(this.#isRunning ? { resynchronisation: { bucketsNeeded, bucketsDone, entries, bytes } } : {}),
      ...this.#otherSite.status(),
    }
  }

  metrics(): readonly Metric[] {
    const { bucketsNeeded, bucketsDone } = this.#progress
    const open = this.#state === 'synchronised' ? 0 : bucketsNeeded - bucketsDone
    return [
      figure('buckets_needing_resync', 'gauge', 'Vbuckets whose values are yet to be copied.', open),
      figure('synchronised', 'gauge', 'Whether the memcached of this node has all it is to have.', Number(this.#state === 'synchronised')), // prettier-ignore
      figure('resyncs_total', 'counter', 'Resynchronisations that were completed.', this.#runs),
      figure('entries_resynchronised_total', 'counter', 'Values copied from other servers.', this.#entries),
      figure(
        'bytes_resynchronised_total',
        'counter',
        'Octets of values copied from other servers.',
        this.#bytes,
      ),
      ...this.#otherSite.metrics(),
    ]
  }

  /** Synchronises the server where it is not. @throws MemcachedFailure if it does not answer */
  async #look(): Promise<State> {
    const { view } = this.#settings
    const mark = Buffer.from(JSON.stringify(view))
    const own = connectionTo(this.#options.local)
    try {
      const found = await own.get(MARK)
      if (found?.value.equals(mark) === true && !this.#isAsked) return (this.#state = 'synchronised')
      const before = this.#isAsked ? undefined : viewIn(found?.value.toString())
      this.#isAsked = false
      const missing = await this.#synchronise(view, before)
      if (missing > 0 || this.#stop.signal.aborted) return (this.#state = 'incomplete')
      await own.set(MARK, mark, { when: 'always', flags: 0, ttl: 0 })
      return (this.#state = 'synchronised')
    } finally {
      own.close()
    }
  }

  /** @returns how many vbuckets nobody could be asked for */
  async #synchronise(view: ClusterView, before: ClusterView | undefined): Promise<number> {
    const { clock, log, local } = this.#options
    const { signal } = this.#stop
    const share = new CpuShare()
    const again = this.#state === 'incomplete'
    this.#state = 'synchronising'
    if (!again)
      log.info('the memcached of this node is synchronised', { servers: view.newServers ?? view.servers })
    const missing = await resynchronise({
      ...{ local, view, before, signal },
      breathe: () => pause(clock, millis(share.pauseFor(this.#settings.cpuLimit / 100)), signal),
      progress: this.#progress,
      onCopied: (server, bucket, bytes) => this.#rates.copied(server, bucket, bytes),
    })
    const { entries, bytes } = this.#progress
    this.#entries += entries
    this.#bytes += bytes
    if (missing.size === 0) {
      this.#runs++
      log.info('the memcached of this node has all it is to have', { entries, bytes })
    } else if (!again && !signal.aborted) {
      log.warn('not all could be had from the other servers; it is tried again', { vbuckets: missing.size })
    }
    return missing.size
  }
}

/** The view of a mark, as this daemon has written it. */
function viewIn(mark: string | undefined): ClusterView | undefined {
  const value = mark === undefined ? undefined : jsonObject(mark)
  const list = (names: unknown): readonly string[] | undefined =>
    Array.isArray(names) ? names.filter(name => typeof name === 'string') : undefined
  const [servers, newServers] = [list(value?.servers), list(value?.newServers)]
  if (servers === undefined) return undefined
  return newServers === undefined ? { servers } : { servers, newServers }
}

function connectionTo(server: string): MemcachedConnection {
  const address = parseServerAddress(server)
  return new MemcachedConnection(address ?? { host: server, port: 11_211 })
}
