import { CwCommand } from '../../command.ts'
import type { Outcome } from '../../render/report.ts'

export default class ConfigSchema extends CwCommand {
  static override summary = 'Print the JSON schema of the deployment file.'
  static override description = `Editors complete and check cw.yaml with it. "cw init" names it in the file's first lines.`
  static override examples = ['<%= config.bin %> config schema > cw.schema.json']

  protected override async perform(): Promise<Outcome> {
    await this.parse(ConfigSchema)
    const { deploymentJsonSchema } = await import('../../../lib/config/deployment/schema.ts')
    const schema = deploymentJsonSchema()
    return { result: schema, text: JSON.stringify(schema, null, 2) }
  }
}
