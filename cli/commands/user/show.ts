import { Flags } from '@oclif/core'
import type { Outcome } from '../../render/report.ts'
import { formatSubscriber, formatSubscriberShort } from '../../render/subscriber.ts'
import { connectionFlags, keepGoingFlag, subscriberArgs } from './arguments.ts'
import { UserRangeCommand } from './command.ts'

export default class UserShow extends UserRangeCommand {
  static override summary = 'Display subscribers: ids, digest, filter criteria.'
  static override examples = [
    '<%= config.bin %> user show 6505550001 ims.test',
    '<%= config.bin %> user show 6505550000..6505550099 ims.test --short --keep-going',
  ]
  static override args = subscriberArgs
  static override flags = {
    'keep-going': keepGoingFlag,
    quiet: Flags.boolean({ char: 'q', summary: 'With --keep-going: do not tell of errors.' }),
    short: Flags.boolean({ char: 's', summary: 'One line for each private id, without filter criteria.' }),
    ...connectionFlags,
  }

  protected override async perform(): Promise<Outcome> {
    const given = await this.parse(UserShow)
    const { short, quiet, 'keep-going': keepGoing } = given.flags
    const { showUsers } = await import('../../operations/users/users.ts')
    const report = await this.overRange(given, keepGoing, 'reading', request =>
      showUsers({ ...request, brief: short }),
    )
    const found = report.done.flatMap(each => (each.ok ? [each.value] : []))
    const failed = this.entriesOf(report, () => 'found').filter(each => each.outcome === 'failed')
    return {
      result: { subscribers: found, failed, total: report.total },
      text: found.map(short ? formatSubscriberShort : formatSubscriber).join('\n'),
      ...(report.error === undefined ? {} : { error: report.error, quiet: keepGoing && quiet }),
    }
  }
}
