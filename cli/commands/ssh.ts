import { Args } from '@oclif/core'
import { CwCommand } from '../command.ts'
import type { Outcome } from '../render/report.ts'
import { cutAtDashes } from './behind-dashes.ts'
import { deploymentFlag } from './deployment-flag.ts'

export default class Ssh extends CwCommand {
  static override summary = 'Log in to a node.'
  static override description = `Runs the ssh of this machine with the user, port, key, jump host and known_hosts of the deployment file. What
stands behind -- is run instead of a login shell, as a program with its arguments. cw ends with the exit code of ssh.`
  static override usage = 'ssh NODE [-- COMMAND ARGUMENT…]'
  static override examples = [
    '<%= config.bin %> ssh sprout-1',
    '<%= config.bin %> ssh sprout-1 -- journalctl -u clearwater-sprout -n 20',
  ]
  static override enableJsonFlag = false
  static override args = { node: Args.string({ description: 'Name of the node.', required: true }) }
  static override flags = deploymentFlag

  protected override async perform(): Promise<Outcome> {
    const { own, command } = cutAtDashes(this.argv)
    const { args, flags } = await this.parse(Ssh, own)
    const [{ loadDeployment }, { nodeNamed }, { openSsh }] = await Promise.all([
      import('../operations/deployment-file.ts'),
      import('../operations/node-choice.ts'),
      import('../operations/ssh.ts'),
    ])
    const node = nodeNamed(await loadDeployment(flags.file), args.node)
    return this.exit(await openSsh(node, command))
  }
}
