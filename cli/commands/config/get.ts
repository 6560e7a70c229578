import { Args, Flags } from '@oclif/core'
import type { Outcome } from '../../render/report.ts'
import { ConfigurationCommand, deploymentFlags } from './command.ts'

export default class ConfigGet extends ConfigurationCommand {
  static override summary = 'Display the shared configuration.'
  static override description = `Without a name: every option that is set. An option that is not set is shown with its
default. The name of a JSON file displays that file. Secrets are displayed with --show-secrets only.`
  static override examples = [
    '<%= config.bin %> config get',
    '<%= config.bin %> config get reg_max_expires',
    '<%= config.bin %> config get bgcf.json',
  ]
  static override args = {
    name: Args.string({ description: 'An option, or a JSON file.', ignoreStdin: true }),
  }
  static override flags = {
    'show-secrets': Flags.boolean({ summary: 'Display secrets too.' }),
    ...deploymentFlags,
  }

  protected override async perform(): Promise<Outcome> {
    const { args, flags } = await this.parse(ConfigGet)
    const { isSharedFile, readOptions, readText } = await import('../../operations/config/read.ts')
    return this.withConfiguration(flags, async access => {
      const { name } = args
      if (name !== undefined && name !== 'shared_config' && isSharedFile(name)) {
        const text = await readText(access, name)
        return { result: { file: name, text: text ?? null }, text: text?.trimEnd() ?? `there is no ${name}` }
      }
      const names = name === undefined || name === 'shared_config' ? [] : [name]
      const options = await readOptions(access, names, flags['show-secrets'])
      const several = access.sites.length > 1
      const lines = options.map(({ site, name: option, value, isSet }) => {
        const shown = `${option}=${value ?? ''}${isSet ? '' : value === undefined ? '  (not set)' : '  (default)'}`
        return several ? `${site}: ${shown}` : shown
      })
      return { result: { options }, text: lines.join('\n') }
    })
  }
}
