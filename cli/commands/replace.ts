import { Args, Flags } from '@oclif/core'
import type { Dependents } from '../operations/repair/take-out.ts'
import { printable } from '../render/printable.ts'
import type { Outcome } from '../render/report.ts'
import { requireAccepted } from './accepted.ts'
import { OperationCommand, operationFlags, verifyFlag, type Request } from './operation-command.ts'
import { Proof, proveFlag } from './proof.ts'

/** As a replacement names them. */
const LOSSES = ['SUBSCRIBERS_LOST', 'REGISTRATIONS_LOST']

export default class Replace extends OperationCommand {
  static override summary = 'Put another host in the place of a node that is dead for good.'
  static override description = `Takes the dead node out of the clusters of stores, out of etcd and out of Cassandra, gives its roles to a
spare, edits the deployment file, its comments kept, and deploys. Without --with there is a fresh host at the node's own
address. A node that is at work is refused.`
  static override examples = [
    '<%= config.bin %> replace sprout-2 --with spare-1',
    '<%= config.bin %> replace sprout-2 --dry-run',
  ]
  static override args = {
    node: Args.string({ description: 'The dead node.', required: true, ignoreStdin: true }),
  }
  static override flags = {
    ...operationFlags,
    ...verifyFlag,
    ...proveFlag,
    with: Flags.string({ summary: 'The spare that takes its place.', helpValue: 'NODE' }),
    'dry-run': Flags.boolean({ summary: 'Show who counts on it and what is lost, and change nothing.' }),
    accept: Flags.string({
      summary: 'Accept that this is lost; may be repeated.',
      options: LOSSES,
      multiple: true,
      multipleNonGreedy: true,
    }),
    release: Flags.string({
      summary: 'The release to put on nodes. Default: the one that this cw is.',
      helpValue: 'FILE',
    }),
  }

  protected override async perform(): Promise<Outcome> {
    const { args, flags } = await this.parse(Replace)
    const [{ replacement }, { DeadNode }, { releaseArtifact, releaseFile }] = await Promise.all([
      import('../operations/repair/replace.ts'),
      import('../operations/repair/take-out.ts'),
      import('../operations/deploy/artifact.ts'),
    ])
    const replaced = await replacement(flags.file, args.node, flags.with)
    const { dead, by, before, deployment, losses } = replaced
    const isElsewhere = by !== dead.name
    await using node = await DeadNode.open(dead, before, this.fleetOptions(flags))
    const dependents = await node.dependents()
    const plan = planText(dead.name, by, dependents, isElsewhere)
    const result = { node: dead.name, by, losses, ...dependents }
    if (flags['dry-run']) {
      return { result, text: [plan, ...losses.map(({ name, says }) => `${name}: ${says}`)].join('\n') }
    }
    requireAccepted(losses, flags.accept, `replacing ${dead.name} so`)
    if (!this.jsonEnabled()) process.stderr.write(printable(`${plan}\n`))
    const file = flags.release === undefined ? undefined : releaseFile(flags.release)
    await using proof = new Proof()
    const request: Request = {
      ...{ operation: 'deploy', deployment, release: await releaseArtifact(file) },
      options: file === undefined ? {} : { release: file },
      confirm: async preview => {
        if (!(await this.confirmPlan(preview, flags.yes))) return false
        const others = before.nodes.filter(({ name }) => name !== dead.name)
        if (flags.prove) await proof.begin({ ...before, nodes: others }, this.fleetOptions(flags))
        await this.publish({ ...before, nodes: others })
        await node.takeOut(dependents, isElsewhere, {
          signal: this.interruption,
          onStep: what => {
            if (!this.jsonEnabled()) process.stderr.write(printable(`${what}\n`))
          },
        })
        // From here on the file says what is meant, also to whoever goes on with it.
        await replaced.write()
        return true
      },
    }
    const done = await this.operate(request, flags)
    const outcome = await proof.end(done, warning => {
      this.note(warning)
    })
    return { ...outcome, result: { ...result, ...(outcome.result as object) } }
  }
}

function planText(node: string, by: string, dependents: Dependents, isElsewhere: boolean): string {
  const { clusters, etcdMember, cassandra } = dependents
  return [
    isElsewhere
      ? `${by} takes the place of ${node}`
      : `a fresh host takes the place of ${node} at its own address`,
    ...clusters.map(({ type, store, site }) => `${node} leaves ${type} ${store} at ${site}`),
    ...(isElsewhere && etcdMember !== undefined ? [`${node} is taken out of etcd`] : []),
    ...(isElsewhere && cassandra !== undefined
      ? [`${node} is taken out of Cassandra, by ${cassandra.at}`]
      : []),
  ].join('\n')
}
