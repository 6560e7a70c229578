import { Flags } from '@oclif/core'
import type { Deployment } from '../../lib/config/deployment/deployment.ts'
import { CwError } from '../../lib/kit/errors.ts'
import type { OperationReport, OperationRequest, Preview } from '../operations/deploy/operate.ts'
import { formatNodeDifference } from '../render/configuration.ts'
import { formatRecordChanges } from '../render/dns.ts'
import type { VerifyReport } from '../operations/verify/report.ts'
import { counted, formatEvent, formatPlan } from '../render/plan.ts'
import { printable } from '../render/printable.ts'
import type { Outcome } from '../render/report.ts'
import { formatVerifyReport } from '../render/verify.ts'
import { deploymentFlag } from './deployment-flag.ts'
import { FleetCommand, fleetFlags } from './fleet-command.ts'
import { verificationError } from './verify.ts'

/** As "cw verify" has it by default. */
const VERIFY_TIMING = { answerMs: 8_000, deadlineMs: 300_000 }

/** As long as queue-managers bear with a node that does not get on, and some more. */
const SETTLE_MS = 600_000

/** A deploy that changed something is verified by service. */
export const verifyFlag = {
  verify: Flags.boolean({
    summary: 'Verify the service after a change, as "cw verify" does.',
    allowNo: true,
    default: true,
  }),
}

export const operationFlags = {
  ...deploymentFlag,
  ...fleetFlags,
  yes: Flags.boolean({ char: 'y', summary: 'Do not ask.' }),
}

export type Request = Omit<OperationRequest, 'signal' | 'onEvent' | 'onWarning' | 'fleet'>

/** A command that changes nodes by a playbook: shows the plan, asks, and tells what happens. */
export abstract class OperationCommand extends FleetCommand {
  /** Carries an operation out and tells about it. */
  protected async operate(
    request: Request,
    given: { readonly 'accept-new': boolean; readonly file: string; readonly verify?: boolean },
  ): Promise<Outcome> {
    const { operate } = await import('../operations/deploy/operate.ts')
    const report = await operate(this.whole(request, given))
    const done = outcomeOf(report, request.operation)
    const outcome =
      given.verify === true && report.outcome === 'done' ? await this.#verified(request, done, given) : done
    // Nobody is sent to nodes that do not serve.
    if (request.operation !== 'deploy' || outcome.error !== undefined) return outcome
    return this.#published(request.deployment, outcome)
  }

  /** Sends records to the deployment's name server, where it has one. @returns whether that changed any */
  protected async publish(deployment: Deployment): Promise<boolean> {
    if (deployment.dns === undefined) return false
    const { zonePush } = await import('../operations/dns/push.ts')
    const { changes, send } = await zonePush(deployment)
    if (changes.length > 0 && !this.jsonEnabled())
      process.stderr.write(`${deployment.dns.zone} gets its records\n${formatRecordChanges(changes)}\n`)
    await send(this.interruption)
    return changes.length > 0
  }

  /** Shows exactly what it would do. */
  protected async preview(request: Request, given: { readonly 'accept-new': boolean }): Promise<Outcome> {
    const { previewOperation } = await import('../operations/deploy/operate.ts')
    const preview = await previewOperation(this.whole(request, given))
    const { plan } = preview
    const text = formatPlan(preview, true)
    if (plan.steps.length === 0 && plan.drift.length === 0) return { result: preview, text }
    const error = new CwError('DIFFERENCES', `${plan.operation} would change something`, {
      changed: 'nothing',
      remedies: [`do it: cw ${plan.operation}`],
    })
    // People have just read it.
    return { result: preview, text, error, quiet: true }
  }

  /** Shows the plan and asks, unless the operator has said yes already. */
  protected async confirmPlan(preview: Preview, yes: boolean): Promise<boolean> {
    if (!this.jsonEnabled()) process.stderr.write(`${formatPlan(preview, false)}\n`)
    if (yes) return true
    const { operation } = preview.plan
    if (!this.interactive) {
      throw new CwError('NOT_CONFIRMED', `the ${operation} was not confirmed`, {
        why: 'there is nobody to ask',
        changed: 'nothing',
        remedies: [`see what it does: cw ${operation} --dry-run`, 'do it without a question: --yes'],
      })
    }
    const { confirm } = await import('@inquirer/prompts')
    return confirm({ message: 'Do it?', default: false }, { output: process.stderr })
  }

