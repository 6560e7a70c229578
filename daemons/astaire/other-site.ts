import { millis, minutes, pause, seconds, type Clock } from '../../lib/kit/clock.ts'
import { CwError } from '../../lib/kit/errors.ts'
import type { Log } from '../../lib/kit/log.ts'
import type { Metric } from '../../lib/kit/metric.ts'
import { MemcachedCluster } from '../../lib/store/memcached/cluster.ts'
import type { ClusterView } from '../../lib/store/memcached/cluster-settings.ts'
import { agreeWithOtherSite, type SitesResult } from '../../lib/store/memcached/sites.ts'
import { CpuShare } from './cpu-share.ts'
import { figure } from './figure.ts'

export interface OtherSiteOptions {
  /** This node's memcached, as `cluster_settings` names it. */
  readonly local: string
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

/** What is to agree. */
export interface Sites {
  readonly view: ClusterView
  readonly otherSite: ClusterView
  /** Most processor time that it takes, in hundredths of one processor's. */
  readonly cpuLimit: number
}

/** Also where nothing was seen to fail: a single change may have been lost on the way. */
const AGREE_EVERY = minutes(10)
/** So long nothing is tried again that could not be finished, as long as no server comes or goes. */
const RETRY_AFTER = seconds(30)

/**
 * Sees to it that this node's part of the registrations has what the other site knows: after the start, after the other
 * site could not be reached, and now and then.
 */
export class OtherSite {
  readonly #options: OtherSiteOptions
  #watched:
    { readonly view: ClusterView; readonly text: string; readonly cluster: MemcachedCluster } | undefined
  #isReachable = true
  /** Servers of the other site that answered when it was looked at last. */
  #answering = -1
  /** Unix time in milliseconds. */
  #notBefore = 0
  /** Something may have been changed there that nobody here was told of. */
  #isDue = true
  #isAgreeing = false
  /** Unix time in milliseconds. */
  #agreedAt = -Infinity
  #last: (SitesResult & { readonly begunAt: number }) | undefined
  #passes = 0
  #taken = 0

  constructor(options: OtherSiteOptions) {
    this.#options = options
  }

  /** Looks whether the other site is there, and whether it is time to agree with it. */
  async look(sites: Sites): Promise<void> {
    const { clock, log } = this.#options
    const answering = await this.#clusterOf(sites.otherSite).answering()
    const isReachable = answering.length > 0
    if (isReachable !== this.#isReachable) {
      this.#isReachable = isReachable
      const { servers } = sites.otherSite
      if (isReachable) log.info('the other site can be reached again', { servers })
      else log.warn('the other site cannot be reached', { servers })
    }
    // What was changed there while one of its servers was out of reach, nobody here may have been told.
    if (answering.length < sites.otherSite.servers.length) this.#isDue = true
    if (answering.length !== this.#answering) this.#notBefore = 0
    this.#answering = answering.length
    const isLong = clock.now() - this.#agreedAt >= AGREE_EVERY
    if (!isReachable || clock.now() < this.#notBefore || !(this.#isDue || isLong)) return
    this.#notBefore = clock.now() + RETRY_AFTER
    await this.#agree(sites, answering.length)
  }

  /** What was agreed upon is to be looked at once more. */
  expire(): void {
    this.#isDue = true
    this.#notBefore = 0
  }

  close(): void {
    this.#watched?.cluster.close()
    this.#watched = undefined
  }

  status(): Readonly<Record<string, unknown>> {
    if (this.#watched === undefined) return {}
    const state = !this.#isReachable ? 'unreachable' : this.#isInStep ? 'in step' : 'behind'
    const { servers } = this.#watched.view
    if (this.#last === undefined) return { otherSite: { servers, state } }
    const { begunAt, seen, taken, foreign, digest } = this.#last
    const lastPass = { begunAt: new Date(begunAt).toISOString(), seen, taken, foreign, ...digest }
    return { otherSite: { servers, state, lastPass } }
  }

  metrics(): readonly Metric[] {
    if (this.#watched === undefined) return []
    return [
      figure(
        'other_site_reachable',
        'gauge',
        'Whether a memcached of the other site answers.',
        Number(this.#isReachable),
      ),
      figure('other_site_in_step', 'gauge', 'Whether this site has what the other one had when it was asked last.', Number(this.#isReachable && this.#isInStep)), // prettier-ignore
      figure(
        'other_site_passes_total',
        'counter',
        'How often this site has taken what the other one has.',
        this.#passes,
      ),
      figure(
        'other_site_taken_total',
        'counter',
        'Registrations of which the other site knew something more.',
        this.#taken,
      ),
    ]
  }

  get #isInStep(): boolean {
    return !this.#isDue && !this.#isAgreeing
  }

  #clusterOf(view: ClusterView): MemcachedCluster {
    const text = JSON.stringify(view)
    if (this.#watched?.text !== text) {
      this.close()
      this.#watched = { view, text, cluster: new MemcachedCluster({ view, clock: this.#options.clock }) }
      this.expire()
    }
    return this.#watched.cluster
  }

  async #agree({ view, otherSite, cpuLimit }: Sites, answering: number): Promise<void> {
    const { local, clock, log, signal } = this.#options
    const share = new CpuShare()
    const begunAt = clock.now()
    const wasDue = this.#isDue
    // What comes to be due meanwhile is due after it.
    this.#isDue = false
    this.#isAgreeing = true
    let isDone = false
    try {
      const result = await agreeWithOtherSite({
        ...{ local, view, otherSite, clock, signal },
        breathe: () => pause(clock, millis(share.pauseFor(cpuLimit / 100)), signal),
      })
      this.#last = { ...result, begunAt }
      this.#taken += result.taken
      isDone = result.isComplete && answering === otherSite.servers.length
      if (!isDone) return
      const { seen, taken, foreign } = result
      if (wasDue || taken > 0) log.info('this site knows what the other one knows', { seen, taken, foreign })
      this.#passes++
      this.#agreedAt = begunAt
      this.#notBefore = 0
    } catch (error) {
      if (!(error instanceof CwError)) throw error
      log.warn('this site could not be made to agree with the other one; it is tried again', { error })
    } finally {
      this.#isAgreeing = false
      this.#isDue ||= !isDone
    }
  }
}
