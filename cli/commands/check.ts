import { Flags } from '@oclif/core'
import { CwError } from '../../lib/kit/errors.ts'
import type { CheckCode } from '../operations/check/catalogue.ts'
import { CHECK_CODES, CHECKS } from '../operations/check/catalogue.ts'
import { formatCatalogue, formatFindings } from '../render/check.ts'
import { paintFor } from '../render/error-text.ts'
import type { Outcome } from '../render/report.ts'
import { deploymentFlag } from './deployment-flag.ts'
import { FleetCommand, fleetFlags } from './fleet-command.ts'

export default class Check extends FleetCommand {
  static override summary = 'Look whether the hosts are fit for the deployment.'
  static override description = `Logs in to every node and looks at it, tries the ports between the nodes, and compares DNS with what the
deployment needs. Changes nothing; good before a deployment and at any time after it. Ends with 4 if a check says no.
Warnings do not stop a deployment.`
  static override examples = [
    '<%= config.bin %> check --accept-new',
    '<%= config.bin %> check --only DNS --only PORTS_REACHABLE',
    '<%= config.bin %> check --list',
  ]
  static override flags = {
    ...deploymentFlag,
    ...fleetFlags,
    list: Flags.boolean({ summary: 'Only tell what is checked, with its codes.' }),
    node: Flags.string({
      summary: 'Only this node; may be repeated.',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'NODE',
    }),
    only: Flags.option({
      summary: 'Only this check; may be repeated.',
      options: CHECK_CODES,
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'CODE',
    })(),
  }

  protected override async perform(): Promise<Outcome> {
    const { flags } = await this.parse(Check)
    if (flags.list) {
      const checks = Object.entries(CHECKS).map(([code, check]) => ({ code, ...check }))
      return { result: { checks }, text: formatCatalogue(CHECKS) }
    }
    const [{ loadDeployment }, { chooseNodes }, { checkDeployment }] = await Promise.all([
      import('../operations/deployment-file.ts'),
      import('../operations/node-choice.ts'),
      import('../operations/check/check.ts'),
    ])
    const deployment = await loadDeployment(flags.file)
    const { findings, counts } = await checkDeployment({
      deployment,
      nodes: chooseNodes(deployment, { nodes: flags.node }),
      only: flags.only,
      fleet: this.fleetOptions(flags),
      signal: this.interruption,
    })
    const text = formatFindings(findings, CHECKS, paintFor(process.stdout))
    const summary = `${counts.no} say no, ${counts.warning} warnings, ${counts.unknown} unknown, ${counts.ok} well`
    const codes = new Set<CheckCode>(findings.flatMap(({ code, result }) => (result === 'no' ? [code] : [])))
    const error = new CwError('CHECK_FAILED', `the checks say no: ${[...codes].join(', ')}`, {
      changed: 'nothing',
      remedies: ['mend what is told above, then look again: cw check'],
    })
    return {
      result: { findings, counts },
      text: `${text}\n${summary}`,
      ...(counts.no === 0 ? {} : { error, quiet: true }),
    }
  }
}
