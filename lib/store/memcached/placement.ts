import { hash } from 'node:crypto'
import type { ClusterView } from './cluster-settings.ts'

/** Into so many parts all keys are divided; each has servers of its own. */
export const VBUCKETS = 128
/** Copies of each value, where there are as many servers. */
const COPIES = 2

/** Which servers have the values of a view: computed once, since there are only so many vbuckets. */
export class Placement {
  readonly #readers: readonly (readonly string[])[]

  constructor({ servers, newServers }: ClusterView) {
    const current = replicasOf(servers)
    const next = newServers === undefined ? current : replicasOf(newServers)
    // While the cluster changes, values are where they were and where they will be: the present primary still decides.
    this.#readers = current.map((now, bucket) => [
      ...new Set([...now.slice(0, 1), ...(next[bucket] ?? []), ...now.slice(1)]),
    ])
  }

  /** Servers that have, or are to have, the values of a vbucket; the first one decides. */
  serversOf(bucket: number): readonly string[] {
    return this.#readers[bucket] ?? []
  }
}

/**
 * The vbucket of a key: the low seven bits of libmemcached's MD5 hash, which reads the digest's first four octets with
 * the lowest first.
 */
export function vbucketOf(key: string): number {
  return (hash('md5', key, 'buffer')[0] ?? 0) % VBUCKETS
}

/** The servers of each vbucket, the primary first. The rule is the original's: all nodes of a cluster must agree on it. */
export function replicasOf(servers: readonly string[]): readonly (readonly string[])[] {
  const ring = ringOf(servers.length)
  const copies = Math.min(COPIES, servers.length)
  return ring.map((_, bucket) => {
    const found: string[] = []
    for (let step = 0; step < VBUCKETS && found.length < copies; step++) {
      const server = servers[ring[(bucket + step) % VBUCKETS] ?? 0]
      if (server !== undefined && !found.includes(server)) found.push(server)
    }
    return found
  })
}

/**
 * Which server owns each slot. All begin with server 0; each further one takes its share, slot after slot, from who has
 * most: the i-th time, that one's i-th slot.
 */
function ringOf(count: number): readonly number[] {
  const ring = new Array<number>(VBUCKETS).fill(0)
  for (let added = 1; added < count; added++) {
    const share = Math.floor(VBUCKETS / (added + 1))
    for (let taken = 0; taken < share; taken++) {
      const owned = slotsOf(ring, richest(ring, added))
      const slot = owned[taken % owned.length]
      if (slot !== undefined) ring[slot] = added
    }
  }
  return ring
}

/** Of the servers before `added`, the one with most slots; of several, the last. */
function richest(ring: readonly number[], added: number): number {
  let best = 0
  for (let server = 0; server < added; server++) {
    if (slotsOf(ring, server).length >= slotsOf(ring, best).length) best = server
  }
  return best
}

function slotsOf(ring: readonly number[], server: number): number[] {
  return ring.flatMap((owner, slot) => (owner === server ? [slot] : []))
}
