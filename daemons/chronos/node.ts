import { seconds, type Clock } from '../../lib/kit/clock.ts'
import type { Log } from '../../lib/kit/log.ts'
import {
  formatTimerId,
  isTombstone,
  parseTimerId,
  parseTimerRequest,
  popped,
  supersedes,
  TOMBSTONE_LIFE,
  type ChronosTimer,
  type TimerRequest,
} from '../../lib/timers/chronos/timer.ts'
import { isObject, jsonObject } from '../../lib/http/message.ts'
import { replicasFor, viewId, type ChronosView } from './cluster.ts'
import type { Peers } from './peers.ts'
import { TimerTable } from './timer-table.ts'

export interface ChronosNodeOptions {
  readonly clock: Clock
  readonly log: Log
  readonly peers: Peers
  readonly view: ChronosView
}

/** Counts since the start. */
export interface ChronosCounts {
  pops: number
  failedPops: number
  givenUp: number
  replications: number
  lostReplications: number
}

const FACTOR = 2
/** All replicas of a timer try again so much later when nobody took its pop, so often. */
const RETRY_AFTER = seconds(10)
const MOST_TRIES = 6
/** Timers in one answer to a node that catches up. */
export const PAGE = 100
const MOST_PAGES = 100_000

/**
 * One node of a chronos cluster: its share of all timers, each popped by its first replica that lives, and once unless a node
 * dies or is cut off in the middle of it.
 */
export class ChronosNode {
  readonly counts: ChronosCounts = {
    pops: 0,
    failedPops: 0,
    givenUp: 0,
    replications: 0,
    lostReplications: 0,
  }
  readonly #options: ChronosNodeOptions
  readonly #table: TimerTable
  #view: ChronosView
  #viewId: string
  #synchronised = false
  #hasHeardAll = false
  #closed = false

  constructor(options: ChronosNodeOptions) {
    this.#options = options
    this.#view = options.view
    this.#viewId = viewId(options.view)
    this.#table = new TimerTable(options.clock, timer => void this.#due(timer))
  }

  /** Whether all others have told what it should have. */
  get hasHeardAll(): boolean {
    return this.#hasHeardAll
  }

  /** Whether it has what it should have, as far as those who live know. */
  get synchronised(): boolean {
    return this.#synchronised
  }

  get view(): ChronosView {
    return this.#view
  }

