import { seconds, type Clock } from '../../kit/clock.ts'
import { CwError } from '../../kit/errors.ts'
import { Graylist } from '../../kit/graylist.ts'
import { parseServerAddress, type ClusterView } from './cluster-settings.ts'
import { MemcachedConnection, type Item, type StoreResult } from './connection.ts'
import { Placement, vbucketOf } from './placement.ts'
import type { StoreWhen } from './protocol.ts'
import { isNewer, nextStamp, stampOf } from './stamp.ts'

export interface ClusterOptions {
  readonly view: ClusterView
  readonly clock: Clock
  /** The time for one request to one server, in milliseconds. */
  readonly deadlineMs?: number
  /** Where all servers of a value have failed lately, none is asked: for what can be done without. */
  readonly isSpare?: boolean
}

/** A value as the cluster has it. */
export interface Copy {
  /** An empty one says that it was removed. */
  readonly value: Buffer
  /** Names this state of it, for the next write. */
  readonly version: number
}

/** Counts since the start. */
export interface ClusterCounts {
  reads: number
  writes: number
  conflicts: number
  /** Requests that a server failed. */
  failures: number
  /** Values that a server had lost, or had an older one of, and was given again. */
  repairs: number
}

/** A server that failed is not asked for so long, unless all have failed. */
const AVOID_FOR = seconds(2)
/** So long after a server has failed it may lack changes that others took meanwhile: a registration's usual life. */
const DOUBT_FOR = seconds(600)
/** The number of a server, in the low bits of a version. */
const MOST_SERVERS = 1024
const LIVES_RELATIVE = 30 * 24 * 3600
const MOST_ATTEMPTS = 5

interface Answer {
  readonly server: Server
  readonly item: Item | undefined
}

/** A value that is to be stored. */
type Change = Pick<Item, 'value' | 'flags' | 'ttl'>

/** One server, as long as any view names it. */
interface Server {
  readonly name: string
  readonly number: number
  readonly connection: MemcachedConnection
  /** Unix time in milliseconds. */
  doubtedUntil: number
}

/**
 * Values in a cluster of memcached servers, two copies each, so that one server may die.
 *
 * The first server of a vbucket that answers decides every change by compare-and-set; the others are told of it.
 * Where a server has lost a value, or was away while it changed, a read gives it the newest copy before anything else.
 */
export class MemcachedCluster {
  readonly counts: ClusterCounts = { reads: 0, writes: 0, conflicts: 0, failures: 0, repairs: 0 }
  readonly #clock: Clock
  readonly #deadlineMs: number | undefined
  readonly #isSpare: boolean
  readonly #graylist: Graylist
  readonly #servers = new Map<string, Server>()
  #nextNumber = 0
  #doubtful = 0
  /** The newest that was given or seen: whoever read a value writes a newer one, whatever its clock says. */
  #lastStamp: number
  #placement: Placement

  constructor({ view, clock, deadlineMs, isSpare = false }: ClusterOptions) {
    this.#clock = clock
    this.#deadlineMs = deadlineMs
    this.#isSpare = isSpare
    this.#lastStamp = stampOf(clock.now())
    this.#graylist = new Graylist({ clock, blackFor: AVOID_FOR })
    this.#placement = this.#use(view)
  }

  /** Goes over to another view; requests under way end where they are. */
  follow(view: ClusterView): void {
    this.#placement = this.#use(view)
  }

  /**
   * The newest copy of a value, undefined where no server that answers has one.
   *
   * @param key as `fullKey` makes it
   * @throws CwError STORE_FAILED if none of its servers answers
   */
  async read(key: string): Promise<Copy | undefined> {
    this.counts.reads++
    for (let attempt = 1; ; attempt++) {
      const copy = await this.#readOnce(key)
      if (copy !== 'again') return copy
      if (attempt === MOST_ATTEMPTS) throw unavailable(key, 'its copies change too often to be compared')
    }
  }

