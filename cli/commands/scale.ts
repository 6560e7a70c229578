import { Args, Flags } from '@oclif/core'
import { resolve } from 'node:path'
import { ROLES } from '../../lib/config/deployment/deployment.ts'
import type { Scaled } from '../operations/scale/scaled.ts'
import { formatCourse, formatRoleChanges } from '../render/scale.ts'
import type { Outcome } from '../render/report.ts'
import { requireAccepted } from './accepted.ts'
import { OperationCommand, operationFlags, verifyFlag, type Request } from './operation-command.ts'
import { Proof, proveFlag } from './proof.ts'

/** As the plan of a scaling names them. */
const GUARDS = ['LAST_OF_ROLE', 'LAST_AT_SITE', 'REGISTRATIONS_LOST', 'FEWER_COPIES', 'CAPACITY']

export default class Scale extends OperationCommand {
  static override summary = 'Say how many nodes of a role there are to be, and make it so.'
  static override description = `Takes hosts from the spares of the deployment file, or makes nodes spares again, and edits the file, its
comments kept. Who comes joins the clusters of stores, is filled, and then serves; who goes gets nobody new, finishes with
those it has, gives everything away, and ends. The others are not restarted. What it does it does as "cw deploy": it shows
the plan, asks, and verifies the service afterwards; "cw resume" takes up one that was broken off.`
  static override examples = [
    '<%= config.bin %> scale sprout=3 bono=2',
    '<%= config.bin %> scale --sprout 3 --dry-run',
    '<%= config.bin %> scale ralf=0 --accept LAST_OF_ROLE',
  ]
  static override strict = false
  static override args = {
    targets: Args.string({ description: 'ROLE=COUNT, may be repeated.', ignoreStdin: true }),
  }
  static override flags = {
    ...operationFlags,
    ...verifyFlag,
    ...proveFlag,
    ...Object.fromEntries(
      ROLES.map(role => [role, Flags.string({ summary: `As ${role}=COUNT.`, helpValue: 'COUNT' })]),
    ),
    'dry-run': Flags.boolean({ summary: 'Show every change, and change nothing.' }),
    detach: Flags.boolean({
      summary: 'Go on in the background; "cw status --watch" shows how far it is. Needs --yes.',
      dependsOn: ['yes'],
      exclusive: ['dry-run'],
    }),
    'at-most': Flags.string({
      summary: 'How long who goes is drained, such as 90s, 30m or 2h.',
      default: '5m',
      helpValue: 'TIME',
    }),
    then: Flags.option({
      summary: 'What then: wait on, stop it all the same, or have it serve again.',
      options: ['wait', 'drop', 'abort'] as const,
      default: 'drop',
    })(),
    accept: Flags.string({
      summary: 'Accept what a guard says; may be repeated.',
      options: GUARDS,
      multiple: true,
      multipleNonGreedy: true,
    }),
    release: Flags.string({
      summary: 'The release to put on nodes. Default: the one that this cw is.',
      helpValue: 'FILE',
    }),
  }

  protected override async perform(): Promise<Outcome> {
    const { argv, flags } = await this.parse(Scale)
    if (flags.detach) return this.#detach(flags.file)
    const [
      { parseTargets },
      { capacityGuards, courseOf, requireInSync, usedBy },
      { parseSeconds },
      { requireAllReached, scaledDeployment },
      { releaseArtifact },
    ] = await Promise.all([
      import('../operations/scale/plan.ts'),
      import('../operations/scale/readiness.ts'),
      import('../operations/duration.ts'),
      import('../operations/scale/scaled.ts'),
      import('../operations/deploy/artifact.ts'),
    ])
    const given = new Map<string, unknown>(Object.entries(flags))
    const byFlags = ROLES.flatMap(role => {
      const count = given.get(role)
      return typeof count === 'string' ? [`${role}=${count}`] : []
    })
    const drain = { seconds: parseSeconds('--at-most', flags['at-most']), then: flags.then }
    const targets = parseTargets([...argv.map(String), ...byFlags])
    const scaled = await scaledDeployment(flags.file, targets)
    const { changes, deployment, before } = scaled
    if (changes.length === 0) return { result: { changes }, text: 'nothing to do' }
    const fleet = this.fleetOptions(flags)
    const usage = await usedBy(before, [...targets.keys()], fleet)
    const guards = [...scaled.guards, ...capacityGuards(before, changes, targets, usage)]
    requireAccepted(guards, flags.accept, 'scaling so')
    const course = courseOf(before, targets)
    if (!this.jsonEnabled()) process.stderr.write(`${formatRoleChanges(changes)}\n${formatCourse(course)}\n`)
    await requireInSync(before, fleet, this.interruption)
    const file = flags.release === undefined ? undefined : resolve(flags.release)
    await using proof = new Proof()
    const request: Request = {
      ...{ operation: 'deploy', deployment, release: await releaseArtifact(file) },
      options: { drain, ...(file === undefined ? {} : { release: file }) },
      confirm: async preview => {
        requireAllReached(preview)
        const isConfirmed = await this.confirmPlan(preview, flags.yes)
        // Who comes has nobody to serve yet: it goes by those who are there.
        if (isConfirmed && flags.prove) await proof.begin(before, fleet)
        // From here on the file says what is meant, also to whoever goes on with it.
        if (isConfirmed) await scaled.write()
        if (isConfirmed) await this.#withdraw(scaled)
        return isConfirmed
      },
    }
    const done = await (flags['dry-run'] ? this.preview(request, flags) : this.operate(request, flags))
    const outcome = await proof.end(done, warning => {
      this.note(warning)
    })
    return { ...outcome, result: { changes, ...(outcome.result as object) } }
  }

  /** What is wrong with the file is told here; the rest is in the log. */
  async #detach(file: string): Promise<Outcome> {
    const [{ loadDeployment }, { detach }] = await Promise.all([
      import('../operations/deployment-file.ts'),
      import('../operations/detach.ts'),
    ])
    const { name } = await loadDeployment(file)
    const { pid, log } = detach(
      name,
      process.argv.slice(2).filter(arg => arg !== '--detach'),
    )
    return { result: { pid, log }, text: `it goes on by itself: cw status --watch\nwhat it says: ${log}` }
  }

  /** Who goes leaves DNS first, and is drained once nobody can have kept its records. */
  async #withdraw({ before, changes }: Scaled): Promise<void> {
    const after = new Map(changes.map(({ node, after: roles }) => [node, roles]))
    const nodes = before.nodes.map(node => ({
      ...node,
      roles: node.roles.filter(role => after.get(node.name)?.includes(role) ?? true),
    }))
    const isAnybodyLeaving = changes.some(each => each.before.some(role => !each.after.includes(role)))
    if (before.dns === undefined || !isAnybodyLeaving || !(await this.publish({ ...before, nodes }))) return
    const { ttl } = before.dns
    if (!this.jsonEnabled())
      process.stderr.write(`waiting ${ttl} s, as long as others may keep what DNS said\n`)
    const { pause } = await import('../operations/config/rollout.ts')
    await pause(ttl * 1000, this.interruption)
  }
}
