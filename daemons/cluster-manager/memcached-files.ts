import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClusteredStore } from '../../lib/clustering/member.ts'
import type { ClusterView } from '../../lib/clustering/states.ts'
import type { Hook } from '../../lib/clustering/transition.ts'
import { seconds } from '../../lib/kit/clock.ts'
import { uriHost } from '../../lib/kit/address.ts'
import { readIfThere, replaceFile } from '../../lib/kit/atomic-file.ts'
import { isStaying, membersOf, type Members } from './members.ts'
import type { StoreNode } from './store-node.ts'
import { untilSynchronised } from './synchronised.ts'

const OWN = 'cluster_settings'
const OTHER = 'remote_cluster_settings'
/** What could not be had by then was with somebody who is gone. */
const GONE_AFTER = seconds(30)

/** The registrations that sprouts share: which servers they are on, as sprout and astaire read it. */
export class MemcachedFiles implements ClusteredStore {
  readonly #node: StoreNode
  readonly #folder: string
  readonly #port: number
  #other: Servers | undefined
  #isIn = false

  /** @param folder where this node's configuration is */
  constructor(node: StoreNode, folder: string, port: number) {
    this.#node = node
    this.#folder = folder
    this.#port = port
  }

  get knowsOther(): boolean {
    return this.#other !== undefined
  }

  get file(): string {
    return join(this.#folder, OWN)
  }

  async run(hook: Hook, view: ClusterView, signal: AbortSignal): Promise<void> {
    switch (hook) {
      case 'joining':
      case 'changing':
      case 'stable':
        this.#isIn = true
        await this.#writeOther()
        return this.#write(OWN, this.#serversOf(membersOf(view)))
      case 'resynchronise': {
        // Who leaves has nothing to fetch.
        if (!isStaying(this.#node.own, view)) return
        const { servers, newServers } = this.#serversOf(membersOf(view))
        const wanted = [servers.length > 0 ? servers : newServers, servers.length > 0 && !isSame(servers, newServers) ? newServers : undefined] // prettier-ignore
        return untilSynchronised(
          { ...this.#node, daemon: 'astaire', signal },
          ({ state, servers: has, newServers: hasNew }, waited) =>
            JSON.stringify([has, hasNew]) === JSON.stringify(wanted) &&
            (state === 'synchronised' || (state === 'incomplete' && waited >= GONE_AFTER)),
        )
      }
      case 'leaving':
        this.#isIn = false
        await Promise.all([OWN, OTHER].map(name => rm(join(this.#folder, name), { force: true })))
    }
  }

  /** Tells sprout and astaire where the other site's sprouts keep theirs; nowhere, if it has none. */
  async followOther(view: ClusterView): Promise<void> {
    this.#other = this.#serversOf(membersOf(view))
    if (this.#isIn) await this.#writeOther()
  }

  async #writeOther(): Promise<void> {
    if (this.#other === undefined) return
    const { servers, newServers } = this.#other
    if (servers.length + newServers.length > 0) await this.#write(OTHER, { servers, newServers })
    else await rm(join(this.#folder, OTHER), { force: true })
  }

  #serversOf({ normal, joining, leaving }: Members): Servers {
    const named = (addresses: readonly string[]): readonly string[] =>
      addresses.toSorted().map(address => `${uriHost(address)}:${this.#port}`)
    return { servers: named([...normal, ...leaving]), newServers: named([...normal, ...joining]) }
  }

  async #write(name: string, { servers, newServers }: Servers): Promise<void> {
    const text = [
      '# Written by cluster-manager: where sprouts keep registrations. The order places them: the same on all nodes.',
      `servers=${servers.join(',')}`,
      ...(isSame(servers, newServers) ? [] : [`new_servers=${newServers.join(',')}`]),
      '',
    ].join('\n')
    const file = join(this.#folder, name)
    if ((await readIfThere(file))?.toString() === text) return
    await replaceFile(file, text, 0o644)
    for (const daemon of ['sprout', 'astaire']) await this.#node.units.reload(daemon)
  }
}

interface Servers {
  readonly servers: readonly string[]
  readonly newServers: readonly string[]
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.join(',') === others.join(',')
}
