import { Args, Flags } from '@oclif/core'
import { resolve } from 'node:path'
import { CwError } from '../../../lib/kit/errors.ts'
import type { Outcome } from '../../render/report.ts'
import { changeFlags, ConfigurationCommand } from './command.ts'

export default class ConfigImport extends ConfigurationCommand {
  static override summary =
    'Make the shared files of a folder those of all nodes, or put back what was before a change.'
  static override description = `Of shared_config, bgcf.json, enum.json, s-cscf.json, rph.json, shared_ifcs.xml and
fallback_ifcs.xml those that the folder has. They are checked and shown as a plan, as with cw config set.`
  static override examples = [
    '<%= config.bin %> config import ./configuration',
    '<%= config.bin %> config import --before 7',
  ]
  static override args = { folder: Args.string({ description: 'The folder.', ignoreStdin: true }) }
  static override flags = {
    before: Flags.integer({
      summary: 'Put back what was before this change of the history.',
      helpValue: 'NUMBER',
      min: 1,
    }),
    ...changeFlags,
  }

  protected override async perform(): Promise<Outcome> {
    const { args, flags } = await this.parse(ConfigImport)
    const { folder } = args
    if ((folder === undefined) === (flags.before === undefined)) {
      throw new CwError('USAGE', 'either a folder or --before is needed', {
        changed: 'nothing',
        remedies: ['cw config import FOLDER', 'cw config import --before NUMBER'],
      })
    }
    const { importingBefore, importingFolder } = await import('../../operations/config/requests.ts')
    return this.withConfiguration(flags, async access => {
      const change =
        flags.before === undefined
          ? await importingFolder(resolve(folder ?? ''))
          : await importingBefore(access, flags.before)
      return this.change(access, flags, change)
    })
  }
}
