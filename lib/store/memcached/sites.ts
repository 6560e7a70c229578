import { hash } from 'node:crypto'
import type { Clock } from '../../kit/clock.ts'
import { MemcachedCluster } from './cluster.ts'
import type { ClusterView } from './cluster-settings.ts'
import { MemcachedFailure } from './connection.ts'
import { keysOn } from './dump.ts'
import { comparable } from './history.ts'
import { replicasOf, vbucketOf } from './placement.ts'
import { MemcachedRegistrationStore, REGISTRATIONS, registrationCodec } from './registrations.ts'
import { addressOf } from './resync.ts'

export interface SitesOptions {
  /** This node's server, as the view of its site names it. */
  readonly local: string
  readonly view: ClusterView
  readonly otherSite: ClusterView
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Called between parts of the work: when it resolves, the next one may begin. */
  readonly breathe: () => Promise<void>
}

/** What became of the registrations of the vbuckets that this node's server is the first to have. */
export interface SitesResult {
  /** False where a server could not be asked, at either site. */
  readonly isComplete: boolean
  /** Registrations of the other site that were looked at. */
  readonly seen: number
  /** Of these, the ones from which this site has learned something. */
  readonly taken: number
  /** Records of the other site that could not be read. */
  readonly foreign: number
  /** What this site has after it. */
  readonly digest: RegistrationsDigest
}

/** Two sites that have the same registrations have the same digest, if those of all their nodes are added up (exclusive or). */
export interface RegistrationsDigest {
  readonly registrations: number
  /** 64 hexadecimal digits. */
  readonly sha256: string
}

const BATCH = 100
/** A server that is busy is not a dead one. */
const DEADLINE_MS = 5000

/**
 * Takes what the other site knows of registrations, and this one does not, into this node's part of this site's cluster.
 * When each node of both sites has done it, and nothing was changed meanwhile, both sites have the same.
 */
export async function agreeWithOtherSite(options: SitesOptions): Promise<SitesResult> {
  const { view, otherSite, clock } = options
  const cluster = new MemcachedCluster({ view, clock, deadlineMs: DEADLINE_MS })
  const other = new MemcachedCluster({ view: otherSite, clock, deadlineMs: DEADLINE_MS })
  const counts = { taken: 0, known: 0, absent: 0, foreign: 0 }
  const store = new MemcachedRegistrationStore({
    cluster,
    clock,
    onForeign: () => undefined,
    otherSite: { cluster: other, onBehind: () => undefined },
  })
  try {
    const theirs = await keysAt(otherSite, options)
    for await (const keys of batches(theirs.keys, options))
      await Promise.all(keys.map(async key => counts[await store.takeOver(key)]++))
    const ours = await keysAt(view, options)
    const digest = await digestOf(cluster, ours.keys, options)
    return {
      isComplete: theirs.isComplete && ours.isComplete && !options.signal.aborted,
      seen: theirs.keys.size,
      ...{ taken: counts.taken, foreign: counts.foreign, digest },
    }
  } finally {
    cluster.close()
    other.close()
  }
}

/** The keys of registrations that a site's servers have, as far as this node's server is the first to have them at its own site. */
async function keysAt(
  { servers, newServers = [] }: ClusterView,
  { local, view }: SitesOptions,
): Promise<{ readonly keys: ReadonlySet<string>; readonly isComplete: boolean }> {
  const placed = replicasOf(view.servers)
  const keys = new Set<string>()
  let isComplete = true
  for (const server of new Set([...servers, ...newServers])) {
    try {
      const found = await keysOn(
        addressOf(server),
        key => key.startsWith(`${REGISTRATIONS}\\\\`) && placed[vbucketOf(key)]?.[0] === local,
      )
      for (const key of found) keys.add(key)
    } catch (error) {
      if (!(error instanceof MemcachedFailure)) throw error
      isComplete = false
    }
  }
  return { keys, isComplete }
}

async function digestOf(
  cluster: MemcachedCluster,
  keys: ReadonlySet<string>,
  options: SitesOptions,
): Promise<RegistrationsDigest> {
  const sum = Buffer.alloc(32)
  let registrations = 0
  for await (const batch of batches(keys, options)) {
    const copies = await Promise.all(batch.map(async key => ({ key, copy: await cluster.read(key) })))
    for (const { key, copy } of copies) {
      const record = copy === undefined ? undefined : registrationCodec.decode(copy.value.toString())
      const text = record && comparable(record, options.clock.now())
      if (text === undefined) continue
      registrations++
      const own = hash('sha256', `${key} ${text}`, 'buffer')
      for (let at = 0; at < sum.length; at++) sum[at] = (sum[at] ?? 0) ^ (own[at] ?? 0)
    }
  }
  return { registrations, sha256: sum.toString('hex') }
}

async function* batches(
  keys: ReadonlySet<string>,
  { signal, breathe }: SitesOptions,
): AsyncGenerator<readonly string[]> {
  const all = [...keys]
  for (let at = 0; at < all.length && !signal.aborted; at += BATCH) {
    yield all.slice(at, at + BATCH)
    await breathe()
  }
}
