import { Flags } from '@oclif/core'
import type { Outcome } from '../../render/report.ts'
import { connectionFlags, subscriberArgs } from './arguments.ts'
import { UserRangeCommand } from './command.ts'

export default class UserDelete extends UserRangeCommand {
  static override summary = 'Delete subscribers.'
  static override description = `Deletes the public id with its service profile, and the private id with its implicit
registration set, so other public ids in that set go too.`
  static override examples = ['<%= config.bin %> user delete 6505550000..6505550099 ims.test']
  static override args = subscriberArgs
  static override flags = {
    force: Flags.boolean({
      char: 'f',
      summary: 'Go on after errors; a number that does not exist is only a remark.',
    }),
    quiet: Flags.boolean({ char: 'q', summary: 'With --force: do not tell of what was passed over.' }),
    ...connectionFlags,
  }

  protected override async perform(): Promise<Outcome> {
    const given = await this.parse(UserDelete)
    const { force, quiet } = given.flags
    const { deleteUsers } = await import('../../operations/users/users.ts')
    const report = await this.overRange(given, force, 'deleting', request =>
      deleteUsers({ ...request, skipUnknown: force }),
    )
    const subscribers = this.entriesOf(report, outcome => outcome)
    const count = (outcome: string): number => subscribers.filter(each => each.outcome === outcome).length
    if (!quiet) this.noteEach(subscribers, 'unknown', 'does not exist')
    const deleted = count('deleted')
    return {
      result: {
        subscribers,
        deleted,
        unknown: count('unknown'),
        failed: count('failed'),
        total: report.total,
      },
      text:
        report.error !== undefined && deleted === 0
          ? ''
          : `deleted ${deleted} ${deleted === 1 ? 'subscriber' : 'subscribers'}`,
      ...(report.error === undefined ? {} : { error: report.error, quiet: force && quiet }),
    }
  }
}
