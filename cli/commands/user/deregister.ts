import { Flags } from '@oclif/core'
import type { Outcome } from '../../render/report.ts'
import { keepGoingFlag, portOffsetFlag, sproutOf, subscriberArgs } from './arguments.ts'
import { UserRangeCommand } from './command.ts'

export default class UserDeregister extends UserRangeCommand {
  static override summary = 'End the registrations of subscribers.'
  static override description = `Removes all contacts of each, of every public id in its implicit registration set. The
subscriber server, application servers and those who watch the registration are told; the phone is not barred, and may
register again.`
  static override examples = [
    '<%= config.bin %> user deregister 6505550001 ims.test',
    '<%= config.bin %> user deregister 6505550000..6505550099 ims.test --sprout 10.0.0.2:9888 --keep-going',
  ]
  static override args = subscriberArgs
  static override flags = {
    'keep-going': keepGoingFlag,
    sprout: Flags.string({
      summary: "Address and port of sprout's HTTP interface.",
      description: 'Default: port 9888, plus --port-offset, on this machine.',
      helpValue: 'HOST:PORT',
      env: 'CLEARWATER_SPROUT',
    }),
    'port-offset': portOffsetFlag,
  }

  protected override async perform(): Promise<Outcome> {
    const { args, flags } = await this.parse(UserDeregister)
    const sprout = sproutOf(flags)
    const { deregisterUsers } = await import('../../operations/users/deregister.ts')
    const report = await this.overNumbers(args, flags['keep-going'], 'ending registrations', request =>
      deregisterUsers({ ...request, sprout }),
    )
    const subscribers = this.entriesOf(report, outcome => outcome)
    const count = (outcome: string): number => subscribers.filter(each => each.outcome === outcome).length
    this.noteEach(subscribers, 'not registered', 'was not registered')
    const deregistered = count('deregistered')
    return {
      result: {
        subscribers,
        deregistered,
        not_registered: count('not registered'),
        failed: count('failed'),
        total: report.total,
      },
      text:
        report.error !== undefined && deregistered === 0
          ? ''
          : `deregistered ${deregistered} ${deregistered === 1 ? 'subscriber' : 'subscribers'}`,
      ...(report.error === undefined ? {} : { error: report.error }),
    }
  }
}
