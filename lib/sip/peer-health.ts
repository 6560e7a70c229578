import type { Graylist } from '../kit/graylist.ts'
import type { Target } from './resolver.ts'

/** Which targets have not answered lately. Costs nothing while all do. */
export class PeerHealth {
  readonly #graylist: Graylist | undefined

  /** @param graylist undefined: no target is ever avoided */
  constructor(graylist: Graylist | undefined) {
    this.#graylist = graylist
  }

  /** Targets that are avoided or on trial. */
  get troubled(): number {
    return this.#graylist?.size ?? 0
  }

  isAvoided(target: Target): boolean {
    return this.troubled > 0 && this.#graylist?.isAvoided(nameOf(target)) === true
  }

  trying(target: Target): void {
    if (this.troubled > 0) this.#graylist?.trying(nameOf(target))
  }

  failed(target: Target): void {
    this.#graylist?.failed(nameOf(target))
  }

  answered(target: Target): void {
    if (this.troubled > 0) this.#graylist?.answered(nameOf(target))
  }
}

function nameOf({ transport, address, port }: Target): string {
  return `${transport} ${address} ${port}`
}
