import { formatClusters } from '../../render/cluster.ts'
import type { Outcome } from '../../render/report.ts'
import { deploymentFlag } from '../deployment-flag.ts'
import { FleetCommand, fleetFlags } from '../fleet-command.ts'

export default class ClusterShow extends FleetCommand {
  static override summary = 'Show who shares which store, who joins or leaves, and whom that waits for.'
  static override flags = { ...deploymentFlag, ...fleetFlags }

  protected override async perform(): Promise<Outcome> {
    const { flags } = await this.parse(ClusterShow)
    const [{ loadDeployment }, { ClusterSession }] = await Promise.all([
      import('../../operations/deployment-file.ts'),
      import('../../operations/cluster/session.ts'),
    ])
    await using session = await ClusterSession.open(
      await loadDeployment(flags.file),
      this.fleetOptions(flags),
    )
    const clusters = await session.clusters()
    return { result: { clusters }, text: formatClusters(clusters) }
  }
}