  /** Timers that it has, in all and as first replica, tombstones apart; and those by tag, as first replica. */
  totals(): { readonly all: number; readonly own: number; readonly tags: ReadonlyMap<string, number> } {
    const timers = this.#table.all().filter(timer => !isTombstone(timer))
    const own = timers.filter(({ replicas }) => replicas[0] === this.#view.local)
    const tags = new Map<string, number>()
    for (const { type, count } of own.flatMap(timer => timer.tags))
      tags.set(type, (tags.get(type) ?? 0) + count)
    return { all: timers.length, own: own.length, tags }
  }

  /**
   * Sets a timer as a client or another node says.
   *
   * @returns the last part of its path, or what is wrong with the request
   */
  async put(
    id: string,
    request: TimerRequest,
    factorInId: number | undefined,
  ): Promise<string | { wrong: string }> {
    const { factor = factorInId ?? FACTOR, timer, replicated } = request
    if (factorInId !== undefined && request.factor !== undefined && factorInId !== request.factor)
      return { wrong: 'replication-factor is not that of the id' }
    const now = this.#options.clock.now()
    if (replicated !== undefined) {
      const { replicas, view, sequence, startDelta } = replicated
      this.#take({ id, ...timer, replicas, view, sequence, start: now + startDelta })
      return formatTimerId(id, factor)
    }
    const replicas = replicasFor(id, factor, this.#view)
    await this.#place({ id, ...timer, replicas, view: this.#viewId, sequence: 0, start: now })
    return formatTimerId(id, factor)
  }

  /** Deletes a timer, wherever it is. */
  async delete(id: string, factor: number): Promise<void> {
    const present = this.#table.get(id)
    const life = Math.max(TOMBSTONE_LIFE, present?.repeatFor ?? 0)
    await this.#place({
      id,
      start: this.#options.clock.now(),
      interval: life as ChronosTimer['interval'],
      repeatFor: life as ChronosTimer['repeatFor'],
      sequence: 0,
      replicas: replicasFor(id, factor, this.#view),
      view: this.#viewId,
      uri: '',
      opaque: '',
      tags: [],
    })
  }

  /** Timers that this node knows and that another one should have, from the one behind an id on. */
  page(node: string, after: string): { readonly timers: readonly ChronosTimer[]; readonly isLast: boolean } {
    const theirs = this.#table
      .list(after)
      .map(timer => this.#moved(timer))
      .filter(({ replicas }) => replicas.includes(node))
    return { timers: theirs.slice(0, PAGE), isLast: theirs.length <= PAGE }
  }

  /** Goes by another view: gives others what is theirs now, and keeps what is its own. */
  async follow(view: ChronosView): Promise<void> {
    if (viewId(view) === this.#viewId && view.local === this.#view.local) return
    this.#view = view
    this.#viewId = viewId(view)
    this.#synchronised = false
    await this.#moveAll()
    await this.catchUp()
  }

  async #moveAll(): Promise<void> {
    const all = this.#table.all()
    for (let at = 0; at < all.length && !this.#closed; at += PAGE)
      await Promise.all(all.slice(at, at + PAGE).map(timer => this.#move(timer)))
  }

  /** Gives a timer to those who have it by the present view. */
  async #move(timer: ChronosTimer): Promise<void> {
    const moved = this.#moved(timer)
    const told = await Promise.all(this.#others(moved).map(node => this.#tell(node, moved)))
    if (this.#table.get(timer.id) !== timer) return
    if (moved.replicas.includes(this.#view.local)) this.#keep(moved)
    // Where nobody has taken it, it is better here than nowhere.
    else if (told.includes(true)) this.#table.remove(timer.id)
  }

  /** Asks all other nodes for timers that this one should have: after a start it has none. */
  async catchUp(): Promise<void> {
    const { local, nodes, leaving } = this.#view
    if (!nodes.includes(local)) return this.#giveAway()
    const others = [...nodes, ...leaving].filter(node => node !== local)
    const answered = await Promise.all(others.map(node => this.#catchUpFrom(node)))
    this.#hasHeardAll = answered.every(each => each === 'all')
    // Who is silent may be gone for good. What it had the others give, or nobody can.
    this.#synchronised = !answered.includes('not yet')
  }

  /** Who leaves has nothing to ask for: it is done once all its timers are with others. */
  async #giveAway(): Promise<void> {
    await this.#moveAll()
    this.#synchronised = this.#hasHeardAll = this.#table.all().every(isTombstone)
  }

  close(): void {
    this.#closed = true
    this.#table.close()
  }

  async #catchUpFrom(node: string): Promise<'all' | 'not yet' | 'silent'> {
    let after = ''
    for (let page = 0; page < MOST_PAGES && !this.#closed; page++) {
      const query = `node-for-replicas=${encodeURIComponent(this.#view.local)}&sync-mode=SCALE&cluster-view-id=${this.#viewId}`
      const answer = await this.#options.peers.ask(node, `/timers?${query}&after=${after}`)
      if (answer === undefined) return 'silent'
      if (answer.status !== 200 && answer.status !== 206) return 'not yet'
      const listed = jsonObject(answer.body)?.Timers
      if (!Array.isArray(listed)) return 'not yet'
      for (const each of listed as readonly unknown[]) {
        const found = this.#listed(each)
        if (found === undefined) continue
        after = found.id
        this.#take(found)
      }
      if (answer.status === 200) return 'all'
      if (listed.length === 0) return 'not yet'
    }
    return 'not yet'
  }

  /** One timer of another node's list. */
  #listed(each: unknown): ChronosTimer | undefined {
    if (!isObject(each) || typeof each.TimerID !== 'string') return undefined
    const id = parseTimerId(each.TimerID)?.id
    const request = parseTimerRequest(JSON.stringify(each.Timer))
    if (id === undefined || typeof request === 'string' || request.replicated === undefined) return undefined
    const { replicas, view, sequence, startDelta } = request.replicated
    return { id, ...request.timer, replicas, view, sequence, start: this.#options.clock.now() + startDelta }
  }

  /** A timer with the replicas that it has by the present view. */
  #moved(timer: ChronosTimer): ChronosTimer {
    if (timer.view === this.#viewId) return timer
    return {
      ...timer,
      view: this.#viewId,
      replicas: replicasFor(timer.id, timer.replicas.length, this.#view),
    }
  }

  /** Stores what a client wants, here or at the first replica that takes it, and tells the others meanwhile. */
  async #place(timer: ChronosTimer): Promise<void> {
    if (timer.replicas.includes(this.#view.local)) {
      if (isTombstone(timer) || this.#wins(timer)) this.#keep(timer)
      for (const node of this.#others(timer)) void this.#tell(node, timer)
      return
    }
    const told = await Promise.all(this.#others(timer).map(node => this.#tell(node, timer)))
    // None of them lives: it is kept here until it pops.
    if (!told.includes(true)) this.#keep({ ...timer, replicas: [this.#view.local] })
  }

  /** Takes what another node tells. */
  #take(timer: ChronosTimer): void {
    if (!this.#wins(timer)) return
    const present = this.#table.get(timer.id)
    // A tombstone lives as long as what it stands for might come back.
    const life = isTombstone(timer) && present !== undefined && !isTombstone(present) ? present : timer
    if (!timer.replicas.includes(this.#view.local)) this.#table.remove(timer.id)
    else this.#keep({ ...timer, interval: life.interval, repeatFor: life.repeatFor })
  }

  #wins(timer: ChronosTimer): boolean {
    const present = this.#table.get(timer.id)
    return present === undefined || supersedes(timer, present, this.#viewId)
  }

  #keep(timer: ChronosTimer): void {
    if (!this.#closed) this.#table.set(timer, Math.max(0, timer.replicas.indexOf(this.#view.local)))
  }

  #others({ replicas }: ChronosTimer): readonly string[] {
    return replicas.filter(node => node !== this.#view.local)
  }

  async #tell(node: string, timer: ChronosTimer): Promise<boolean> {
    const isTold = await this.#options.peers.tell(node, timer, this.#options.clock.now())
    if (isTold) this.counts.replications++
    else this.counts.lostReplications++
    return isTold
  }

  /** A timer's time has come, and no replica before this one has said that it popped it. */
  async #due(timer: ChronosTimer): Promise<void> {
    if (isTombstone(timer)) {
      this.#table.remove(timer.id)
      return
    }
    const { log, peers } = this.#options
    const failed = await peers.pop(timer)
    // Set anew, or deleted, while the pop was under way: also by the one who was called.
    if (this.#closed || this.#table.get(timer.id) !== timer) return
    if (failed === undefined) {
      this.counts.pops++
      const next = popped(timer)
      this.#keep(next)
      for (const node of this.#others(next)) void this.#tell(node, next)
      return
    }
    this.counts.failedPops++
    const tries = this.#table.again(timer, RETRY_AFTER)
    if (tries < MOST_TRIES) {
      log.warn('a timer popped in vain and is tried again', { id: timer.id, uri: timer.uri, why: failed })
      return
    }
    this.counts.givenUp++
    this.#table.remove(timer.id)
    log.error('a timer popped in vain too often and is given up', {
      id: timer.id,
      uri: timer.uri,
      why: failed,
    })
  }
}
