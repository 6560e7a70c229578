import { Flags } from '@oclif/core'
import { CwError } from '../../../lib/kit/errors.ts'
import type { ConfigurationAccess } from '../../operations/config/access.ts'
import type { ChangeReport } from '../../operations/config/change.ts'
import type { Wanted } from '../../operations/config/requests.ts'
import { formatConfigurationPlan, formatNodeState } from '../../render/configuration.ts'
import { printable } from '../../render/printable.ts'
import type { Outcome } from '../../render/report.ts'
import { deploymentFlag } from '../deployment-flag.ts'
import { FleetCommand, fleetFlags } from '../fleet-command.ts'

/** Which deployment, and which of its sites. */
export const deploymentFlags = {
  ...deploymentFlag,
  ...fleetFlags,
  site: Flags.string({ summary: 'Only this site. Default: all of them.', helpValue: 'SITE' }),
  etcd: Flags.string({
    summary: 'Talk to these members of etcd, instead of going through a node by SSH.',
    env: 'CW_ETCD',
    multiple: true,
    multipleNonGreedy: true,
    delimiter: ',',
    helpValue: 'URL',
  }),
  credentials: Flags.string({
    summary: 'With --etcd: the folder of the certificates to show, authority.crt and client.pem.',
    env: 'CW_ETCD_CREDENTIALS',
    helpValue: 'FOLDER',
    dependsOn: ['etcd'],
  }),
}

export const changeFlags = {
  ...deploymentFlags,
  'dry-run': Flags.boolean({ summary: 'Show what would change, and change nothing.' }),
  yes: Flags.boolean({ char: 'y', summary: 'Do not ask.' }),
  force: Flags.boolean({
    summary: 'Go on with the other nodes when one is not healthy after its restart.',
  }),
  timeout: Flags.integer({
    summary: 'Wait for the nodes for so many seconds.',
    default: 900,
    min: 1,
    max: 86_400,
  }),
}

interface DeploymentGiven {
  readonly file: string
  readonly 'accept-new': boolean
  readonly site?: string | undefined
  readonly etcd?: readonly string[] | undefined
  readonly credentials?: string | undefined
}

interface ChangeGiven extends DeploymentGiven {
  readonly 'dry-run': boolean
  readonly yes: boolean
  readonly force: boolean
  readonly timeout: number
}

/** A command on the shared configuration of a deployment. */
export abstract class ConfigurationCommand extends FleetCommand {
  /** Does something with the configuration, and lets go of it whatever happens. */
  protected async withConfiguration<T>(
    given: DeploymentGiven,
    work: (access: ConfigurationAccess) => Promise<T>,
  ): Promise<T> {
    const { openConfiguration } = await import('../../operations/config/access.ts')
    await using access = await openConfiguration({ ...given, fleet: this.fleetOptions(given) })
    return await work(access)
  }

  /** Shows what is to change, asks, changes it, and tells how it goes. */
  protected async change(access: ConfigurationAccess, given: ChangeGiven, change: Wanted): Promise<Outcome> {
    const { changeConfiguration } = await import('../../operations/config/change.ts')
    const report = await changeConfiguration({
      ...access,
      ...change,
      undoWords: given.file === 'cw.yaml' ? [] : ['--file', given.file],
      force: given.force,
      deadlineMs: given.timeout * 1000,
      signal: this.interruption,
      confirm: async plan => {
        if (given['dry-run']) return false
        const text = printable(formatConfigurationPlan(plan))
        if (given.yes) {
          if (!this.jsonEnabled()) process.stderr.write(`${text}\n`)
          return true
        }
        return this.#confirm(text)
      },
      onNode: (node, state) => {
        if (!this.jsonEnabled()) process.stderr.write(`${printable(formatNodeState(node, state))}\n`)
      },
      onWarning: warning => {
        this.note(warning)
      },
    })
    return outcomeOf(report)
  }

  async #confirm(plan: string): Promise<boolean> {
    const refusal = new CwError('NOT_CONFIRMED', 'the change was not confirmed', {
      changed: 'nothing',
      remedies: ['see what it does: --dry-run', 'make it without a question: --yes'],
    })
    if (!this.interactive) throw refusal
    process.stderr.write(`${plan}\n`)
    const { confirm } = await import('@inquirer/prompts')
    if (!(await confirm({ message: 'Change it?', default: false }, { output: process.stderr }))) throw refusal
    return true
  }
}

function outcomeOf(report: ChangeReport): Outcome {
  switch (report.outcome) {
    case 'nothing to do':
      return { result: report, text: 'nothing to do: it is so already' }
    case 'declined':
      return { result: { outcome: 'dry run', plan: report.plan }, text: formatConfigurationPlan(report.plan) }
    case 'made': {
      const { error, ...result } = report
      const count = Object.keys(report.nodes).length
      const text = `${error === undefined ? `changed on ${count} nodes` : 'changed'}; to undo: ${report.undo}`
      return { result, text, ...(error === undefined ? {} : { error }) }
    }
  }
}
