import { Args, Flags } from '@oclif/core'
import type { LostSite } from '../../operations/repair/fail-over.ts'
import { printable } from '../../render/printable.ts'
import type { Outcome } from '../../render/report.ts'
import { OperationCommand, operationFlags } from '../operation-command.ts'

export default class SiteFailOver extends OperationCommand {
  static override summary = 'Have the other site go on without one that is lost.'
  static override description = `Telephones of the lost site are sent to the others by DNS, where "dns" is in the deployment file; nobody keeps
trying its stores, and etcd does not count its members. Nothing is restarted. When the site is back, "cw deploy" has it join
again. A site of which a node is at work is refused: cut off from each other, both go on by themselves.`
  static override examples = [
    '<%= config.bin %> site fail-over west --dry-run',
    '<%= config.bin %> site fail-over west',
  ]
  static override args = {
    site: Args.string({ description: 'The lost site.', required: true, ignoreStdin: true }),
  }
  static override flags = {
    ...operationFlags,
    'dry-run': Flags.boolean({ summary: 'Show what counts on it, and change nothing.' }),
  }

  protected override async perform(): Promise<Outcome> {
    const { args, flags } = await this.parse(SiteFailOver)
    const [{ loadDeployment }, { failOver, lostSite, nodesOfSite, requireSiteDead }] = await Promise.all([
      import('../../operations/deployment-file.ts'),
      import('../../operations/repair/fail-over.ts'),
    ])
    const deployment = await loadDeployment(flags.file)
    const fleet = this.fleetOptions(flags)
    await requireSiteDead(nodesOfSite(deployment, args.site), fleet)
    const lost = await lostSite(deployment, args.site, fleet)
    const text = planText(lost)
    if (flags['dry-run']) return { result: lost, text }
    if (!this.jsonEnabled()) process.stderr.write(printable(`${text}\n`))
    if (!flags.yes) await this.confirm(`Is ${args.site} lost?`, `going on without ${args.site}`)
    await this.publish({ ...deployment, nodes: deployment.nodes.filter(({ site }) => site !== args.site) })
    await failOver(deployment, lost, {
      fleet,
      onStep: what => {
        if (!this.jsonEnabled()) process.stderr.write(printable(`${what}\n`))
      },
    })
    return { result: lost, text: `the deployment goes on without ${args.site}` }
  }
}

function planText({ site, nodes, clusters, members }: LostSite): string {
  return [
    `${site} is gone: ${nodes.join(', ')}`,
    ...clusters.map(({ type, store }) => `nobody is to count on ${type} ${store} there any more`),
    ...members.map(({ name }) => `${name} is taken out of etcd`),
  ].join('\n')
}
