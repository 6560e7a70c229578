import { Args, Flags } from '@oclif/core'
import { once } from 'node:events'
import { ROLES } from '../../lib/config/deployment/deployment.ts'
import { CwError } from '../../lib/kit/errors.ts'
import type { LogEntry } from '../operations/logs/entry.ts'
import { paintFor } from '../render/error-text.ts'
import { formatLogEntry } from '../render/log-entry.ts'
import { printEvent, type Outcome } from '../render/report.ts'
import { deploymentFlag } from './deployment-flag.ts'
import { FleetCommand, fleetFlags } from './fleet-command.ts'

export default class Logs extends FleetCommand {
  static override summary = 'Show what the daemons of all nodes have logged, by time.'
  static override description = `Reads the log files of the daemons and the journal of their units, and merges them by the nodes' clocks. A time is
so long ago (90s, 15m, 2h, 1d) or a date (2016-07-04, "2016-07-04 12:00:30"), in UTC as everything that is shown.`
  static override examples = [
    '<%= config.bin %> logs --since 1h --role sprout',
    '<%= config.bin %> logs bono-1 --follow',
    '<%= config.bin %> logs --since 2h --grep 6505550001',
  ]
  static override args = { node: Args.string({ description: 'Only this node, as --node.' }) }
  static override flags = {
    ...deploymentFlag,
    ...fleetFlags,
    follow: Flags.boolean({ char: 'f', summary: 'Go on with what is logged from now on, until Ctrl-C.' }),
    since: Flags.string({ summary: 'From then on. Default: 15m, with --follow 1m.', helpValue: 'TIME' }),
    until: Flags.string({ summary: 'Up to then.', helpValue: 'TIME', exclusive: ['follow'] }),
    node: Flags.string({
      summary: 'Only this node; may be repeated.',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'NODE',
    }),
    role: Flags.option({
      summary: 'Only the daemons of this role; may be repeated.',
      options: ROLES,
      multiple: true,
      multipleNonGreedy: true,
    })(),
    grep: Flags.string({
      summary: 'Only lines in which this regular expression is found.',
      helpValue: 'PATTERN',
    }),
  }

  protected override async perform(): Promise<Outcome> {
    const { args, flags } = await this.parse(Logs)
    const [{ loadDeployment }, { chooseNodes }, { parseMoment }, { readLogs }] = await Promise.all([
      import('../operations/deployment-file.ts'),
      import('../operations/node-choice.ts'),
      import('../operations/logs/moment.ts'),
      import('../operations/logs/logs.ts'),
    ])
    const now = Date.now()
    const since = parseMoment(flags.since ?? (flags.follow ? '1m' : '15m'), '--since', now)
    const until = flags.until === undefined ? undefined : parseMoment(flags.until, '--until', now)
    const pattern = flags.grep === undefined ? undefined : patternOf(flags.grep)
    const deployment = await loadDeployment(flags.file)
    const json = this.jsonEnabled()
    let shown = 0
    const { failed } = await readLogs({
      ...{ deployment, since, until, follow: flags.follow, roles: flags.role },
      nodes: chooseNodes(deployment, {
        nodes: args.node === undefined ? flags.node : [args.node, ...(flags.node ?? [])],
        roles: flags.role,
      }),
      fleet: this.fleetOptions(flags),
      signal: this.interruption,
      onEntry: async entry => {
        if (pattern !== undefined && !pattern.test(formatLogEntry(entry, plain))) return
        shown++
        await print(entry, json)
      },
    })
    for (const { node, error } of failed) this.note(`${node}: ${error.message}`)
    const [first] = failed
    const result = { count: shown, failed: failed.map(({ node, error }) => ({ node, code: error.code })) }
    return first === undefined ? { result } : { result, error: incomplete(first.error, failed.length) }
  }
}

function plain(_style: unknown, text: string): string {
  return text
}

/** Waits for a slow reader, so that lines are not heaped up before it. */
async function print(entry: LogEntry, json: boolean): Promise<void> {
  if (json) printEvent('entry', entry)
  else process.stdout.write(`${formatLogEntry(entry, paintFor(process.stdout))}\n`)
  if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text, 'u')
  } catch (cause) {
    throw new CwError('OPTION_INVALID', `--grep ${JSON.stringify(text)} is no regular expression`, {
      changed: 'nothing',
      cause,
    })
  }
}

function incomplete(error: CwError, count: number): CwError {
  return new CwError(error.code, `the logs of ${count} ${count === 1 ? 'node' : 'nodes'} could not be read`, {
    why: error.message,
    changed: 'nothing',
    remedies: error.detail.remedies ?? [],
    cause: error,
  })
}
