import { Flags } from '@oclif/core'
import { CwError } from '../../../lib/kit/errors.ts'
import { formatRecordChanges } from '../../render/dns.ts'
import type { Outcome } from '../../render/report.ts'
import { CwCommand } from '../../command.ts'
import { deploymentFlag } from '../deployment-flag.ts'

export default class DnsPush extends CwCommand {
  static override summary = 'Send the records of the deployment to its name server.'
  static override description = `The deployment file names the server under "dns", and the TSIG key that it asks for. All changes are made
at once (RFC 2136, by nsupdate); records that the deployment was given before and needs no more are taken away, and nothing else
of the zone is touched. "cw deploy", "cw scale" and "cw replace" do the same where "dns" is in the file.`
  static override examples = ['<%= config.bin %> dns push --dry-run', '<%= config.bin %> dns push --yes']
  static override flags = {
    ...deploymentFlag,
    yes: Flags.boolean({ char: 'y', summary: 'Do not ask.' }),
    'dry-run': Flags.boolean({
      summary: 'Show what would change, and change nothing. Exit code 3 if there is something to do.',
    }),
  }

  protected override async perform(): Promise<Outcome> {
    const { flags } = await this.parse(DnsPush)
    const [{ loadDeployment }, { zonePush }] = await Promise.all([
      import('../../operations/deployment-file.ts'),
      import('../../operations/dns/push.ts'),
    ])
    const { zone, changes, send } = await zonePush(await loadDeployment(flags.file))
    const result = { zone, changes }
    if (changes.length === 0) {
      if (!flags['dry-run']) await send(this.interruption)
      return { result, text: 'nothing to do' }
    }
    const text = formatRecordChanges(changes)
    if (flags['dry-run']) {
      const error = new CwError('DIFFERENCES', `${zone} would change`, {
        changed: 'nothing',
        remedies: ['send it: cw dns push'],
      })
      return { result, text, error, quiet: true }
    }
    if (!this.jsonEnabled()) process.stderr.write(`${text}\n`)
    if (!flags.yes) await this.confirm('Send it?', 'sending the records')
    await send(this.interruption)
    return { result, text: `${zone} has its new records` }
  }
}
