import { CwCommand } from '../../command.ts'
import type { Outcome } from '../../render/report.ts'
import { deploymentFlag } from '../deployment-flag.ts'

export default class ConfigCheck extends CwCommand {
  static override summary = 'Check the deployment file.'
  static override description = `Reads the file and nothing else; hosts are checked by "cw check". All faults are told at once, with line and
column.`
  static override examples = [
    '<%= config.bin %> config check',
    '<%= config.bin %> config check --file staging.yaml --json',
  ]
  static override flags = deploymentFlag

  protected override async perform(): Promise<Outcome> {
    const { flags } = await this.parse(ConfigCheck)
    const [{ faultsError, readDeployment }, { formatFault }] = await Promise.all([
      import('../../operations/deployment-file.ts'),
      import('../../../lib/config/fault.ts'),
    ])
    const { file } = flags
    const parsed = await readDeployment(file)
    if ('faults' in parsed) {
      const { faults } = parsed
      return { result: { file, faults }, error: faultsError(file, faults) }
    }
    const { deployment, warnings } = parsed
    for (const { severity: _, ...warning } of warnings)
      this.note(formatFault({ severity: 'error', ...warning }))
    const spares = deployment.nodes.filter(node => node.roles.length === 0).length
    const nodes = deployment.nodes.length - spares
    return {
      result: { file, faults: warnings, nodes, spares },
      text: `${file} is right: deployment ${deployment.name}, ${nodes} nodes, ${spares} spares`,
    }
  }
}
