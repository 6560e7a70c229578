import { Flags } from '@oclif/core'
import type { Outcome } from '../../render/report.ts'
import { formatSubscriber } from '../../render/subscriber.ts'
import {
  connectionFlags,
  keepGoingFlag,
  passwordArgs,
  passwordFlags,
  passwordOf,
  subscriberArgs,
} from './arguments.ts'
import { UserRangeCommand } from './command.ts'

export default class UserUpdate extends UserRangeCommand {
  static override summary = 'Set the password of subscribers.'
  static override examples = ['<%= config.bin %> user update 6505550001 ims.test n3wsecret']
  static override args = { ...subscriberArgs, ...passwordArgs }
  static override flags = {
    'keep-going': keepGoingFlag,
    quiet: Flags.boolean({ char: 'q', summary: 'Do not display the subscribers.' }),
    ...passwordFlags,
    ...connectionFlags,
  }

  protected override async perform(): Promise<Outcome> {
    const given = await this.parse(UserUpdate)
    const { args, flags } = given
    const { updateUsers } = await import('../../operations/users/users.ts')
    const report = await this.overRange(given, flags['keep-going'], 'updating', async request => {
      const password = await passwordOf({ argument: args.password, flag: flags.password }, this.interactive)
      return updateUsers({ ...request, password, plaintext: flags.plaintext })
    })
    const subscribers = this.entriesOf(report, () => 'updated')
    const stored = report.done.flatMap(each => (each.ok ? [each.value] : []))
    return {
      result: {
        subscribers,
        updated: stored.length,
        failed: subscribers.length - stored.length,
        total: report.total,
      },
      text: flags.quiet ? '' : stored.map(formatSubscriber).join('\n'),
      ...(report.error === undefined ? {} : { error: report.error }),
    }
  }
}
