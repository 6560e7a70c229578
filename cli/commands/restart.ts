import { Args, Flags } from '@oclif/core'
import { DAEMONS, type DaemonOnNode } from '../../lib/config/deployment/daemons.ts'
import type { Outcome } from '../render/report.ts'
import { deploymentFlag } from './deployment-flag.ts'
import { FleetCommand, fleetFlags } from './fleet-command.ts'
import { Proof, proveFlag } from './proof.ts'

export default class Restart extends FleetCommand {
  static override summary = 'Restart daemons, one node at a time.'
  static override description = `Each daemon finishes what is under way, starts again, and has to be healthy before the next node's turn; the
first that does not come back ends it, and the nodes after it stay as they are. Without a name all daemons of the nodes
are restarted, but not etcd.`
  static override examples = [
    '<%= config.bin %> restart sprout',
    '<%= config.bin %> restart --node bono-1 --yes',
    '<%= config.bin %> restart etcd --node homer-1',
  ]
  static override args = {
    daemon: Args.string({ description: 'The daemon, or the role of that name.', options: [...DAEMONS] }),
  }
  static override flags = {
    ...deploymentFlag,
    ...fleetFlags,
    node: Flags.string({
      summary: 'Only on this node; may be repeated.',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'NODE',
    }),
    timeout: Flags.integer({
      summary: 'Seconds that a daemon has to be healthy again.',
      default: 60,
      min: 1,
      max: 3600,
    }),
    ...proveFlag,
    yes: Flags.boolean({ char: 'y', summary: 'Do not ask.' }),
  }

  protected override async perform(): Promise<Outcome> {
    const { args, flags } = await this.parse(Restart)
    const [{ loadDeployment }, { chooseNodes }, { restartDaemons, restartTargets }] = await Promise.all([
      import('../operations/deployment-file.ts'),
      import('../operations/node-choice.ts'),
      import('../operations/restart.ts'),
    ])
    const deployment = await loadDeployment(flags.file)
    const nodes = chooseNodes(deployment, { nodes: flags.node })
    const targets = restartTargets(deployment, nodes, args.daemon as DaemonOnNode | undefined)
    if (!flags.yes) {
      const shown = targets.map(({ node, daemons }) => `${node}: ${daemons.join(', ')}`).join('\n')
      await this.confirm('Restart them, one node at a time?', 'the restart', { shown })
    }
    await using proof = new Proof()
    if (flags.prove) await proof.begin(deployment, this.fleetOptions(flags))
    const { error, ...result } = await restartDaemons({
      ...{ deployment, targets, healthySeconds: flags.timeout },
      fleet: this.fleetOptions(flags),
      signal: this.interruption,
      onNode: ({ node, daemons }, state) => {
        if (!this.jsonEnabled()) process.stderr.write(`${node} ${state}: ${daemons.join(', ')}\n`)
      },
    })
    const text = `restarted on ${targets.length} ${targets.length === 1 ? 'node' : 'nodes'}`
    return await proof.end(error === undefined ? { result, text } : { result, error }, warning => {
      this.note(warning)
    })
  }
}
