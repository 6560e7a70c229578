import { Args } from '@oclif/core'
import { text } from 'node:stream/consumers'
import type { Outcome } from '../../render/report.ts'
import { changeFlags, ConfigurationCommand } from './command.ts'

export default class ConfigSet extends ConfigurationCommand {
  static override summary = 'Set options of the shared configuration, on all nodes.'
  static override description = `Checks the values and shows what the change does to each node before it asks. Then it is
made, for all nodes or not at all; the nodes reload, or restart one at a time, as the options need. The command waits until
every node has it, and prints the command that undoes it. The value of a secret is never given here: KEY=- asks for it, or
reads it from standard input.`
  static override examples = [
    '<%= config.bin %> config set reg_max_expires=600',
    '<%= config.bin %> config set reg_max_expires=600 sub_max_expires=600 --dry-run',
    '<%= config.bin %> config set signup_key=- --yes <signup_key.txt',
  ]
  static override args = {
    setting: Args.string({ description: 'KEY=VALUE, one or several.', required: true, ignoreStdin: true }),
  }
  static override strict = false
  static override flags = changeFlags

  protected override async perform(): Promise<Outcome> {
    const { argv, flags } = await this.parse(ConfigSet)
    const { settingOptions } = await import('../../operations/config/requests.ts')
    const change = await settingOptions(argv.map(String), name => this.#secret(name))
    return this.withConfiguration(flags, access => this.change(access, flags, change))
  }

  async #secret(name: string): Promise<string> {
    if (!this.interactive) return (await text(process.stdin)).split(/\r?\n/)[0] ?? ''
    const { password } = await import('@inquirer/prompts')
    return password({ message: name, mask: true }, { output: process.stderr })
  }
}