  /** Asks for the name of what is destroyed, unless it was given; a yes is not enough for that. */
  protected async confirmName(preview: Preview, given: string | undefined, ask = true): Promise<boolean> {
    const { deployment: name } = preview.plan
    const refusal = new CwError('NOT_CONFIRMED', `destroying ${name} was not confirmed`, {
      why: given === undefined ? 'its name was not given' : `it is called ${name}, not ${given}`,
      changed: 'nothing',
      remedies: [
        'see what it removes: cw destroy --dry-run',
        `insist: cw ${this.id ?? 'destroy'} --confirm ${name}`,
      ],
    })
    if (given !== undefined) {
      if (given === name) return true
      throw refusal
    }
    if (!ask || !this.interactive) throw refusal
    process.stderr.write(`${formatPlan(preview, false)}\n`)
    const { input } = await import('@inquirer/prompts')
    const message = `This removes all data of ${name}. Type its name to go on:`
    if ((await input({ message }, { output: process.stderr })) !== name) throw refusal
    return true
  }

  async #published(deployment: Deployment, outcome: Outcome): Promise<Outcome> {
    try {
      await this.publish(deployment)
      return outcome
    } catch (cause) {
      if (!(cause instanceof CwError)) throw cause
      const error = new CwError(cause.code, `the nodes are as they are to be, but ${cause.message}`, {
        ...cause.detail,
        changed: 'some',
        remedies: [...(cause.detail.remedies ?? []), 'then: cw dns push'],
      })
      return { ...outcome, error }
    }
  }

  /** What was done, and whether the service is given after it. */
  async #verified(
    request: Request,
    done: Outcome,
    given: { readonly 'accept-new': boolean; readonly file: string },
  ): Promise<Outcome> {
    const verification = await this.verifyService(request, given)
    const error = verificationError(verification)
    return {
      result: { ...(done.result as object), verification },
      text: `${done.text ?? ''}\n${formatVerifyReport(verification)}`,
      ...(error === undefined ? {} : { error }),
    }
  }

  /** Verifies the service once the nodes have settled. */
  protected async verifyService(
    { deployment, options: { only } }: Pick<Request, 'deployment' | 'options'>,
    given: { readonly 'accept-new': boolean; readonly file: string },
  ): Promise<VerifyReport> {
    await this.#settled(deployment, only, given)
    const { verifyFile } = await import('../operations/verify/run.ts')
    if (!this.jsonEnabled()) process.stderr.write('verifying the service\n')
    return verifyFile(given.file, {
      ...VERIFY_TIMING,
      fleet: this.fleetOptions(given),
      signal: this.interruption,
      onCheck: () => undefined,
    })
  }

  /** A daemon that is about to restart for the shared configuration gives no service for a moment. */
  async #settled(
    deployment: Deployment,
    only: readonly string[] | undefined,
    given: { readonly 'accept-new': boolean },
  ): Promise<void> {
    const { waitUntilDeploymentSettles } = await import('../operations/config/settle.ts')
    try {
      const open = await waitUntilDeploymentSettles({
        fleet: this.fleetOptions(given),
        ...{ deployment, meant: only, deadlineMs: SETTLE_MS, signal: this.interruption },
        onOpen: differences => {
          if (this.jsonEnabled()) return
          for (const each of differences) {
            process.stderr.write(
              printable(`waiting until nodes have settled: ${formatNodeDifference(each)}\n`),
            )
          }
        },
      })
      for (const each of open) this.note(`it has not settled: ${formatNodeDifference(each)}`)
    } catch (error) {
      if (!(error instanceof CwError)) throw error
      this.note(`nobody knows whether nodes have settled: ${error.message}`)
    }
  }

  /** With what every operation of a command has in common. */
  protected whole(request: Request, given: { readonly 'accept-new': boolean }): OperationRequest {
    return {
      ...request,
      fleet: this.fleetOptions(given),
      signal: this.interruption,
      onEvent: event => {
        const line = formatEvent(event)
        if (line !== undefined && !this.jsonEnabled()) process.stderr.write(`${line}\n`)
      },
      onWarning: warning => {
        this.note(warning)
      },
    }
  }
}

function outcomeOf({ error, ...report }: OperationReport, operation: string): Outcome {
  return {
    result: report,
    text: textOf(report, operation),
    ...(error === undefined ? {} : { error }),
  }
}

function textOf(report: Omit<OperationReport, 'error'>, operation: string): string {
  switch (report.outcome) {
    case 'nothing to do':
      return report.unreachable.length === 0 ? 'nothing to do' : ''
    case 'done':
      return `${operation} ${report.id ?? ''} done: ${counted(report.done, 'step')}`
    default:
      return `${counted(report.done, 'step')} done`
  }
}
