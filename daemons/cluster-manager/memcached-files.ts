import { join } from 'node:path'
import type { ClusteredStore } from '../../lib/clustering/member.ts'
import type { ClusterView } from '../../lib/clustering/states.ts'
import type { Hook } from '../../lib/clustering/transition.ts'
import { seconds } from '../../lib/kit/clock.ts'
import { uriHost } from '../../lib/kit/address.ts'
import { isStaying, membersOf, type Members } from './members.ts'
import type { StoreNode } from './store-node.ts'
import { untilSynchronised } from './synchronised.ts'
import { ToldFile } from './told-file.ts'

const READERS = ['sprout', 'astaire']
/** What could not be had by then was with somebody who is gone. */
const GONE_AFTER = seconds(30)

/** The registrations that sprouts share: which servers they are on, as sprout and astaire read it. */
export class MemcachedFiles implements ClusteredStore {
  readonly #node: StoreNode
  readonly #own: ToldFile
  readonly #other: ToldFile
  readonly #port: number
  #others: Servers | undefined
  #isIn = false

  /** @param folder where this node's configuration is */
  constructor(node: StoreNode, folder: string, port: number) {
    this.#node = node
    this.#own = new ToldFile(join(folder, 'cluster_settings'), READERS, node.units)
    this.#other = new ToldFile(join(folder, 'remote_cluster_settings'), READERS, node.units)
    this.#port = port
  }

  get knowsOther(): boolean {
    return this.#others !== undefined
  }

  get file(): string {
    return this.#own.path
  }

  async run(hook: Hook, view: ClusterView, signal: AbortSignal): Promise<void> {
    switch (hook) {
      case 'joining':
      case 'changing':
      case 'stable':
        this.#isIn = true
        await this.#writeOther()
        return this.#own.write(textOf(this.#serversOf(membersOf(view))))
      case 'resynchronise': {
        // Who leaves has nothing to fetch.
        if (!isStaying(this.#node.own, view)) return
        const wanted = String(this.#serversOf(membersOf(view)).newServers)
        return untilSynchronised(
          { ...this.#node, daemon: 'astaire', signal },
          // From whom it has it does not matter: others may be through with the change already, and look otherwise.
          ({ state, servers, newServers = servers }, waited) =>
            String(newServers) === wanted &&
            (state === 'synchronised' || (state === 'incomplete' && waited >= GONE_AFTER)),
        )
      }
      case 'leaving':
        this.#isIn = false
        await this.#own.remove()
        await this.#other.remove()
    }
  }

  /** Tells sprout and astaire where the other site's sprouts keep theirs; nowhere, if it has none. */
  async followOther(view: ClusterView): Promise<void> {
    this.#others = this.#serversOf(membersOf(view))
    if (this.#isIn) await this.#writeOther()
  }

  async #writeOther(): Promise<void> {
    if (this.#others === undefined) return
    const { servers, newServers } = this.#others
    if (servers.length + newServers.length > 0) await this.#other.write(textOf({ servers, newServers }))
    else await this.#other.remove()
  }

  #serversOf({ normal, joining, leaving }: Members): Servers {
    const named = (addresses: readonly string[]): readonly string[] =>
      addresses.toSorted().map(address => `${uriHost(address)}:${this.#port}`)
    return { servers: named([...normal, ...leaving]), newServers: named([...normal, ...joining]) }
  }
}

interface Servers {
  readonly servers: readonly string[]
  readonly newServers: readonly string[]
}

function textOf({ servers, newServers }: Servers): string {
  return [
    '# Written by cluster-manager: where sprouts keep registrations. The order places them: the same on all nodes.',
    `servers=${servers.join(',')}`,
    ...(isSame(servers, newServers) ? [] : [`new_servers=${newServers.join(',')}`]),
    '',
  ].join('\n')
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.join(',') === others.join(',')
}
