import { Flags } from '@oclif/core'
import type { Outcome } from '../../render/report.ts'
import { formatSubscriber } from '../../render/subscriber.ts'
import { connectionFlags, keepGoingFlag, passwordArgs, subscriberArgs } from './arguments.ts'
import { UserRangeCommand } from './command.ts'
import { secretFlags, secretsOf } from './secrets.ts'

export default class UserUpdate extends UserRangeCommand {
  static override summary = 'Set the password or the USIM of subscribers.'
  static override examples = ['<%= config.bin %> user update 6505550001 ims.test n3wsecret']
  static override args = { ...subscriberArgs, ...passwordArgs }
  static override flags = {
    'keep-going': keepGoingFlag,
    quiet: Flags.boolean({ char: 'q', summary: 'Do not display the subscribers.' }),
    ...secretFlags,
    ...connectionFlags,
  }

  protected override async perform(): Promise<Outcome> {
    const given = await this.parse(UserUpdate)
    const { args, flags } = given
    const { updateUsers } = await import('../../operations/users/users.ts')
    const report = await this.overRange(given, flags['keep-going'], 'updating', async request => {
      const secrets = await secretsOf(flags, args.password, this.interactive)
      return updateUsers({ ...request, ...secrets })
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
