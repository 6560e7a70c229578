import type { Units } from '../../lib/kit/units.ts'

/** The daemons of a node that is not there: they note what is done to them. */
export class NodeUnits implements Units {
  readonly done: string[] = []
  /** Daemons that do not become healthy. */
  readonly ill = new Set<string>()
  /** Called with each restart. */
  onRestart: (daemon: string) => void = () => undefined
  readonly #daemons: readonly string[]

  constructor(...daemons: readonly string[]) {
    this.#daemons = daemons
  }

  installed(): Promise<readonly string[]> {
    return Promise.resolve(this.#daemons)
  }

  reload(daemon: string): Promise<void> {
    this.done.push(`reload ${daemon}`)
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

  readonly isHealthy = (daemon: string): Promise<boolean> => Promise.resolve(!this.ill.has(daemon))
}
