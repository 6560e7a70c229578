import { CwError } from '../../../lib/kit/errors.ts'
import { formatConfigurationDifferences } from '../../render/configuration.ts'
import type { Outcome } from '../../render/report.ts'
import { ConfigurationCommand, deploymentFlags } from './command.ts'

export default class ConfigDiff extends ConfigurationCommand {
  static override summary = 'Tell where etcd, the nodes and the deployment file differ.'
  static override description = 'Ends with 3 if there are differences.'
  static override flags = deploymentFlags

  protected override async perform(): Promise<Outcome> {
    const { flags } = await this.parse(ConfigDiff)
    const { compareConfiguration } = await import('../../operations/config/diff.ts')
    return this.withConfiguration(flags, async ({ etcd, deployment, sites }) => {
      const differences = await compareConfiguration(etcd, deployment, sites)
      const count = differences.nodes.length + differences.settings.length
      const error = new CwError('DIFFERENCES', `the configuration differs in ${count} places`, {
        changed: 'nothing',
      })
      return {
        result: differences,
        text: formatConfigurationDifferences(differences),
        ...(count === 0 ? {} : { error, quiet: true }),
      }
    })
  }
}
