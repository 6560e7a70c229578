import { Args } from '@oclif/core'
import { resolve } from 'node:path'
import type { Outcome } from '../../render/report.ts'
import { ConfigurationCommand, deploymentFlags } from './command.ts'

export default class ConfigExport extends ConfigurationCommand {
  static override summary = 'Write the shared files into a folder, with all secrets, readable by you alone.'
  static override description = 'Of several sites give one with --site.'
  static override examples = ['<%= config.bin %> config export ./configuration']
  static override args = {
    folder: Args.string({
      description: 'The folder; made if it is not there.',
      required: true,
      ignoreStdin: true,
    }),
  }
  static override flags = deploymentFlags

  protected override async perform(): Promise<Outcome> {
    const { args, flags } = await this.parse(ConfigExport)
    const folder = resolve(args.folder)
    const { exportConfiguration } = await import('../../operations/config/requests.ts')
    const files = await this.withConfiguration(flags, access => exportConfiguration(access, folder))
    return { result: { folder, files }, text: files.map(file => `${folder}/${file}`).join('\n') }
  }
}
