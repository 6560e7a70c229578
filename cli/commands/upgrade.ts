import { Args, Flags } from '@oclif/core'
import type { Preview } from '../operations/deploy/operate.ts'
import type { Outcome } from '../render/report.ts'
import { verifyFlag } from './operation-command.ts'
import { RollOutCommand, rollOutFlags } from './roll-out-command.ts'

export default class Upgrade extends RollOutCommand {
  static override summary = 'Give the nodes another release, one after the other, with calls going on.'
  static override description = `Goes in the order ralf, homestead, homer, sprout, memento, bono, ellis: who is asked before who asks. After
each node the service is verified, and watched for a while; a node that does not give it goes back to the release it had, and
those after it are not touched. Broken off, it goes on where it was when it is run again. "cw rollback" goes back.`
  static override examples = [
    '<%= config.bin %> upgrade clearwater-0.2.0-linux-x64.tar.gz',
    '<%= config.bin %> upgrade 0.2.0 --soak 300',
    '<%= config.bin %> upgrade --dry-run',
  ]
  static override args = {
    release: Args.string({
      description:
        'A file that "cw bundle" has made, or a version of one. Default: the release that this cw is.',
      ignoreStdin: true,
    }),
  }
  static override flags = {
    ...rollOutFlags,
    ...verifyFlag,
    quick: Flags.boolean({
      summary: 'All nodes together, a kind of daemon at a time, without watching; as "cw deploy" does it.',
      exclusive: ['soak'],
    }),
  }

  protected override async perform(): Promise<Outcome> {
    const { args, flags } = await this.parse(Upgrade)
    const [{ loadDeployment }, { releaseArtifact, releaseFile }, { deployedReleases, upgradeMoves }] =
      await Promise.all([
        import('../operations/deployment-file.ts'),
        import('../operations/deploy/artifact.ts'),
        import('../operations/upgrade/moves.ts'),
      ])
    const deployment = await loadDeployment(flags.file)
    const file = args.release === undefined ? undefined : releaseFile(args.release)
    const release = await releaseArtifact(file)
    const moves = upgradeMoves(
      deployment,
      await deployedReleases(deployment, this.fleetOptions(flags)),
      release,
    )
    if (!flags.quick || moves.length === 0) return this.rollOut(deployment, moves, flags)
    const request = {
      ...{ operation: 'deploy' as const, deployment, release },
      options: file === undefined ? {} : { release: file },
      confirm: (preview: Preview) => this.confirmPlan(preview, flags.yes),
    }
    return flags['dry-run'] ? this.preview(request, flags) : this.operate(request, flags)
  }
}
