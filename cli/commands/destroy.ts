import { Flags } from '@oclif/core'
import type { Outcome } from '../render/report.ts'
import { OperationCommand, operationFlags, type Request } from './operation-command.ts'

export default class Destroy extends OperationCommand {
  static override summary = 'Remove the deployment from its hosts, with all its data.'
  static override description = `Stops what runs and removes what "cw deploy" has put there: units, files, folders and all data
of subscribers. Debian packages stay. Asks for the name of the deployment.`
  static override examples = ['<%= config.bin %> destroy', '<%= config.bin %> destroy --confirm mylab']
  static override flags = {
    file: operationFlags.file,
    'accept-new': operationFlags['accept-new'],
    'dry-run': Flags.boolean({ summary: 'Show what would be removed, and change nothing.' }),
    only: Flags.string({
      summary: 'Only this node; may be repeated.',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'NODE',
    }),
    confirm: Flags.string({ summary: 'The name of the deployment: do not ask for it.', helpValue: 'NAME' }),
  }

  protected override async perform(): Promise<Outcome> {
    const { flags } = await this.parse(Destroy)
    const { loadDeployment } = await import('../operations/deployment-file.ts')
    const deployment = await loadDeployment(flags.file)
    const request: Request = {
      operation: 'destroy',
      deployment,
      release: undefined,
      options: flags.only === undefined ? {} : { only: flags.only },
      confirm: preview => this.confirmName(preview, flags.confirm),
    }
    return flags['dry-run'] ? this.preview(request, flags) : this.operate(request, flags)
  }
}
