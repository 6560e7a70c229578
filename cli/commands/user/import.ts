import { Args, Flags } from '@oclif/core'
import { resolve } from 'node:path'
import { CwCommand } from '../../command.ts'
import { openProgress } from '../../render/progress.ts'
import type { Outcome } from '../../render/report.ts'
import { connectionFlags, hsprovOf } from './arguments.ts'

export default class UserImport extends CwCommand {
  static override summary = 'Create or renew many subscribers from a CSV file.'
  static override description = `Columns: public id, private id, realm, password; no header. All but the first may be
left out. The file is checked before anything is sent; faulty lines are told by number. An import that was interrupted
goes on where it stopped when it is run again; FILE.cw-import beside the file remembers that place.`
  static override examples = [
    '<%= config.bin %> user import subscribers.csv',
    '<%= config.bin %> user import numbers.csv --write-completed subscribers.csv',
  ]
  static override args = {
    file: Args.string({ description: 'The CSV file.', required: true, ignoreStdin: true }),
  }
  static override flags = {
    'keep-going': Flags.boolean({ char: 'k', summary: 'Pass over faulty lines and refused subscribers.' }),
    plaintext: Flags.boolean({ summary: 'Store the passwords themselves too, not only their digests.' }),
    restart: Flags.boolean({ summary: 'Import the whole file again, whatever an earlier run did.' }),
    'write-completed': Flags.string({
      summary: 'Fill in what lines leave out, passwords too, write this file, and import it.',
      helpValue: 'FILE',
    }),
    ...connectionFlags,
  }

  protected override async perform(): Promise<Outcome> {
    const { args, flags } = await this.parse(UserImport)
    const completed = flags['write-completed']
    const { importUsers } = await import('../../operations/users/import.ts')
    const bar = await openProgress('importing', !this.jsonEnabled())
    try {
      const { error, ...report } = await importUsers({
        file: resolve(args.file),
        hsprov: hsprovOf(flags),
        plaintext: flags.plaintext,
        keepGoing: flags['keep-going'],
        restart: flags.restart,
        writeCompleted: completed === undefined ? undefined : resolve(completed),
        signal: this.interruption,
        onProgress: (done, total) => {
          bar.update(done, total)
        },
      })
      const { created, updated, unchanged, resumed, failed } = report
      const counts = { created, updated, unchanged, 'done before': resumed, 'passed over': failed }
      const told = Object.entries(counts).filter(([name, count]) => count > 0 || name === 'created')
      return {
        result: report,
        text: told.map(([name, count]) => `${count} ${name}`).join(', '),
        ...(error === undefined ? {} : { error }),
      }
    } finally {
      bar.stop()
    }
  }
}
