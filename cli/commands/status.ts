import { Flags } from '@oclif/core'
import { CwError } from '../../lib/kit/errors.ts'
import type { DeploymentStatus, StatusRequest } from '../operations/status/status.ts'
import { paintFor } from '../render/error-text.ts'
import { printEvent, type Outcome } from '../render/report.ts'
import { formatStatus, redrawn } from '../render/status.ts'
import { deploymentFlag } from './deployment-flag.ts'
import { FleetCommand, fleetFlags } from './fleet-command.ts'

export default class Status extends FleetCommand {
  static override summary = 'Show how a deployment is: serving, redundant, in sync, and what to do next.'
  static override description = `Looks at every node at once and changes nothing. A node that does not answer in time is told as unreachable.
Ends with 4 if the deployment does not serve calls, with 7 if no node can be reached.`
  static override examples = ['<%= config.bin %> status', '<%= config.bin %> status --watch']
  static override flags = {
    ...deploymentFlag,
    ...fleetFlags,
    watch: Flags.boolean({ char: 'w', summary: 'Show it again and again, until Ctrl-C.' }),
    interval: Flags.integer({
      summary: 'With --watch: seconds between two looks.',
      default: 2,
      min: 1,
      max: 3600,
    }),
    timeout: Flags.integer({
      summary: 'Seconds that a node has to answer. Default: 3, and more with many nodes.',
      min: 1,
      max: 300,
    }),
  }

  protected override async perform(): Promise<Outcome> {
    const { flags } = await this.parse(Status)
    const [{ loadDeployment }, { defaultDeadlineMs, deploymentStatus }] = await Promise.all([
      import('../operations/deployment-file.ts'),
      import('../operations/status/status.ts'),
    ])
    const deployment = await loadDeployment(flags.file)
    const deadlineMs = flags.timeout === undefined ? defaultDeadlineMs(deployment) : flags.timeout * 1000
    const fleet = this.fleetOptions(flags)
    const request = { deployment, deadlineMs, fleet, signal: this.interruption }
    if (flags.watch) return this.#watch(request, flags.interval * 1000)
    const status = await deploymentStatus(request)
    const error = errorOf(status)
    return {
      result: status,
      text: formatStatus(status, paintFor(process.stdout)),
      ...(error === undefined ? {} : { error, quiet: true }),
    }
  }

  async #watch(request: StatusRequest, intervalMs: number): Promise<Outcome> {
    const { watchDeployment } = await import('../operations/status/status.ts')
    const { isTTY: live } = process.stdout
    if (live && !this.jsonEnabled()) process.stdout.write('\u001B[2J')
    for await (const status of watchDeployment({ ...request, intervalMs })) {
      const text = formatStatus(status, paintFor(process.stdout))
      if (this.jsonEnabled()) printEvent('status', status)
      else process.stdout.write(live ? redrawn(text, process.stdout.rows) : `${text}\n\n`)
    }
    return { result: { ended: true } }
  }
}

function errorOf({ serving, nodes }: DeploymentStatus): CwError | undefined {
  if (nodes.every(node => !node.reachable)) {
    return new CwError('NODE_UNREACHABLE', 'no node of the deployment can be reached', {
      changed: 'nothing',
      remedies: ['see why: cw check'],
    })
  }
  if (serving.verdict !== 'no') return undefined
  return new CwError('CHECK_FAILED', 'the deployment does not serve calls', {
    why: serving.why.join('; '),
    changed: 'nothing',
  })
}
