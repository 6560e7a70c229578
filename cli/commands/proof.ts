import { Flags } from '@oclif/core'
import type { Deployment } from '../../lib/config/deployment/deployment.ts'
import type { OperationRequest } from '../operations/deploy/operate.ts'
import type { BackgroundLoad } from '../operations/prove/background-load.ts'
import type { LoadFigures } from '../operations/prove/figures.ts'
import { formatLoad } from '../render/prove.ts'
import type { Outcome } from '../render/report.ts'

export const proveFlag = {
  prove: Flags.boolean({
    summary:
      'Register and call meanwhile, with temporary subscribers, and say what users would have noticed.',
  }),
}

/** Telephones that register and call while a command is at work, and what they have seen. */
export class Proof implements AsyncDisposable {
  #load: BackgroundLoad | undefined

  /** @throws CwError PROOF_IMPOSSIBLE if nobody can call as it is */
  async begin(deployment: Deployment, fleet: OperationRequest['fleet']): Promise<void> {
    const { startLoad } = await import('../operations/prove/background-load.ts')
    this.#load = await startLoad(deployment, fleet)
  }

  /** What has been seen so far; undefined where nothing has begun. */
  get figures(): LoadFigures | undefined {
    return this.#load?.figures
  }

  /** An outcome, and what it has cost. As it is, where nothing has begun. */
  async end(outcome: Outcome, note: (warning: string) => void): Promise<Outcome> {
    if (this.#load === undefined) return outcome
    const proof = await this.#load.stop()
    for (const impu of this.#load.left) note(`${impu} could not be removed; the next "cw verify" tries again`)
    const text = [outcome.text ?? '', formatLoad(proof)].filter(part => part !== '').join('\n')
    return { ...outcome, result: { ...(outcome.result as object), proof }, text }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#load?.[Symbol.asyncDispose]()
  }
}
