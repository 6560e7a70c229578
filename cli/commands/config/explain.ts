import { Args } from '@oclif/core'
import { CwCommand } from '../../command.ts'
import { formatOption } from '../../render/option.ts'
import type { Outcome } from '../../render/report.ts'

export default class ConfigExplain extends CwCommand {
  static override summary = 'Tell what an option means.'
  static override description = `Options of shared_config, local_config and user_settings by their names; keys of the deployment file with
dots, like nodes.address.`
  static override examples = [
    '<%= config.bin %> config explain reg_max_expires',
    '<%= config.bin %> config explain nodes.public_address',
  ]
  static override args = {
    name: Args.string({ description: 'The option.', required: true, ignoreStdin: true }),
  }

  protected override async perform(): Promise<Outcome> {
    const { args } = await this.parse(ConfigExplain)
    const { explain } = await import('../../operations/explain.ts')
    const option = explain(args.name)
    return { result: option, text: formatOption(option) }
  }
}
