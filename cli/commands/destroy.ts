import { Flags } from '@oclif/core'
import { CwError } from '../../lib/kit/errors.ts'
import type { Preview } from '../operations/deploy/operate.ts'
import { formatPlan } from '../render/plan.ts'
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
    only: Flags.string({ summary: 'Only this node; may be repeated.', multiple: true, helpValue: 'NODE' }),
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
      confirm: preview => this.#confirm(preview, flags.confirm),
    }
    return flags['dry-run'] ? this.preview(request, flags) : this.operate(request, flags)
  }

  async #confirm(preview: Preview, given: string | undefined): Promise<boolean> {
    const { deployment: name } = preview.plan
    const refusal = new CwError('NOT_CONFIRMED', `destroying ${name} was not confirmed`, {
      why: given === undefined ? 'its name was not given' : `it is called ${name}, not ${given}`,
      changed: 'nothing',
      remedies: ['see what it removes: cw destroy --dry-run', `insist: cw destroy --confirm ${name}`],
    })
    if (given !== undefined) {
      if (given === name) return true
      throw refusal
    }
    if (!this.interactive) throw refusal
    process.stderr.write(`${formatPlan(preview, false)}\n`)
    const { input } = await import('@inquirer/prompts')
    const message = `This removes all data of ${name}. Type its name to go on:`
    if ((await input({ message }, { output: process.stderr })) !== name) throw refusal
    return true
  }
}
