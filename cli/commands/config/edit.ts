import { Args } from '@oclif/core'
import { CwError } from '../../../lib/kit/errors.ts'
import { reportFailure, type Outcome } from '../../render/report.ts'
import { changeFlags, ConfigurationCommand } from './command.ts'

export default class ConfigEdit extends ConfigurationCommand {
  static override summary = 'Edit a shared file in $EDITOR.'
  static override description = `What is saved is checked and shown as a plan before it is made. A text with errors can be
edited again.`
  static override examples = ['<%= config.bin %> config edit', '<%= config.bin %> config edit bgcf.json']
  static override args = {
    name: Args.string({
      description: 'The file.',
      options: [
        'shared_config',
        'bgcf.json',
        'enum.json',
        's-cscf.json',
        'rph.json',
        'shared_ifcs.xml',
        'fallback_ifcs.xml',
      ],
      default: 'shared_config',
      ignoreStdin: true,
    }),
  }
  static override flags = changeFlags

  protected override async perform(): Promise<Outcome> {
    const { args, flags } = await this.parse(ConfigEdit)
    const { isSharedFile, readText } = await import('../../operations/config/read.ts')
    const { editing } = await import('../../operations/config/requests.ts')
    const { EditedFile } = await import('../../operations/config/edit.ts')
    const editor = process.env.VISUAL ?? process.env.EDITOR ?? 'vi'
    const name = isSharedFile(args.name) ? args.name : 'shared_config'
    return this.withConfiguration(flags, async access => {
      const base = await readText(access, name)
      await using file = await EditedFile.open(name, base ?? '')
      for (;;) {
        const text = await file.edit(editor)
        try {
          return await this.change(access, flags, editing(name, base, text))
        } catch (error) {
          if (!(error instanceof CwError) || error.code !== 'FILE_INVALID' || !(await this.#again(error)))
            throw error
        }
      }
    })
  }

  async #again(error: CwError): Promise<boolean> {
    if (!this.interactive) return false
    reportFailure(error, false)
    const { confirm } = await import('@inquirer/prompts')
    return confirm({ message: 'Edit it again?', default: true }, { output: process.stderr })
  }
}
