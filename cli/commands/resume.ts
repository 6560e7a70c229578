import { Args, Flags } from '@oclif/core'
import type { Outcome } from '../render/report.ts'
import { OperationCommand, operationFlags, verifyFlag, type Request } from './operation-command.ts'

export default class Resume extends OperationCommand {
  static override summary = 'Do the rest of an operation that was interrupted, killed or failed in part.'
  static override description = `Looks at the nodes anew and does what is left of the same operation with the same options. Without
an id it is the last one. The rest of a "cw destroy" asks for the name of the deployment.`
  static override examples = [
    '<%= config.bin %> resume',
    '<%= config.bin %> resume 20260102T030405-1a2b --yes',
  ]
  static override args = {
    id: Args.string({ description: 'The operation, as "cw history" shows it.', ignoreStdin: true }),
  }
  static override flags = {
    ...operationFlags,
    ...verifyFlag,
    confirm: Flags.string({
      summary: 'The name of the deployment, where "cw destroy" is resumed: do not ask for it.',
      helpValue: 'NAME',
    }),
  }

  protected override async perform(): Promise<Outcome> {
    const { args, flags } = await this.parse(Resume)
    const { loadDeployment } = await import('../operations/deployment-file.ts')
    const deployment = await loadDeployment(flags.file)
    const { resumable } = await import('../operations/resume.ts')
    const { operation, options, release, record } = await resumable({
      deployment,
      id: args.id,
      fleet: this.fleetOptions(flags),
      onWarning: warning => {
        this.note(warning)
      },
    })
    const request: Request = {
      ...{ operation, deployment, options, release },
      resume: record,
      confirm: preview =>
        operation === 'destroy'
          ? this.confirmName(preview, flags.confirm, !flags.yes)
          : this.confirmPlan(preview, flags.yes),
    }
    return this.operate(request, { ...flags, verify: flags.verify && operation === 'deploy' })
  }
}
