import { hash } from 'node:crypto'
import { HttpClient, type ClientRequest, type HttpServers } from '../../http/client.ts'
import { jsonObject } from '../../http/message.ts'
import { millis, seconds, type Clock, type Duration } from '../../kit/clock.ts'
import { Graylist } from '../../kit/graylist.ts'
import type { Log } from '../../kit/log.ts'
import type { EmbeddedEnvironment } from '../../store/embedded/environment.ts'
import { InProcessTimers } from '../in-process.ts'
import type { TimerPop, TimerService } from '../timer-service.ts'
import { formatTimerId, type TimerTag } from './timer.ts'

export interface ChronosTimersOptions {
  /** `http://host:7253`: any node of the cluster. */
  readonly origin: string
  /**
   * Nodes of another site's cluster. They are given each timer too, for some seconds later: where this site has done
   * what was due then, there is nothing left to do.
   */
  readonly otherSite?: readonly string[]
  /** Where pops are posted: a name behind which anybody can take them. */
  readonly callback: string
  readonly clock: Clock
  readonly log: Log
  readonly servers?: HttpServers
  /** Where timers are kept that the cluster did not take, and where there may be some from before there was one. */
  readonly environment?: EmbeddedEnvironment
  /** What a timer of a topic counts for in the cluster's statistics. */
  readonly tags?: Readonly<Record<string, readonly TimerTag[]>>
}

type Handler = (pop: TimerPop) => Promise<void>

const DEADLINE = seconds(1)
const CONNECT_DEADLINE = millis(300)
const FACTOR = 2
const OTHER_SITE_LATER_BY = seconds(5)
/** A node of the other site that did not answer is not asked for so long. */
const AVOID_FOR = seconds(2)
/** Pops that came before there was a handler. */
const MOST_EARLY = 10_000

/**
 * Timers in a chronos cluster, for all who share its callback: whoever sets one, any of them may replace or cancel it, and
 * one of them is told when it pops.
 *
 * A cluster that does not answer costs nothing but that: the timer is then kept in this process.
 */
export class ChronosTimers implements TimerService {
  readonly #options: ChronosTimersOptions
  readonly #client: HttpClient
  readonly #otherSite: readonly { readonly origin: string; readonly client: HttpClient }[]
  readonly #otherSiteDown: Graylist
  /** For timers that the cluster did not take. */
  readonly #own: InProcessTimers
  readonly #handlers = new Map<string, Handler>()
  readonly #early = new Map<string, TimerPop & { readonly topic: string }>()
  #isDown = false

  constructor(options: ChronosTimersOptions) {
    const { origin, otherSite = [], servers, clock, log, environment } = options
    this.#options = options
    this.#client = new HttpClient({
      origin,
      timeout: DEADLINE,
      connectTimeout: CONNECT_DEADLINE,
      ...(servers === undefined ? {} : { servers }),
    })
    this.#otherSite = otherSite.map(each => ({
      origin: each,
      client: new HttpClient({ origin: each, timeout: DEADLINE, connectTimeout: CONNECT_DEADLINE }),
    }))
    this.#otherSiteDown = new Graylist({ clock, blackFor: AVOID_FOR })
    this.#own = new InProcessTimers({ clock, log, ...(environment === undefined ? {} : { environment }) })
  }

  async set(topic: string, id: string, delay: Duration, opaque: string): Promise<void> {
    const later = (delay + OTHER_SITE_LATER_BY) as Duration
    void this.#tellOtherSite('PUT', topic, id, this.#timerOf(topic, id, later, opaque))
    const isTaken = await this.#ask('PUT', topic, id, this.#timerOf(topic, id, delay, opaque))
    if (isTaken) await this.#own.cancel(topic, id)
    else await this.#own.set(topic, id, delay, opaque)
  }

  async cancel(topic: string, id: string): Promise<void> {
    this.#early.delete(keyOf(topic, id))
    await this.#own.cancel(topic, id)
    void this.#tellOtherSite('DELETE', topic, id)
    await this.#ask('DELETE', topic, id)
  }

  onPop(topic: string, handler: Handler): void {
    this.#handlers.set(topic, handler)
    this.#own.onPop(topic, handler)
    for (const [key, pop] of this.#early) {
      if (pop.topic !== topic) continue
      this.#early.delete(key)
      handler(pop).catch((error: unknown) => {
        this.#options.log.warn('a timer could not be handled; it pops again', { topic, id: pop.id, error })
      })
    }
  }

  /**
   * A pop of the cluster: the body that was posted. Resolves when it was handled.
   *
   * @returns whether it was understood
   * @throws what the handler throws; the cluster is to be told, and pops it again
   */
  async pop(body: string): Promise<'handled' | 'not mine' | 'too early'> {
    const { topic, id, opaque } = jsonObject(body) ?? {}
    if (typeof topic !== 'string' || typeof id !== 'string' || typeof opaque !== 'string') return 'not mine'
    const handler = this.#handlers.get(topic)
    if (handler === undefined) {
      if (this.#early.size < MOST_EARLY) this.#early.set(keyOf(topic, id), { topic, id, opaque })
      return 'too early'
    }
    await handler({ id, opaque })
    return 'handled'
  }

  async close(): Promise<void> {
    this.#own.close()
    await Promise.all(
      [this.#client, ...this.#otherSite.map(({ client }) => client)].map(each => each.close()),
    )
  }

  #timerOf(topic: string, id: string, delay: Duration, opaque: string): object {
    // It counts whole seconds; a pop that comes early would find nothing to do.
    const interval = Math.max(1, Math.ceil(delay / 1000))
    const tags = this.#options.tags?.[topic]
    return {
      timing: { interval, 'repeat-for': interval },
      callback: { http: { uri: this.#options.callback, opaque: JSON.stringify({ topic, id, opaque }) } },
      reliability: { 'replication-factor': FACTOR },
      ...(tags === undefined ? {} : { statistics: { 'tag-info': tags } }),
    }
  }

  /** Tells the first node of the other site's cluster that answers, if any: nobody waits for it. */
  async #tellOtherSite(method: 'PUT' | 'DELETE', topic: string, id: string, body?: object): Promise<void> {
    for (const { origin, client } of this.#otherSite) {
      if (this.#otherSiteDown.isAvoided(origin)) continue
      this.#otherSiteDown.trying(origin)
      const result = await client.request(requestOf(method, topic, id, body))
      if (result.kind === 'answer') {
        this.#otherSiteDown.answered(origin)
        return
      }
      this.#otherSiteDown.failed(origin)
    }
  }

  async #ask(method: 'PUT' | 'DELETE', topic: string, id: string, body?: object): Promise<boolean> {
    const result = await this.#client.request(requestOf(method, topic, id, body))
    const isTaken = result.kind === 'answer' && result.status === 200
    if (isTaken === this.#isDown) {
      this.#isDown = !isTaken
      const { log } = this.#options
      if (isTaken) log.info('chronos takes timers again')
      else
        log.warn('chronos takes no timers; they are kept here', {
          why: result.kind === 'answer' ? result.status : result.kind,
        })
    }
    return isTaken
  }
}

function requestOf(method: 'PUT' | 'DELETE', topic: string, id: string, body?: object): ClientRequest {
  return {
    method,
    path: `/timers/${formatTimerId(timerIdOf(topic, id), FACTOR)}`,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }
}

/** The same for all who share the cluster, so that none has to remember what another one was told. */
function timerIdOf(topic: string, id: string): string {
  return hash('sha256', keyOf(topic, id)).slice(0, 16)
}

function keyOf(topic: string, id: string): string {
  return `${topic}\0${id}`
}
