import { Args } from '@oclif/core'
import type { Outcome } from '../render/report.ts'
import { deploymentFlag } from './deployment-flag.ts'
import { FleetCommand, fleetFlags } from './fleet-command.ts'

export default class Undrain extends FleetCommand {
  static override summary = 'Have a node serve again that is being drained.'
  static override description = `Until it has ended it can be taken back: its daemons take new calls and telephones again, and the "cw scale"
that waits for them says so. The deployment file still says that it goes: "cw scale" gives it its role back.`
  static override examples = ['<%= config.bin %> undrain bono-2']
  static override args = {
    node: Args.string({ description: 'The node.', required: true, ignoreStdin: true }),
  }
  static override flags = { ...deploymentFlag, ...fleetFlags }

  protected override async perform(): Promise<Outcome> {
    const { args, flags } = await this.parse(Undrain)
    const [{ loadDeployment }, { undrain }] = await Promise.all([
      import('../operations/deployment-file.ts'),
      import('../operations/undrain.ts'),
    ])
    const daemons = await undrain(await loadDeployment(flags.file), args.node, this.fleetOptions(flags))
    const text = `${daemons.join(' and ')} on ${args.node} ${daemons.length === 1 ? 'serves' : 'serve'} again`
    return { result: { node: args.node, daemons }, text }
  }
}
