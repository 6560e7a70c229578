import { Flags } from '@oclif/core'
import { resolve } from 'node:path'
import type { Outcome } from '../render/report.ts'
import { OperationCommand, operationFlags, verifyFlag, type Request } from './operation-command.ts'

export default class Deploy extends OperationCommand {
  static override summary = 'Make the hosts what the deployment file says.'
  static override description = `Looks at every node, shows what is to be done, asks, and does it: system packages, this very
release, etcd among the nodes, the shared configuration, and every daemon under systemd. Where nothing differs there is
nothing to do. Files that were edited by hand are told of and left alone. A run that was interrupted or failed in part is
taken up by "cw resume", or by running it again.`
  static override examples = [
    '<%= config.bin %> deploy --dry-run',
    '<%= config.bin %> deploy --yes --accept-new',
    '<%= config.bin %> deploy --only sprout-2 --only sprout-3',
  ]
  static override flags = {
    ...operationFlags,
    ...verifyFlag,
    'dry-run': Flags.boolean({
      summary:
        'Show every change, files as diffs, and change nothing. Exit code 3 if there is something to do.',
    }),
    only: Flags.string({
      summary: 'Only this node; may be repeated.',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'NODE',
    }),
    'overwrite-drift': Flags.boolean({
      summary: 'Replace files that were edited by hand; a copy is kept beside each.',
    }),
    release: Flags.string({
      summary: 'Put this release on the nodes, as "cw bundle" makes it. Default: the one that this cw is.',
      helpValue: 'FILE',
    }),
  }

  protected override async perform(): Promise<Outcome> {
    const { flags } = await this.parse(Deploy)
    const { loadDeployment } = await import('../operations/deployment-file.ts')
    const deployment = await loadDeployment(flags.file)
    const { releaseArtifact } = await import('../operations/deploy/artifact.ts')
    const file = flags.release === undefined ? undefined : resolve(flags.release)
    const request: Request = {
      operation: 'deploy',
      deployment,
      release: await releaseArtifact(file),
      options: {
        ...(flags.only === undefined ? {} : { only: flags.only }),
        ...(flags['overwrite-drift'] ? { overwriteDrift: true } : {}),
        ...(file === undefined ? {} : { release: file }),
      },
      confirm: preview => this.confirmPlan(preview, flags.yes),
    }
    return flags['dry-run'] ? this.preview(request, flags) : this.operate(request, flags)
  }
}
