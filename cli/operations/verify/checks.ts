import { CwError } from '../../../lib/kit/errors.ts'
import type { Diagnosis } from './diagnosis.ts'
import type { Finding } from './edge.ts'
import type { Check } from './report.ts'

/** What a check is about. */
export interface About {
  readonly node: string
  readonly what: string
  /** Roles that the node fails in if it fails this, whatever other nodes do. */
  readonly own?: readonly string[]
  /** It cleans up: it is made even after the end of the run was asked for. */
  readonly always?: true
}

type Record = Omit<Check, 'failure'> & { readonly failure?: Diagnosis }

/** The checks of one run, as they come. */
export class Checks {
  readonly #signal: AbortSignal
  readonly #onCheck: ((check: Check) => void) | undefined
  readonly #records: Record[] = []
  /** `homestead hs-1`: the node by itself does not do what its role is. */
  readonly #failing = new Set<string>()
  #begun = 0

  constructor(signal: AbortSignal, onCheck?: (check: Check) => void) {
    this.#signal = signal
    this.#onCheck = onCheck
  }

  /** Makes a check. @returns whether it has passed */
  async make(about: About, work: () => Promise<Finding>): Promise<boolean> {
    const index = this.#begun++
    const { failure, ...finding } = await this.#find(about, work)
    const outcome = failure === undefined ? 'passed' : failure === OVER ? 'not tried' : 'failed'
    this.#record(index, about, { outcome, ...finding, ...(failure === undefined ? {} : { failure }) })
    return failure === undefined
  }

  /** Notes that a check was not made, and why. */
  skip(about: About, failure: Diagnosis): void {
    this.#record(this.#begun++, about, { outcome: 'not tried', steps: [], failure })
  }

  get all(): readonly Check[] {
    return this.#records.map(record => this.#withSuspects(record))
  }

  async #find(about: About, work: () => Promise<Finding>): Promise<Finding> {
    if (this.#signal.aborted && about.always === undefined) return { steps: [], failure: OVER }
    try {
      return await work()
    } catch (error) {
      if (this.#signal.aborted) return { steps: [], failure: OVER }
      if (!(error instanceof CwError)) throw error
      const { message, detail } = error
      const why = detail.why === undefined ? message : `${message}: ${detail.why}`
      return { steps: [], failure: { hop: `cw → ${about.node}`, why } }
    }
  }

  #record(index: number, { node, what, own = [] }: About, found: Omit<Record, 'node' | 'what'>): void {
    const record = { node, what, ...found }
    this.#records[index] = record
    if (found.outcome === 'failed') for (const role of own) this.#failing.add(`${role} ${node}`)
    this.#onCheck?.(this.#withSuspects(record))
  }

  #withSuspects({ failure, ...record }: Record): Check {
    if (failure === undefined) return record
    const role = failure.hop.slice(failure.hop.indexOf('→ ') + 2)
    const suspects = [...this.#failing]
      .filter(each => each.startsWith(`${role} `))
      .map(each => each.slice(role.length + 1))
    return { ...record, failure: { ...failure, suspects } }
  }
}

/** The run was ended, or its time is over. */
const OVER: Diagnosis = { hop: 'cw', why: 'the run was over before' }
