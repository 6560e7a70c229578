import { Flags } from '@oclif/core'
import type { Deployment } from '../../lib/config/deployment/deployment.ts'
import type { Move, MoveState, RollOutParts } from '../operations/upgrade/roll-out.ts'
import { printable } from '../render/printable.ts'
import type { Outcome } from '../render/report.ts'
import { formatRollOut } from '../render/upgrade.ts'
import { OperationCommand, operationFlags } from './operation-command.ts'
import { Proof } from './proof.ts'
import { verificationError } from './verify.ts'

export const rollOutFlags = {
  ...operationFlags,
  soak: Flags.integer({
    summary: 'Seconds that each node is watched before the next one has its turn.',
    default: 30,
    min: 0,
    max: 3600,
  }),
  load: Flags.boolean({
    summary:
      'Register and call meanwhile, with temporary subscribers: what is lost shows whether a node serves.',
    allowNo: true,
    default: true,
  }),
  'dry-run': Flags.boolean({ summary: 'Show who would get which release, and change nothing.' }),
}

interface Given {
  readonly 'accept-new': boolean
  readonly 'dry-run': boolean
  readonly file: string
  readonly soak: number
  readonly load: boolean
  readonly yes: boolean
}

/** A command that gives nodes another release, one after the other. */
export abstract class RollOutCommand extends OperationCommand {
  protected async rollOut(deployment: Deployment, moves: readonly Move[], given: Given): Promise<Outcome> {
    if (moves.length === 0) return { result: { moves }, text: 'nothing to do' }
    const { withoutSubstitute } = await import('../operations/upgrade/order.ts')
    const soakMs = given.soak * 1000
    const plan = formatRollOut({
      ...{ moves, soakMs, withoutSubstitute: withoutSubstitute(deployment) },
      roles: new Map(deployment.nodes.map(({ name, roles }) => [name, roles])),
    })
    if (given['dry-run']) return { result: { moves }, text: plan }
    if (!this.jsonEnabled()) process.stderr.write(`${plan}\n`)
    if (!given.yes) {
      const command = this.id ?? ''
      await this.confirm('Do it?', `the ${command}`, {
        remedies: [`see what it does: cw ${command} --dry-run`],
      })
    }
    const [{ rollOut }, { pause }] = await Promise.all([
      import('../operations/upgrade/roll-out.ts'),
      import('../operations/config/rollout.ts'),
    ])
    await using proof = new Proof()
    if (given.load) await proof.begin(deployment, this.fleetOptions(given))
    const parts: RollOutParts = {
      deploy: (node, release) => this.#deploy(deployment, node, release, given),
      verify: async () => {
        const report = await this.verifyService({ deployment, options: {} }, given)
        const error = verificationError(report)
        return error === undefined ? undefined : [error.message, error.detail.why].filter(Boolean).join(': ')
      },
      pause: milliseconds => pause(milliseconds, this.interruption),
      figures: () => proof.figures,
    }
    const onMove = (move: Move, state: MoveState): void => this.#tell(move, state)
    const { error, ...report } = await rollOut({ moves, soakMs, signal: this.interruption, onMove }, parts)
    const text = report.done.length === 0 ? '' : `done on ${report.done.join(', ')}`
    const outcome = { result: { moves, ...report }, text, ...(error === undefined ? {} : { error }) }
    return await proof.end(outcome, warning => {
      this.note(warning)
    })
  }

  async #deploy(
    deployment: Deployment,
    node: string,
    release: Move['to'],
    given: Given,
  ): ReturnType<RollOutParts['deploy']> {
    const { operate } = await import('../operations/deploy/operate.ts')
    const { file, ...installed } = release
    const request = {
      ...{ operation: 'deploy' as const, deployment, release },
      options: { only: [node], ...(file === undefined ? { installed } : { release: file }) },
      confirm: () => Promise.resolve(true),
    }
    return operate(this.whole(request, given))
  }

  #tell({ node, to, from }: Move, state: MoveState): void {
    if (this.jsonEnabled()) return
    const release = state === 'goes back' || state === 'is back' ? from : to
    process.stderr.write(printable(`${node} ${state}: release ${release?.version ?? ''}\n`))
  }
}
