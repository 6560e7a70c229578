import type { AskReading } from '../../daemons/config-manager/daemon-reading.ts'
import type { Units } from '../../lib/kit/units.ts'

/** The daemons of a node that is not there: they note what is done to them. */
export class NodeUnits implements Units {
  readonly done: string[] = []
  /** Daemons that do not become healthy. */
  readonly ill = new Set<string>()
  /** Called with each restart. */
  onRestart: (daemon: string) => void = () => undefined
  /** Why a daemon cannot use what it is told to read again. */
  readonly unusable = new Map<string, string>()
  /** Daemons that do not listen when they are told to. */
  readonly deaf = new Set<string>()
  readonly #readings = new Map<string, number>()
  readonly #daemons: readonly string[]

  constructor(...daemons: readonly string[]) {
    this.#daemons = daemons
  }

  installed(): Promise<readonly string[]> {
    return Promise.resolve(this.#daemons)
  }

  reload(daemon: string): Promise<void> {
    this.done.push(`reload ${daemon}`)
    if (!this.deaf.has(daemon)) this.#readings.set(daemon, (this.#readings.get(daemon) ?? 1) + 1)
    return Promise.resolve()
  }

  restart(daemon: string): Promise<void> {
    this.done.push(`restart ${daemon}`)
    this.onRestart(daemon)
    return Promise.resolve()
  }

  isActive(): Promise<boolean> {
    return Promise.resolve(true)
  }

  readonly ask: AskReading = daemon => {
    const problem = this.unusable.get(daemon)
    const readings = this.#readings.get(daemon) ?? 1
    return Promise.resolve({ readings, faults: 0, ...(problem === undefined ? {} : { problem }) })
  }

  readonly isHealthy = (daemon: string): Promise<boolean> => Promise.resolve(!this.ill.has(daemon))
}