  /**
   * Stores a value for at least so many seconds, if it is still in the state that was read.
   *
   * @param ttl seconds; Infinity for ever
   * @param expected the version that was read; undefined if there was no value
   * @param isVoid of a value that is there: true where it counts as none
   * @throws CwError STORE_FAILED if none of its servers answers
   */
  async write(
    key: string,
    value: Buffer,
    ttl: number,
    expected: number | undefined,
    isVoid: (value: Buffer) => boolean = isRemoved,
  ): Promise<'stored' | 'conflict'> {
    this.counts.writes++
    const servers = this.#serversFor(key)
    // One and the same on all copies, or one of them would be taken for newer.
    this.#lastStamp = nextStamp(this.#clock.now(), this.#lastStamp)
    const change = { value, ttl, flags: this.#lastStamp }
    for (const [index, server] of servers.entries()) {
      if (expected !== undefined && numberIn(expected) !== server.number) break
      const result = await this.#decide(server, key, change, expected, isVoid)
      if (result === 'failed') {
        // Whether it was stored is not known: who wrote has to read again.
        if (expected !== undefined) break
        continue
      }
      if (typeof result !== 'number') break
      for (const other of servers.slice(index + 1)) void this.#set(other, key, change, 'always')
      return 'stored'
    }
    if (servers.every(server => this.#graylist.isAvoided(server.name)))
      throw unavailable(key, 'no server answers')
    this.counts.conflicts++
    return 'conflict'
  }

  /** Servers of the view that answer now. */
  async answering(): Promise<readonly string[]> {
    const answers = await Promise.all([...this.#servers.values()].map(server => this.#get(server, 'ping')))
    return answers.flatMap(answer => answer?.server.name ?? [])
  }

  close(): void {
    for (const { connection } of this.#servers.values()) connection.close()
    this.#servers.clear()
  }

  #use({ servers, newServers = [] }: ClusterView): Placement {
    const named = new Set([...servers, ...newServers])
    for (const [name, { connection, doubtedUntil }] of this.#servers) {
      if (named.has(name)) continue
      this.#servers.delete(name)
      if (doubtedUntil !== 0) this.#doubtful--
      connection.close()
    }
    for (const name of named) {
      if (this.#servers.has(name)) continue
      const address = parseServerAddress(name)
      if (address === undefined) throw new CwError('BUG', `${name} is no memcached server`)
      const connection = new MemcachedConnection({
        ...address,
        ...(this.#deadlineMs === undefined ? {} : { deadlineMs: this.#deadlineMs }),
      })
      const number = this.#nextNumber++ % MOST_SERVERS
      this.#servers.set(name, { name, number, connection, doubtedUntil: 0 })
    }
    return new Placement({ servers, ...(newServers.length === 0 ? {} : { newServers }) })
  }

  /** The servers of a key that may answer, the one that decides first; all of them where none may, unless it is a spare. */
  #serversFor(key: string): readonly Server[] {
    const all = this.#placement.serversOf(vbucketOf(key)).flatMap(name => this.#servers.get(name) ?? [])
    if (this.#graylist.size === 0) return all
    const good = all.filter(({ name }) => !this.#graylist.isAvoided(name))
    return good.length > 0 || this.#isSpare ? good : all
  }

  async #readOnce(key: string): Promise<Copy | undefined | 'again'> {
    const servers = this.#serversFor(key)
    const [first, ...others] = servers
    if (first !== undefined && !this.#doubts(servers)) {
      const answer = await this.#get(first, key)
      if (answer?.item !== undefined) return copyOf(answer.server, answer.item)
      return this.#reconcile(key, [answer, ...(await this.#getAll(others, key))])
    }
    return this.#reconcile(key, await this.#getAll(servers, key))
  }

  /** Of what several servers say, the newest, which the first one of them has when this resolves. */
  async #reconcile(key: string, all: readonly (Answer | undefined)[]): Promise<Copy | undefined | 'again'> {
    const answers = all.filter(answer => answer !== undefined)
    const [first] = answers
    if (first === undefined) throw unavailable(key, 'no server answers')
    let newest: Item | undefined
    for (const { item } of answers) {
      if (item !== undefined && (newest === undefined || isNewer(item.flags, newest.flags))) newest = item
    }
    if (newest === undefined) return undefined
    if (first.item !== undefined && !isNewer(newest.flags, first.item.flags))
      return copyOf(first.server, first.item)
    this.counts.repairs++
    const when = first.item === undefined ? 'absent' : { cas: first.item.cas }
    const result = await this.#set(first.server, key, newest, when)
    return typeof result === 'number'
      ? { value: newest.value, version: versionOf(first.server, result) }
      : 'again'
  }

  /** Changes a value on the server that decides. */
  async #decide(
    server: Server,
    key: string,
    change: Change,
    expected: number | undefined,
    isVoid: (value: Buffer) => boolean,
  ): Promise<StoreResult | 'failed'> {
    if (expected !== undefined) return this.#set(server, key, change, { cas: casIn(expected) })
    const result = await this.#set(server, key, change, 'absent')
    if (result !== 'exists') return result
    const present = await this.#get(server, key)
    if (present === undefined) return 'failed'
    if (present.item === undefined || !isVoid(present.item.value)) return 'exists'
    return this.#set(server, key, change, { cas: present.item.cas })
  }

  async #getAll(servers: readonly Server[], key: string): Promise<readonly (Answer | undefined)[]> {
    return Promise.all(servers.map(server => this.#get(server, key)))
  }

  /** What one server has; undefined if it does not answer. */
  async #get(server: Server, key: string): Promise<Answer | undefined> {
    this.#graylist.trying(server.name)
    try {
      const item = await server.connection.get(key)
      this.#graylist.answered(server.name)
      if (item !== undefined && isNewer(item.flags, this.#lastStamp)) this.#lastStamp = item.flags
      return { server, item }
    } catch {
      this.#failed(server)
      return undefined
    }
  }

  async #set(
    server: Server,
    key: string,
    { value, ttl, flags }: Change,
    when: StoreWhen,
  ): Promise<StoreResult | 'failed'> {
    this.#graylist.trying(server.name)
    try {
      const result = await server.connection.set(key, value, { when, flags, ttl: this.#lifetime(ttl) })
      this.#graylist.answered(server.name)
      return result
    } catch {
      this.#failed(server)
      return 'failed'
    }
  }

  #failed(server: Server): void {
    this.counts.failures++
    this.#graylist.failed(server.name)
    if (server.doubtedUntil === 0) this.#doubtful++
    server.doubtedUntil = this.#clock.now() + DOUBT_FOR
  }

  /** Whether any of the servers may have missed changes. */
  #doubts(servers: readonly Server[]): boolean {
    if (this.#doubtful === 0) return false
    const now = this.#clock.now()
    let doubts = false
    for (const server of servers) {
      if (server.doubtedUntil === 0) continue
      if (server.doubtedUntil > now) doubts = true
      else {
        server.doubtedUntil = 0
        this.#doubtful--
      }
    }
    return doubts
  }

  /** memcached takes more than thirty days for a point in time. */
  #lifetime(ttl: number): number {
    // For ever is 0 to memcached when it is told, and -1 when it tells, which is what a repair repeats.
    if (ttl < 0 || ttl === Infinity) return 0
    // It counts whole seconds of its own, of which the first may be nearly over.
    const whole = Math.ceil(ttl) + 1
    return whole <= LIVES_RELATIVE ? whole : Math.floor(Date.now() / 1000) + whole
  }
}

function isRemoved(value: Buffer): boolean {
  return value.length === 0
}

function copyOf(server: Server, { value, cas }: Item): Copy {
  return { value, version: versionOf(server, cas) }
}

/** CAS numbers are a server's own, so a version names the server too. */
function versionOf({ number }: Server, cas: number): number {
  return cas * MOST_SERVERS + number
}

function numberIn(version: number): number {
  return version % MOST_SERVERS
}

function casIn(version: number): number {
  return Math.floor(version / MOST_SERVERS)
}

function unavailable(key: string, why: string): CwError {
  return new CwError('STORE_FAILED', `${key} cannot be read or changed in memcached`, {
    why,
    remedies: ['see which servers run: cw status'],
  })
}
