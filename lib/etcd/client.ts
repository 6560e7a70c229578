import { seconds, TimerWheel, type Clock, type Duration } from '../kit/clock.ts'
import { CwError } from '../kit/errors.ts'
import type { EtcdCredentials } from './credentials.ts'
import { Gateway } from './gateway.ts'
import { base64, numberIn, objectIn, objectsIn, textIn, type JsonObject } from './json.ts'
import {
  clusterOf,
  decodeKeyValue,
  prefixRange,
  revisionOf,
  type KeyValue,
  type Snapshot,
} from './key-value.ts'
import { Lease } from './lease.ts'
import { decodeMember, memberHealth, type ClusterHealth, type Member } from './members.ts'
import { watchPrefix, type WatchEvent, type WatchOptions } from './watch.ts'

export interface EtcdOptions {
  /** `https://host:port` of the members; several are tried in turn. */
  readonly origins: readonly string[]
  /** Read for each connection. Absent: members that are reached without TLS, `http://host:port`. */
  readonly credentials?: (() => Promise<EtcdCredentials>) | undefined
  /** What errors call an origin that is none to those who read them, such as the end of a tunnel. */
  readonly names?: ReadonlyMap<string, string>
  readonly clock?: Clock
  /** For a whole call, whatever is tried within it. Default 6 s: members elect a new leader in less. */
  readonly deadline?: Duration
  /** How long a watch may be silent before it is opened anew. Default 30 s. */
  readonly silence?: Duration
  /** Done after the client is closed: the end of what it reached the members through. */
  readonly onClose?: () => Promise<void>
}

export interface PutOptions {
  /** Only if the key still has this revision; 0: only if there is none. */
  readonly ifRevision?: number
  /** The key ends with this lease. */
  readonly lease?: Pick<Lease, 'id'>
}

/** What a transaction asks for before it does anything: the key's revision, 0 for none. */
export interface Condition {
  readonly key: string
  readonly revision: number
}

export type Change =
  | { readonly put: string; readonly value: string | Uint8Array; readonly lease?: Pick<Lease, 'id'> }
  | { readonly delete: string }

/** Whether it was done. `revision`: of the store after it. */
export interface Written {
  readonly done: boolean
  readonly revision: number
}

const TAKEN_IN_WITHIN = seconds(30)

/** etcd takes up to 1.5 MB a request; a value of this size leaves room for what travels with it. */
export const MAX_VALUE_BYTES = 1_000_000

/**
 * A client of one etcd cluster (3.4 and later) by its JSON gateway. Keys are text, values any bytes. Reads see every
 * write that has been acknowledged.
 *
 * Every call ends within its deadline, and throws CwError ETCD_UNAVAILABLE (nobody answers, or no majority) or
 * ETCD_REFUSED (the cluster does not want it). A conditional write that may or may not have been done is not sent
 * twice: `isUncertain(error)` then says so.
 */
export class EtcdClient implements AsyncDisposable {
  readonly #gateway: Gateway
  readonly #clock: Clock
  readonly #silence: Duration
  readonly #ownClock: TimerWheel
  readonly #onClose: (() => Promise<void>) | undefined

  constructor(options: EtcdOptions) {
    // Its timers only arm and disarm what cannot throw.
    const wheel = new TimerWheel(() => undefined)
    this.#ownClock = wheel
    this.#clock = options.clock ?? wheel
    this.#onClose = options.onClose
    this.#silence = options.silence ?? seconds(30)
    const deadline = options.deadline ?? seconds(6)
    const { origins, names, credentials } = options
    this.#gateway = new Gateway({ origins, names, credentials, clock: this.#clock, deadline })
  }

