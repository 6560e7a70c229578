import { Command, loadHelpClass } from '@oclif/core'

/** `cw help user create`: the same page as `cw user create --help`. */
export default class Help extends Command {
  static override summary = 'Show what a command does and takes.'
  static override strict = false

  override async run(): Promise<void> {
    const { argv } = await this.parse(Help)
    const Page = await loadHelpClass(this.config)
    await new Page(this.config).showHelp(argv.map(String))
  }
}
