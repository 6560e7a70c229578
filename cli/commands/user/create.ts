import { Flags } from '@oclif/core'
import type { Outcome } from '../../render/report.ts'
import { connectionFlags, keepGoingFlag, passwordArgs, subscriberArgs } from './arguments.ts'
import { UserRangeCommand } from './command.ts'
import { secretFlags, secretsOf } from './secrets.ts'

export default class UserCreate extends UserRangeCommand {
  static override summary = 'Create subscribers.'
  static override description = `Each number gets the public id sip:NUMBER@DOMAIN and the private id NUMBER@DOMAIN.
A number that exists is left as it is: an error, or with --if-missing or --keep-going a remark.
For thousands of subscribers "cw user import" is quicker.`
  static override examples = [
    '<%= config.bin %> user create 6505550001 ims.test s3cret',
    'echo s3cret | <%= config.bin %> user create 6505550000..6505550099 ims.test -',
    '<%= config.bin %> user create 6505550002 ims.test --aka-k - --aka-opc - < usim.txt',
  ]
  static override args = { ...subscriberArgs, ...passwordArgs }
  static override flags = {
    'keep-going': keepGoingFlag,
    'if-missing': Flags.boolean({ summary: 'Pass over numbers that exist.' }),
    ...secretFlags,
    ifc: Flags.file({
      summary: 'XML file with the filter criteria; ${DOMAIN} and ${PREFIX} in it are filled in.',
      helpValue: 'FILE',
    }),
    prefix: Flags.string({ summary: 'What ${PREFIX} stands for (twin prefix).', default: '123' }),
    ...connectionFlags,
  }

  protected override async perform(): Promise<Outcome> {
    const given = await this.parse(UserCreate)
    const { args, flags } = given
    const [{ createUsers }, { EMPTY_IFC }, { readIfc }] = await Promise.all([
      import('../../operations/users/users.ts'),
      import('../../operations/users/subscriber.ts'),
      import('../../operations/users/ifc.ts'),
    ])
    const report = await this.overRange(given, flags['keep-going'], 'creating', async request => {
      const ifc =
        flags.ifc === undefined
          ? EMPTY_IFC
          : await readIfc(flags.ifc, { domain: request.domain, prefix: flags.prefix })
      const secrets = await secretsOf(flags, args.password, this.interactive)
      const skipExisting = flags['if-missing'] || flags['keep-going']
      return createUsers({ ...request, ...secrets, ifc, skipExisting })
    })
    const subscribers = this.entriesOf(report, outcome => outcome)
    const count = (outcome: string): number => subscribers.filter(each => each.outcome === outcome).length
    this.noteEach(subscribers, 'exists', 'already exists - not creating')
    const created = count('created')
    return {
      result: {
        subscribers,
        created,
        existing: count('exists'),
        failed: count('failed'),
        total: report.total,
      },
      text:
        report.error !== undefined && created === 0
          ? ''
          : `created ${created} ${created === 1 ? 'subscriber' : 'subscribers'}`,
      ...(report.error === undefined ? {} : { error: report.error }),
    }
  }
}
