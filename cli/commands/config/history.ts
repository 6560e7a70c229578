import { Flags } from '@oclif/core'
import { formatConfigurationHistory } from '../../render/configuration.ts'
import type { Outcome } from '../../render/report.ts'
import { ConfigurationCommand, deploymentFlags } from './command.ts'

export default class ConfigHistory extends ConfigurationCommand {
  static override summary = 'List the changes of the shared configuration: when, who, what.'
  static override description =
    'The last 100 are kept. cw config import --before N puts back what was before change N.'
  static override flags = {
    limit: Flags.integer({ summary: 'The last so many.', default: 20, min: 1, max: 100 }),
    ...deploymentFlags,
  }

  protected override async perform(): Promise<Outcome> {
    const { flags } = await this.parse(ConfigHistory)
    const { readHistory } = await import('../../operations/config/read.ts')
    return this.withConfiguration(flags, async access => {
      const changes = await readHistory(access, flags.limit)
      return { result: { changes }, text: formatConfigurationHistory(changes) }
    })
  }
}
