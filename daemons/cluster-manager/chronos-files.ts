import type { ClusteredStore } from '../../lib/clustering/member.ts'
import type { ClusterView } from '../../lib/clustering/states.ts'
import type { Hook } from '../../lib/clustering/transition.ts'
import { millis, pause } from '../../lib/kit/clock.ts'
import { isStaying, membersOf, type Members } from './members.ts'
import type { StoreNode } from './store-node.ts'
import { untilSynchronised } from './synchronised.ts'
import { ToldFile } from './told-file.ts'

const NOBODY: Members = { normal: [], joining: [], leaving: [] }

/** The timers that sprouts share: which nodes have them, as chronos and sprout read it. */
export class ChronosFiles implements ClusteredStore {
  readonly #node: StoreNode
  readonly #file: ToldFile
  readonly #sites: { readonly own: string; readonly other: string | undefined }
  #own = NOBODY
  #other: readonly string[] | undefined

  constructor(
    node: StoreNode,
    file: string,
    sites: { readonly own: string; readonly other: string | undefined },
  ) {
    this.#node = node
    this.#file = new ToldFile(file, ['chronos', 'sprout'], node.units)
    this.#sites = sites
  }

  async run(hook: Hook, view: ClusterView, signal: AbortSignal): Promise<void> {
    const members = membersOf(view)
    switch (hook) {
      case 'joining':
      case 'changing':
      case 'stable':
        this.#own = members
        await this.#untilOtherIsKnown(signal)
        return this.#write()
      case 'resynchronise': {
        // One that does not run has nothing to give away that others have not got.
        if (!isStaying(this.#node.own, view) && !(await this.#node.units.isActive('chronos'))) return
        // Where all leave there is nobody to give anything to.
        const nodes = [...members.normal, ...members.joining].toSorted()
        if (nodes.length === 0) return
        return untilSynchronised(
          { ...this.#node, daemon: 'chronos', signal },
          ({ synchronised, nodes: has }) =>
            synchronised === true && Array.isArray(has) && String(has.toSorted()) === String(nodes),
        )
      }
      case 'leaving':
        this.#own = NOBODY
        await this.#file.remove()
    }
  }

  get file(): string {
    return this.#file.path
  }

  get knowsOther(): boolean {
    return this.#other !== undefined
  }

  /** Tells who sets timers which nodes of the other site are to have them too. */
  async followOther(view: ClusterView): Promise<void> {
    const { normal, joining } = membersOf(view)
    this.#other = [...normal, ...joining].toSorted()
    if (this.#own !== NOBODY) await this.#write()
  }

  /** Both sites stand in one file: what it says of the other one is not taken away for a moment after each start. */
  async #untilOtherIsKnown(signal: AbortSignal): Promise<void> {
    while (!this.knowsOther && !signal.aborted) await pause(this.#node.clock, millis(50), signal)
  }

  async #write(): Promise<void> {
    const { normal, joining, leaving } = this.#own
    // A list of nobody says nothing to who reads it.
    if (normal.length + joining.length === 0) return
    const { own, other } = this.#sites
    const remote = this.#other ?? []
    const text = [
      '# Written by cluster-manager: the nodes of the timer service, the same on all of them but for localhost.',
      '[cluster]',
      `localhost = ${this.#node.own}`,
      ...normal.map(node => `node = ${node}`),
      ...joining.map(node => `joining = ${node}`),
      ...leaving.map(node => `leaving = ${node}`),
      ...(other === undefined || remote.length === 0
        ? []
        : ['', '[sites]', `local_site = ${own}`, ...remote.map(node => `remote_site = ${other}=${node}`)]),
      '',
    ].join('\n')
    await this.#file.write(text)
  }
}
