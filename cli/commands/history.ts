import { Args, Flags } from '@oclif/core'
import { formatHistory, formatOperation } from '../render/history.ts'
import type { Outcome } from '../render/report.ts'
import { deploymentFlag } from './deployment-flag.ts'
import { FleetCommand, fleetFlags } from './fleet-command.ts'

export default class History extends FleetCommand {
  static override summary = 'Show the operations on a deployment, or what happened in one.'
  static override examples = ['<%= config.bin %> history', '<%= config.bin %> history 20260102T030405-1a2b']
  static override args = {
    id: Args.string({ description: 'An operation: show every step of it.', ignoreStdin: true }),
  }
  static override flags = {
    ...deploymentFlag,
    ...fleetFlags,
    local: Flags.boolean({ summary: 'Only operations that were started on this machine; no node is asked.' }),
  }

  protected override async perform(): Promise<Outcome> {
    const { args, flags } = await this.parse(History)
    const { loadDeployment } = await import('../operations/deployment-file.ts')
    const { operationOf, readHistory } = await import('../operations/history.ts')
    const operations = await readHistory({
      deployment: await loadDeployment(flags.file),
      fleet: this.fleetOptions(flags),
      localOnly: flags.local,
      onWarning: warning => {
        this.note(warning)
      },
    })
    if (args.id !== undefined) {
      const operation = operationOf(operations, args.id)
      return { result: operation, text: formatOperation(operation) }
    }
    const brief = operations.map(({ entries: _entries, steps, ...record }) => ({
      ...record,
      steps: steps.length,
    }))
    return { result: { operations: brief }, text: formatHistory(operations) }
  }
}
