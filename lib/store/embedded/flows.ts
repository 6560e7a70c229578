import type { Clock } from '../../kit/clock.ts'
import type { FlowIdentity, FlowStore } from '../flow-store.ts'
import type { EmbeddedEnvironment } from './environment.ts'
import { nextKey, type EmbeddedTable } from './table.ts'

/** Most identities that are read for one flow; one address with more is no phone. */
const MOST_PER_FLOW = 10_000
const SLICE = 1000

/** Flow identities on disk, a row each under `<token> <impu>`: a registration writes its own and no other. */
export class EmbeddedFlowStore implements FlowStore {
  readonly #environment: EmbeddedEnvironment
  readonly #clock: Clock
  readonly #rows: EmbeddedTable<FlowIdentity>

  constructor(environment: EmbeddedEnvironment, clock: Clock) {
    this.#environment = environment
    this.#clock = clock
    this.#rows = environment.table<FlowIdentity>('flows')
  }

  *tokens(): Generator<string> {
    let start: string | undefined
    for (;;) {
      const keys = this.#rows.keys({ ...(start === undefined ? {} : { start }), limit: SLICE })
      let last = ''
      for (const key of keys) {
        const token = key.slice(0, key.indexOf(' '))
        if (token !== last) yield token
        last = token
      }
      const end = keys.at(-1)
      if (end === undefined || keys.length < SLICE) return
      start = nextKey(end)
    }
  }

  load(token: string): readonly FlowIdentity[] {
    const now = this.#clock.now()
    const found: FlowIdentity[] = []
    for (const key of this.#rows.keys({ start: `${token} `, end: `${token}!`, limit: MOST_PER_FLOW })) {
      const row = this.#rows.get(key)
      if (row === undefined) continue
      if (row.expiresAt > now) found.push(row)
      else this.#rows.remove(key)
    }
    return found
  }

  put(identities: readonly FlowIdentity[]): Promise<void> {
    for (const identity of identities) this.#rows.set(`${identity.token} ${identity.impu}`, identity)
    return this.#environment.commit('shared')
  }

  remove(token: string, impus: readonly string[]): Promise<void> {
    for (const impu of impus) this.#rows.remove(`${token} ${impu}`)
    return this.#environment.commit('shared')
  }
}
