import { Flags } from '@oclif/core'
import type { Outcome } from '../../../render/report.ts'
import { formatServices, servicesEntry } from '../../../render/services.ts'
import { homerFlags, homerOf, keepGoingFlag, subscriberArgs } from '../arguments.ts'
import { UserRangeCommand } from '../command.ts'

export default class UserServicesShow extends UserRangeCommand {
  static override summary = 'Display what subscribers have set up for calls.'
  static override description = `Identity, barring and diversion, as homer stores them. They count for calls that filter
criteria send to the MMTel server. Homer does not know who is a subscriber: for anybody else nothing is set up.`
  static override examples = [
    '<%= config.bin %> user services show 6505550001 ims.test',
    '<%= config.bin %> user services show 6505550001 ims.test --xml > simservs.xml',
  ]
  static override args = subscriberArgs
  static override flags = {
    'keep-going': keepGoingFlag,
    xml: Flags.boolean({ summary: 'The documents as they are stored.' }),
    ...homerFlags,
  }

  protected override async perform(): Promise<Outcome> {
    const { args, flags } = await this.parse(UserServicesShow)
    const homer = homerOf(flags)
    const { showServices } = await import('../../../operations/users/services.ts')
    const report = await this.overNumbers(args, flags['keep-going'], 'reading', request =>
      showServices({ ...request, homer }),
    )
    const found = report.done.flatMap(each => (each.ok ? [each.value] : []))
    const failed = this.entriesOf(report, () => 'found').filter(each => each.outcome === 'failed')
    return {
      result: { subscribers: found.map(servicesEntry), failed, total: report.total },
      text: flags.xml
        ? found.flatMap(each => each.document ?? []).join('\n')
        : found.map(formatServices).join('\n'),
      ...(report.error === undefined ? {} : { error: report.error }),
    }
  }
}
