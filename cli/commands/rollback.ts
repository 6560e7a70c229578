import type { Outcome } from '../render/report.ts'
import { RollOutCommand, rollOutFlags } from './roll-out-command.ts'

export default class Rollback extends RollOutCommand {
  static override summary = 'Have the nodes go back to the release that they ran before.'
  static override description = `Each node keeps the release before the one that it runs. They go back one after the other, in the order
that is the reverse of an upgrade's, and the service is verified after each. The release that they leave is removed. Data of
stores are not taken back.`
  static override examples = [
    '<%= config.bin %> rollback --dry-run',
    '<%= config.bin %> rollback --yes --soak 0',
  ]
  static override flags = rollOutFlags

  protected override async perform(): Promise<Outcome> {
    const { flags } = await this.parse(Rollback)
    const [{ loadDeployment }, { deployedReleases, rollbackMoves }] = await Promise.all([
      import('../operations/deployment-file.ts'),
      import('../operations/upgrade/moves.ts'),
    ])
    const deployment = await loadDeployment(flags.file)
    const releases = await deployedReleases(deployment, this.fleetOptions(flags))
    return this.rollOut(deployment, rollbackMoves(deployment, releases), flags)
  }
}
