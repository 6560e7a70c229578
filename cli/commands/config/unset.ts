import { Args } from '@oclif/core'
import type { Outcome } from '../../render/report.ts'
import { changeFlags, ConfigurationCommand } from './command.ts'

export default class ConfigUnset extends ConfigurationCommand {
  static override summary = 'Take options out of the shared configuration: they are at their defaults again.'
  static override examples = ['<%= config.bin %> config unset reg_max_expires']
  static override args = {
    name: Args.string({ description: 'An option, or several.', required: true, ignoreStdin: true }),
  }
  static override strict = false
  static override flags = changeFlags

  protected override async perform(): Promise<Outcome> {
    const { argv, flags } = await this.parse(ConfigUnset)
    const { unsettingOptions } = await import('../../operations/config/requests.ts')
    const change = unsettingOptions(argv.map(String))
    return this.withConfiguration(flags, access => this.change(access, flags, change))
  }
}
