import { Flags } from '@oclif/core'
import { CwError } from '../../lib/kit/errors.ts'
import { parseDomain } from '../operations/domain.ts'
import type { VerifyReport } from '../operations/verify/report.ts'
import type { VerifyOptions } from '../operations/verify/verify.ts'
import type { Outcome } from '../render/report.ts'
import { formatCheck, formatVerifyReport, whyOf } from '../render/verify.ts'
import { deploymentFlag } from './deployment-flag.ts'
import { FleetCommand, fleetFlags } from './fleet-command.ts'
import { connectionFlags, hsprovOf } from './user/arguments.ts'

/** The report has them all; the error is for who reads its end only. */
const MOST_REASONS = 5

export default class Verify extends FleetCommand {
  static override summary = 'Verify that a deployment gives service.'
  static override description = `Makes two temporary subscribers, registers them through each bono over UDP and TCP, calls between them through each
bono and each sprout, asks each daemon how it is, and removes the subscribers. The report says which node failed at which
hop; the command ends with 4 if the service is not given. With --address it verifies one machine that runs "cw up".`
  static override examples = [
    '<%= config.bin %> verify',
    '<%= config.bin %> verify --file staging.yaml --json',
    '<%= config.bin %> verify --address 127.0.0.1 --domain ims.test',
  ]
  static override flags = {
    ...deploymentFlag,
    ...fleetFlags,
    address: Flags.string({
      summary: 'One machine in place of a deployment: where its phones send to.',
      helpValue: 'ADDRESS',
    }),
    domain: Flags.string({
      summary: 'With --address: the home domain.',
      env: 'CLEARWATER_DOMAIN',
      default: 'ims.test',
    }),
    provisioning: Flags.string({
      summary:
        'With --address: where homestead-prov is. Default: port 8889, plus --port-offset, on this machine.',
      helpValue: 'HOST:PORT',
      env: 'CLEARWATER_HSPROV',
    }),
    'port-offset': connectionFlags['port-offset'],
    'answer-timeout': Flags.integer({
      summary: 'How many seconds each answer may take.',
      default: 8,
      min: 1,
      max: 60,
    }),
    timeout: Flags.integer({
      summary: 'How many seconds all of it may take.',
      default: 300,
      min: 1,
      max: 600,
    }),
  }

  protected override async perform(): Promise<Outcome> {
    const { flags } = await this.parse(Verify)
    const options: VerifyOptions = {
      answerMs: flags['answer-timeout'] * 1000,
      deadlineMs: flags.timeout * 1000,
      signal: this.interruption,
      onCheck: check => {
        if (process.stderr.isTTY && !this.jsonEnabled()) process.stderr.write(`${formatCheck(check)}\n`)
      },
    }
    const { verifyFile, verifyMachine } = await import('../operations/verify/run.ts')
    const { address } = flags
    const report =
      address === undefined
        ? await verifyFile(flags.file, { ...options, fleet: this.fleetOptions(flags) })
        : await verifyMachine(
            {
              address,
              domain: parseDomain(flags.domain),
              portOffset: flags['port-offset'],
              provisioning: hsprovOf({ hsprov: flags.provisioning, 'port-offset': flags['port-offset'] }),
            },
            options,
          )
    for (const impu of report.left)
      this.note(`${impu} could not be removed; the next "cw verify" tries again`)
    const error = verificationError(report)
    return {
      result: report,
      text: formatVerifyReport(report),
      ...(error === undefined ? {} : { error }),
    }
  }
}

/** Why a verification ends its command with an error, if it does. */
export function verificationError(report: VerifyReport): CwError | undefined {
  if (report.interrupted) {
    return new CwError('INTERRUPTED', 'the verification was ended before all checks were made', {
      changed: report.left.length === 0 ? 'nothing' : 'some',
      remedies: ['run it again: cw verify'],
    })
  }
  if (report.given) return undefined
  const failed = report.checks.filter(check => check.outcome === 'failed')
  const nodes = [...new Set(failed.map(check => check.node))]
  const reasons = [...new Set(failed.map(check => whyOf(check)))]
  const more = reasons.length - MOST_REASONS
  return new CwError('SERVICE_NOT_GIVEN', 'the service is not given', {
    ...(nodes.length === 0 ? {} : { where: { host: nodes.join(', ') } }),
    why:
      [...reasons.slice(0, MOST_REASONS), ...(more > 0 ? [`and ${more} more`] : [])].join('\n') ||
      'not every check could be made',
    changed: report.left.length === 0 ? 'nothing' : 'some',
    remedies: ['see how the nodes are: cw status', 'look at what their daemons say: cw logs'],
  })
}
