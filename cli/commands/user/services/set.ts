import { Flags } from '@oclif/core'
import type { Outcome } from '../../../render/report.ts'
import { homerFlags, homerOf, keepGoingFlag, subscriberArgs } from '../arguments.ts'
import { UserRangeCommand } from '../command.ts'

function diverting(when: string) {
  return { summary: `Where calls go ${when}; "none" to let them come.`, helpValue: 'TARGET' }
}

export default class UserServicesSet extends UserRangeCommand {
  static override summary = 'Set up services of subscribers: identity, barring, diversion.'
  static override description = `Changes what homer stores for each; what no flag speaks of stays as it is. TARGET is a
directory number, a SIP or a tel URI. The change counts from the next call on, where filter criteria send calls to the MMTel
server. Homer does not know who is a subscriber, and takes services for any number.`
  static override examples = [
    '<%= config.bin %> user services set 6505550001 ims.test --divert-busy 6505550002 --divert-no-answer 6505550002',
    '<%= config.bin %> user services set 6505550001 ims.test --bar-outgoing international --hide-identity always',
    '<%= config.bin %> user services set 6505550001 ims.test --file simservs.xml',
  ]
  static override args = subscriberArgs
  static override flags = {
    divert: Flags.string(diverting('at once, all of them')),
    'divert-busy': Flags.string(diverting('when the subscriber is busy')),
    'divert-not-registered': Flags.string(diverting('when no phone is registered')),
    'divert-no-answer': Flags.string(diverting('when nobody answers')),
    'divert-not-reachable': Flags.string(diverting('when the phone cannot be reached')),
    'no-reply-timer': Flags.integer({
      summary: 'How long it rings before nobody answers.',
      helpValue: 'SECONDS',
      min: 5,
      max: 180,
    }),
    'bar-outgoing': Flags.string({
      summary: 'Calls that the subscriber cannot make.',
      options: ['all', 'international', 'none'],
    }),
    'bar-incoming': Flags.string({
      summary: 'Calls that do not come in.',
      options: ['all', 'anonymous', 'none'],
    }),
    'hide-identity': Flags.string({
      summary: 'When callees do not learn who calls.',
      options: ['always', 'on-request', 'never'],
    }),
    file: Flags.string({
      summary: 'Store this simservs document in place of all that is there; "-" reads standard input.',
      helpValue: 'FILE',
    }),
    remove: Flags.boolean({ summary: 'Remove all that is there.' }),
    'keep-going': keepGoingFlag,
    ...homerFlags,
  }

  protected override async perform(): Promise<Outcome> {
    const { args, flags } = await this.parse(UserServicesSet)
    const homer = homerOf(flags)
    const { wantedServices } = await import('../../../operations/users/wanted-services.ts')
    const to = await wantedServices(flags)
    const { setServices } = await import('../../../operations/users/services.ts')
    const report = await this.overNumbers(args, flags['keep-going'], 'setting services', request =>
      setServices({ ...request, homer, to }),
    )
    const subscribers = this.entriesOf(report, outcome => outcome)
    const set = subscribers.filter(each => each.outcome === 'set').length
    return {
      result: { subscribers, set, failed: subscribers.length - set, total: report.total },
      text:
        report.error !== undefined && set === 0
          ? ''
          : `set the services of ${set} ${set === 1 ? 'subscriber' : 'subscribers'}`,
      ...(report.error === undefined ? {} : { error: report.error }),
    }
  }
}