  async get(key: string): Promise<KeyValue | undefined> {
    return (await this.#range({ key: base64(key) })).items[0]
  }

  /** All keys that begin with `prefix`, in order, as they stood at one moment. */
  getPrefix(prefix: string): Promise<Snapshot> {
    return this.#range(prefixRange(prefix))
  }

  /** The last `count` keys, the last first. */
  getLast(prefix: string, count: number): Promise<Snapshot> {
    const order = { limit: String(count), sort_order: 'DESCEND', sort_target: 'KEY' }
    return this.#range({ ...prefixRange(prefix), ...order })
  }

  async put(key: string, value: string | Uint8Array, options: PutOptions = {}): Promise<Written> {
    const { ifRevision, lease } = options
    return this.txn(ifRevision === undefined ? [] : [{ key, revision: ifRevision }], [
      { put: key, value, ...(lease === undefined ? {} : { lease }) },
    ])
  }

  async delete(key: string, options: { readonly ifRevision?: number } = {}): Promise<Written> {
    const { ifRevision } = options
    return this.txn(ifRevision === undefined ? [] : [{ key, revision: ifRevision }], [{ delete: key }])
  }

  /** Does all the changes at one revision if all conditions hold, else none. */
  async txn(conditions: readonly Condition[], changes: readonly Change[]): Promise<Written> {
    const request = {
      compare: conditions.map(({ key, revision }) => ({
        key: base64(key),
        target: 'MOD',
        result: 'EQUAL',
        mod_revision: String(revision),
      })),
      success: changes.map(encodeChange),
    }
    const answer = await this.#gateway.call('/v3/kv/txn', request, {
      effect: conditions.length === 0 ? 'repeatable' : 'once',
    })
    return { done: answer.succeeded === true, revision: revisionOf(answer) }
  }

  /** Follows all keys that begin with `prefix`, until the signal; see `watch.ts` for what is promised. */
  watchPrefix(prefix: string, options: WatchOptions): AsyncIterable<WatchEvent> {
    const parts = {
      gateway: this.#gateway,
      clock: this.#clock,
      silence: this.#silence,
      readPrefix: (under: string) => this.getPrefix(under),
    }
    return watchPrefix(parts, prefix, options)
  }

  /** A lease that is kept alive from now on. */
  async grantLease(ttlSeconds: number): Promise<Lease> {
    const granted = await this.#gateway.call(
      '/v3/lease/grant',
      { TTL: String(ttlSeconds) },
      { effect: 'repeatable' },
    )
    const id = textIn(granted, 'ID')
    return new Lease(id, numberIn(granted, 'TTL'), {
      clock: this.#clock,
      renew: within =>
        this.#gateway.call(
          '/v3/lease/keepalive',
          { ID: id },
          { effect: 'repeatable', deadline: seconds(within) },
        ),
      revoke: async () => {
        await this.#gateway.call('/v3/lease/revoke', { ID: id }, { effect: 'once' })
      },
    })
  }

  async members(): Promise<readonly Member[]> {
    const answer = await this.#gateway.call('/v3/cluster/member/list', {}, { effect: 'read' })
    return objectsIn(answer, 'members').map(decodeMember)
  }

  /**
   * Announces a member, which then has to be started; until it is, it counts as one that is down. Waits for the cluster
   * to be well: it takes nobody in for some seconds after the last one came.
   */
  async memberAdd(peerUrl: string): Promise<Member> {
    const answer = await this.#gateway.call(
      '/v3/cluster/member/add',
      { peerURLs: [peerUrl] },
      { effect: 'once', deadline: TAKEN_IN_WITHIN },
    )
    return decodeMember(objectIn(answer, 'member'))
  }

  /**
   * Removes a member; one that is not there is none to remove. Returns once the others serve: a leader stands still while it
   * lets go of one that is dead, and they elect another.
   */
  async memberRemove(id: string): Promise<void> {
    const deadline = TAKEN_IN_WITHIN
    try {
      await this.#gateway.call('/v3/cluster/member/remove', { ID: id }, { effect: 'repeatable', deadline })
    } catch (error) {
      if (!(error instanceof CwError && error.message.includes('member not found'))) throw error
    }
    await this.#gateway.call('/v3/kv/range', { key: base64('/') }, { effect: 'read', deadline })
  }

  /** How each origin that was given does; never throws for what the cluster does. */
  async health(): Promise<ClusterHealth> {
    const { origins } = this.#gateway
    const members = await Promise.all(origins.map(origin => memberHealth(this.#gateway, origin)))
    return { writable: members.some(member => member.healthy), members }
  }

  async close(): Promise<void> {
    await this.#gateway.close()
    this.#ownClock.close()
    await this.#onClose?.()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #range(request: JsonObject): Promise<Snapshot> {
    const answer = await this.#gateway.call('/v3/kv/range', request, { effect: 'read' })
    return {
      items: objectsIn(answer, 'kvs').map(decodeKeyValue),
      revision: revisionOf(answer),
      cluster: clusterOf(answer),
    }
  }
}

function encodeChange(change: Change): JsonObject {
  if ('delete' in change) return { request_delete_range: { key: base64(change.delete) } }
  const bytes = Buffer.byteLength(change.value)
  if (bytes > MAX_VALUE_BYTES) {
    throw new CwError('VALUE_TOO_LARGE', `${change.put} would be ${bytes} bytes long`, {
      why: `a value in etcd has at most ${MAX_VALUE_BYTES} bytes`,
      changed: 'nothing',
    })
  }
  const { lease } = change
  return {
    request_put: {
      key: base64(change.put),
      value: base64(change.value),
      ...(lease === undefined ? {} : { lease: lease.id }),
    },
  }
}
