import { Flags } from '@oclif/core'
import { CwError } from '../../../lib/kit/errors.ts'
import { CwCommand } from '../../command.ts'
import type { Outcome } from '../../render/report.ts'
import { formatSubscriber, type SubscriberView } from '../../render/subscriber.ts'
import { connectionFlags, hsprovOf } from './arguments.ts'

export default class UserList extends CwCommand {
  static override summary = 'List all subscribers.'
  static override description = `The default pace, 500 subscribers a second and 5 with --full, keeps the load on
homestead low. A higher one has to be confirmed, or forced.`
  static override examples = [
    '<%= config.bin %> user list',
    '<%= config.bin %> user list --full --pace 50 --force',
  ]
  static override flags = {
    full: Flags.boolean({ summary: 'Display each subscriber, not only the public id.' }),
    pace: Flags.integer({ summary: 'Subscribers a second.', min: 1, max: 1_000_000 }),
    force: Flags.boolean({ char: 'f', summary: 'Do not ask about a higher pace.' }),
    'keep-going': Flags.boolean({
      char: 'k',
      summary: 'Kept for scripts; the list always goes on.',
      hidden: true,
    }),
    ...connectionFlags,
  }

  protected override async perform(): Promise<Outcome> {
    const { flags } = await this.parse(UserList)
    const { listUsers, DEFAULT_PACE } = await import('../../operations/users/list.ts')
    const most = flags.full ? DEFAULT_PACE.full : DEFAULT_PACE.brief
    const pace = flags.pace ?? most
    if (pace > most && !flags.force) await this.#confirm(pace, most)

    const json = this.jsonEnabled()
    const subscribers: SubscriberView[] = []
    const { count, whole } = await listUsers({
      hsprov: hsprovOf(flags),
      full: flags.full,
      pace,
      signal: this.interruption,
      // Written as they come: a large list is not held in memory to be printed.
      onSubscriber: found => {
        if (json) subscribers.push(found)
        else process.stdout.write(`${flags.full ? formatSubscriber(found) : found.public_id}\n`)
      },
    })
    return {
      result: {
        subscribers: flags.full ? subscribers : subscribers.map(({ public_id }) => ({ public_id })),
        count,
      },
      ...(whole ? {} : { error: new CwError('INTERRUPTED', `interrupted after ${count} subscribers`) }),
    }
  }

  async #confirm(pace: number, most: number): Promise<void> {
    const refusal = new CwError('NOT_CONFIRMED', `a pace of ${pace} subscribers a second was not confirmed`, {
      why: `above ${most} a second, listing may slow down registrations and calls`,
      changed: 'nothing',
      remedies: ['leave out --pace', 'or insist: --force'],
    })
    if (!this.interactive) throw refusal
    const { confirm } = await import('@inquirer/prompts')
    const message = `${pace} a second may slow down registrations and calls. List at this pace?`
    if (!(await confirm({ message, default: false }, { output: process.stderr }))) throw refusal
  }
}
