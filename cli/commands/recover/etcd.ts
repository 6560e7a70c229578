import { Flags } from '@oclif/core'
import { formatVoters } from '../../render/recover.ts'
import type { Outcome } from '../../render/report.ts'
import { OperationCommand, operationFlags, verifyFlag } from '../operation-command.ts'

export default class RecoverEtcd extends OperationCommand {
  static override summary = 'Let etcd go on after half of its members, or more, were lost for good.'
  static override description = `Reads the copies of those that are left, goes on from the newest alone, and has the others join it: what
"cw deploy" does then, on the nodes that can be reached. What only lost members had taken is lost. Broken off, it goes on
where it was when it is run again.`
  static override examples = [
    '<%= config.bin %> recover etcd --dry-run',
    '<%= config.bin %> recover etcd --from bono-1',
  ]
  static override flags = {
    ...operationFlags,
    ...verifyFlag,
    from: Flags.string({ summary: 'Go on from this voter, not from the newest copy.', helpValue: 'NODE' }),
    'dry-run': Flags.boolean({
      summary: 'Show what is left and from whom it would go on, and change nothing.',
    }),
    release: Flags.string({
      summary: 'The release to put on nodes. Default: the one that this cw is.',
      helpValue: 'FILE',
    }),
  }

  protected override async perform(): Promise<Outcome> {
    const { flags } = await this.parse(RecoverEtcd)
    const [{ loadDeployment }, { chooseSurvivor, EtcdRecovery }, { releaseArtifact, releaseFile }] =
      await Promise.all([
        import('../../operations/deployment-file.ts'),
        import('../../operations/repair/recover-etcd.ts'),
        import('../../operations/deploy/artifact.ts'),
      ])
    const deployment = await loadDeployment(flags.file)
    await using recovery = new EtcdRecovery(deployment, this.fleetOptions(flags))
    const survey = await recovery.survey()
    const { serves, voters } = survey
    const shown = formatVoters(voters)
    if (serves && voters.every(({ state }) => state === 'has data'))
      return { result: { voters }, text: 'etcd serves: nothing to recover' }
    // What was broken off behind the first step goes on with the second.
    const survivor = serves ? undefined : chooseSurvivor(survey, flags.from)
    const plan =
      survivor === undefined
        ? 'etcd serves again; the others join it'
        : `etcd goes on from ${survivor.node} alone, then the others join it`
    if (flags['dry-run'])
      return { result: { voters, from: survivor?.node ?? null }, text: `${shown}\n${plan}` }
    if (!this.jsonEnabled()) process.stderr.write(`${shown}\n${plan}\n`)
    if (!flags.yes) await this.confirm('Are the others gone for good?', 'that etcd is to go on so')
    const reachable = await recovery.reachable()
    if (survivor !== undefined) await recovery.goOnFrom(survivor.node, reachable)
    const file = flags.release === undefined ? undefined : releaseFile(flags.release)
    const lost = deployment.nodes.filter(({ name }) => !reachable.includes(name))
    for (const { name } of lost)
      this.note(`${name} cannot be reached and stays out; to put a host in its place: cw replace ${name}`)
    return await this.operate(
      {
        ...{ operation: 'deploy', deployment, release: await releaseArtifact(file) },
        options: {
          ...(lost.length === 0 ? {} : { only: reachable }),
          ...(file === undefined ? {} : { release: file }),
        },
        confirm: () => Promise.resolve(true),
      },
      flags,
    )
  }
}
