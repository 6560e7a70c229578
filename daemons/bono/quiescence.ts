import { seconds, type Clock } from '../../lib/kit/clock.ts'
import type { Log } from '../../lib/kit/log.ts'
import { LONGEST_DRAIN, type Quiescing } from '../../lib/sip/quiescing.ts'
import type { Transport } from '../../lib/sip/transport/flow.ts'

/** How often it is looked whether somebody is still there. */
const LOOK = seconds(1)

export interface QuiescenceOptions {
  readonly log: Log
  readonly edge: { quiescing: boolean; isInUse(): boolean }
  readonly node: { readonly clock: Clock; drain(deadline: number): Promise<boolean>; takeAgain(): void }
  /** Where clients connect. */
  readonly doors: readonly Transport[]
}

/**
 * An edge that is about to go (sip.md §3.12): nobody connects any more, and who renews a registration is sent
 * elsewhere, but for those with a call. When the last registration and the last call are over, what is still to be
 * answered is, and there is nothing left to do.
 */
export class Quiescence implements Quiescing {
  readonly #options: QuiescenceOptions
  /** Which time it is: a wait of an earlier one has been recalled. */
  #turn = 0

  constructor(options: QuiescenceOptions) {
    this.#options = options
  }

  get begun(): boolean {
    return this.#options.edge.quiescing
  }

  async begin(): Promise<boolean> {
    if (this.begun) return false
    const { log, edge, node, doors } = this.#options
    const turn = ++this.#turn
    edge.quiescing = true
    for (const door of doors) door.pause?.()
    log.info('quiescing: clients are sent elsewhere')
    while (turn === this.#turn && edge.isInUse()) {
      await new Promise<void>(resolve => node.clock.after(LOOK, resolve))
    }
    if (turn !== this.#turn || !(await node.drain(node.clock.now() + LONGEST_DRAIN))) return false
    log.info('quiesced: nobody is left')
    return true
  }

  async end(): Promise<void> {
    const { log, edge, node, doors } = this.#options
    if (this.begun) log.info('no longer quiescing: clients are taken again')
    this.#turn++
    edge.quiescing = false
    node.takeAgain()
    for (const door of doors) {
      await door.resume?.().catch((error: unknown) => {
        log.error('clients cannot connect: the port could not be opened again', {
          port: door.point.port,
          error,
        })
      })
    }
  }
}
