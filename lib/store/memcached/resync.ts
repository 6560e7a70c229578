import { parseServerAddress, type ClusterView, type ServerAddress } from './cluster-settings.ts'
import { MemcachedConnection, MemcachedFailure, type Item } from './connection.ts'
import { keysOn } from './dump.ts'
import { replicasOf, VBUCKETS, vbucketOf } from './placement.ts'
import { isNewer } from './stamp.ts'

export interface ResyncOptions {
  /** This node's server, as views name it. */
  readonly local: string
  readonly view: ClusterView
  /** The view by which the server has had everything already: what it was to have then need not be copied again. */
  readonly before?: ClusterView | undefined
  readonly signal: AbortSignal
  /** Called between parts of the work: when it resolves, the next one may begin. */
  readonly breathe: () => Promise<void>
  /** Told while it goes on. */
  readonly progress: ResyncProgress
  /** Told of each value that was copied: from where, of which vbucket, and its octets. */
  readonly onCopied?: (server: string, bucket: number, bytes: number) => void
}

/** How far it has come. */
export interface ResyncProgress {
  bucketsNeeded: number
  bucketsDone: number
  entries: number
  bytes: number
  /** What is had from each server, by its name. */
  readonly connections: Map<string, ConnectionProgress>
}

/** How far it has come with one server. */
export interface ConnectionProgress {
  bucketsNeeded: number
  bucketsDone: number
  readonly buckets: Map<number, { entries: number; bytes: number }>
}

/** Before anything was done. */
export function noProgress(): ResyncProgress {
  return { bucketsNeeded: 0, bucketsDone: 0, entries: 0, bytes: 0, connections: new Map() }
}

/** Requests that are under way at once: few enough that their own server hardly notices. */
const BATCH = 100
/** A server that is busy is not a dead one. */
const DEADLINE_MS = 5000

interface Source {
  readonly server: string
  readonly buckets: ReadonlySet<number>
}

/**
 * Copies what this node's server is to have, and others have, onto it. What it has already stays unless the copy is
 * newer, and what is written meanwhile is never overwritten by something older.
 *
 * @returns the vbuckets of which no other holder could be asked; empty if it is complete
 */
export async function resynchronise(options: ResyncOptions): Promise<ReadonlySet<number>> {
  const { local, view, before, progress } = options
  const holders = holdersOf(view, local, before)
  Object.assign(progress, { bucketsNeeded: holders.size, bucketsDone: 0, entries: 0, bytes: 0 })
  progress.connections.clear()
  const open = new Set(holders.keys())
  const silent = new Set<string>()
  const own = connectionTo(local)
  try {
    for (;;) {
      const source = nextSource(open, holders, silent)
      if (source === undefined || options.signal.aborted) return open
      try {
        await copy(source, own, options)
        if (isAborted(options.signal)) return open
        for (const bucket of source.buckets) open.delete(bucket)
        progress.bucketsDone += source.buckets.size
        const connection = progress.connections.get(source.server)
        if (connection !== undefined) connection.bucketsDone = connection.bucketsNeeded
      } catch (error) {
        // Without the own server nothing can be done; without another one there may be a third.
        if (!(error instanceof MemcachedFailure) || error.server === local) throw error
        silent.add(source.server)
      }
    }
  } finally {
    own.close()
  }
}

/** For each vbucket that this node's server is yet to have, who else has it: by the present view, and the one that is to be. */
function holdersOf(
  { servers, newServers = servers }: ClusterView,
  local: string,
  before: ClusterView | undefined,
): ReadonlyMap<number, readonly string[]> {
  const [now, next] = [replicasOf(servers), replicasOf(newServers)]
  const had = before === undefined ? [] : replicasOf(before.newServers ?? before.servers)
  const holders = new Map<number, readonly string[]>()
  for (let bucket = 0; bucket < VBUCKETS; bucket++) {
    if (next[bucket]?.includes(local) !== true || had[bucket]?.includes(local) === true) continue
    const others = [...new Set([...(now[bucket] ?? []), ...(next[bucket] ?? [])])].filter(
      each => each !== local,
    )
    if (others.length > 0) holders.set(bucket, others)
  }
  return holders
}

/** A server that was not found silent, with all the vbuckets that are best had from it. */
function nextSource(
  open: ReadonlySet<number>,
  holders: ReadonlyMap<number, readonly string[]>,
  silent: ReadonlySet<string>,
): Source | undefined {
  const bySource = new Map<string, Set<number>>()
  for (const bucket of open) {
    const server = holders.get(bucket)?.find(each => !silent.has(each))
    if (server === undefined) continue
    const buckets = bySource.get(server) ?? new Set<number>()
    bySource.set(server, buckets.add(bucket))
  }
  const [first] = bySource
  return first === undefined ? undefined : { server: first[0], buckets: first[1] }
}

/** Asked again: it may have become so while something was awaited. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted
}

async function copy(
  { server, buckets }: Source,
  own: MemcachedConnection,
  options: ResyncOptions,
): Promise<void> {
  const known = options.progress.connections.get(server)
  const connection = { bucketsNeeded: buckets.size, bucketsDone: 0, buckets: new Map(known?.buckets) }
  options.progress.connections.set(server, connection)
  const keys = [...(await keysOn(addressOf(server), key => isShared(key) && buckets.has(vbucketOf(key))))]
  const source = connectionTo(server)
  try {
    for (let at = 0; at < keys.length && !options.signal.aborted; at += BATCH) {
      const copied = keys.slice(at, at + BATCH).map(async key => {
        const bytes = await copyOne(key, source, own)
        if (bytes === undefined) return
        const bucket = vbucketOf(key)
        const before = connection.buckets.get(bucket) ?? { entries: 0, bytes: 0 }
        connection.buckets.set(bucket, { entries: before.entries + 1, bytes: before.bytes + bytes })
        options.progress.entries++
        options.progress.bytes += bytes
        options.onCopied?.(server, bucket, bytes)
      })
      await Promise.all(copied)
      await options.breathe()
    }
  } finally {
    source.close()
  }
}

/** @returns octets of the value; undefined if there was nothing to be copied */
async function copyOne(
  key: string,
  source: MemcachedConnection,
  own: MemcachedConnection,
): Promise<number | undefined> {
  const item = await source.get(key)
  if (item === undefined) return undefined
  const options = { flags: item.flags, ttl: lifeOf(item) }
  let result = await own.set(key, item.value, { ...options, when: 'absent' })
  if (result === 'exists') {
    const present = await own.get(key)
    if (present === undefined || !isNewer(item.flags, present.flags)) return undefined
    result = await own.set(key, item.value, { ...options, when: { cas: present.cas } })
  }
  return typeof result === 'number' ? item.value.length : undefined
}

/** What memcached tells as -1 it wants to be told as 0. */
function lifeOf({ ttl }: Item): number {
  return ttl < 0 ? 0 : ttl + 1
}

/** What a node has noted for itself is nobody else's. */
function isShared(key: string): boolean {
  return !key.startsWith(OWN_KEYS)
}

/** In front of keys that concern one server alone. */
export const OWN_KEYS = 'astaire\\\\'

function connectionTo(server: string): MemcachedConnection {
  return new MemcachedConnection({ ...addressOf(server), deadlineMs: DEADLINE_MS })
}

/** @throws MemcachedFailure if a view names no address */
export function addressOf(server: string): ServerAddress {
  const address = parseServerAddress(server)
  if (address === undefined) throw new MemcachedFailure(server, 'it has no address')
  return address
}
