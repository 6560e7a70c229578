import { Args, Flags } from '@oclif/core'
import { formatClusters } from '../../render/cluster.ts'
import type { Outcome } from '../../render/report.ts'
import { deploymentFlag } from '../deployment-flag.ts'
import { FleetCommand, fleetFlags } from '../fleet-command.ts'

export default class NodeForget extends FleetCommand {
  static override summary = 'Take a node that is dead for good out of the clusters of stores.'
  static override description = `The other nodes keep waiting for it where one joins or leaves, and count on what it had. The manual's
mark_node_failed, for all its stores at once. A node that comes back afterwards joins anew.`
  static override examples = [
    '<%= config.bin %> node forget sprout-2 --dry-run',
    '<%= config.bin %> node forget 192.0.2.12',
  ]
  static override args = {
    node: Args.string({
      description: 'Its name, or its address where the deployment file has it no more.',
      required: true,
      ignoreStdin: true,
    }),
  }
  static override flags = {
    ...deploymentFlag,
    ...fleetFlags,
    'dry-run': Flags.boolean({ summary: 'Show what it would leave, and change nothing.' }),
    yes: Flags.boolean({ char: 'y', summary: 'Do not ask.' }),
  }

  protected override async perform(): Promise<Outcome> {
    const { args, flags } = await this.parse(NodeForget)
    const [{ loadDeployment }, { ClusterSession }] = await Promise.all([
      import('../../operations/deployment-file.ts'),
      import('../../operations/cluster/session.ts'),
    ])
    await using session = await ClusterSession.open(
      await loadDeployment(flags.file),
      this.fleetOptions(flags),
    )
    const { address, clusters } = await session.forgettable(args.node)
    if (flags['dry-run']) return { result: { address, clusters }, text: formatClusters(clusters) }
    if (!flags.yes) {
      const what = `that ${args.node} is to be forgotten`
      await this.confirm(`Is ${args.node} dead for good?`, what, { shown: formatClusters(clusters) })
    }
    await session.forget({
      ...{ address, clusters, signal: this.interruption },
      onCluster: ({ type, store }, state) => {
        if (!this.jsonEnabled()) process.stderr.write(`${type} ${store} ${state}\n`)
      },
    })
    const left = clusters.map(({ site, type, store }) => ({ site, type, store }))
    return { result: { address, left }, text: `${args.node} is forgotten` }
  }
}
