import { Flags } from '@oclif/core'
import { ROLES } from '../../lib/config/deployment/deployment.ts'
import { paintFor } from '../render/error-text.ts'
import { printable } from '../render/printable.ts'
import type { Outcome } from '../render/report.ts'
import { cutAtDashes, requireCommand } from './behind-dashes.ts'
import { deploymentFlag } from './deployment-flag.ts'
import { FleetCommand, fleetFlags } from './fleet-command.ts'

export default class Exec extends FleetCommand {
  static override summary = 'Run a command on nodes, and show its output with the node in front.'
  static override description = `The command stands behind --, as a program with its arguments; no shell reads it. It runs on all nodes unless
--node or --role say which. A node on which it fails does not keep the others from it; then cw ends with 1.`
  static override usage = 'exec [--node NODE] [--role ROLE] [--sudo] -- COMMAND ARGUMENT…'
  static override examples = [
    '<%= config.bin %> exec -- uptime',
    '<%= config.bin %> exec --role sprout --sudo -- systemctl status clearwater-sprout',
    "<%= config.bin %> exec --node bono-1 -- sh -c 'ss -tn | wc -l'",
  ]
  static override flags = {
    ...deploymentFlag,
    ...fleetFlags,
    node: Flags.string({
      summary: 'Only this node; may be repeated.',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'NODE',
    }),
    role: Flags.option({
      summary: 'Only nodes with this role; may be repeated.',
      options: ROLES,
      multiple: true,
      multipleNonGreedy: true,
    })(),
    sudo: Flags.boolean({ summary: 'As root.' }),
    parallel: Flags.integer({ summary: 'So many nodes at a time.', default: 32, min: 1, max: 1000 }),
    timeout: Flags.integer({ summary: 'Seconds it may take on a node.', default: 60, min: 1, max: 86_400 }),
  }

  protected override async perform(): Promise<Outcome> {
    const { own, command } = cutAtDashes(this.argv)
    const { flags } = await this.parse(Exec, own)
    const argv = requireCommand(command)
    const [{ loadDeployment }, { chooseNodes }, { execOnNodes }] = await Promise.all([
      import('../operations/deployment-file.ts'),
      import('../operations/node-choice.ts'),
      import('../operations/exec.ts'),
    ])
    const nodes = chooseNodes(await loadDeployment(flags.file), { nodes: flags.node, roles: flags.role })
    const width = Math.max(...nodes.map(({ name }) => name.length))
    const { error, ...result } = await execOnNodes({
      ...{ nodes, argv, sudo: flags.sudo, parallel: flags.parallel },
      deadlineMs: flags.timeout * 1000,
      fleet: this.fleetOptions(flags),
      signal: this.interruption,
      onLine: (node, line, stream) => {
        if (this.jsonEnabled()) return
        const to = process[stream]
        to.write(`${paintFor(to)('dim', `${node.padEnd(width)} |`)} ${printable(line)}\n`)
      },
    })
    return { result, ...(error === undefined ? {} : { error }) }
  }
}
