import { readFile } from 'node:fs/promises'
import type { Deployment, Role } from '../../../lib/config/deployment/deployment.ts'
import { withRoles } from '../../../lib/config/deployment/edit.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { deploymentIn, loadDeployment, replaceDeployment } from '../deployment-file.ts'
import type { Preview } from '../deploy/operate.ts'
import { planScale, type ScalePlan, type Targets } from './plan.ts'

/** A deployment as it is to be, and the file that says so. */
export interface Scaled extends ScalePlan {
  readonly before: Deployment
  readonly deployment: Deployment
  /** Replaces the deployment file, comments and layout kept. @throws CwError FILE_INVALID if it was edited meanwhile */
  readonly write: () => Promise<void>
}

/** @throws CwError USAGE, FILE_UNREADABLE, and FILE_INVALID where the file that would result is not valid */
export async function scaledDeployment(path: string, targets: Targets): Promise<Scaled> {
  const deployment = await loadDeployment(path)
  const text = await readFile(deployment.file, 'utf8')
  const plan = planScale(deployment, targets)
  const roles = new Map<string, readonly Role[]>(plan.changes.map(({ node, after }) => [node, after]))
  const edited = withRoles(text, roles)
  return {
    ...plan,
    before: deployment,
    deployment: deploymentIn(edited, path),
    write: () =>
      replaceDeployment(path, deployment.file, {
        text,
        edited,
        when: 'while it was scaled',
        changed: 'nothing',
      }),
  }
}

/** @throws CwError NODE_UNREACHABLE: while a node is down nobody joins or leaves a cluster that it is in */
export function requireAllReached({ unreachable }: Preview): void {
  const [first] = unreachable
  if (first === undefined) return
  throw new CwError('NODE_UNREACHABLE', 'a deployment is not scaled while a node is down', {
    where: { host: unreachable.map(({ node }) => node).join(', ') },
    why: unreachable.map(({ node, message }) => `${node}: ${message}`).join('\n'),
    changed: 'nothing',
    remedies: [`bring it back: cw status`, `or, if it is dead for good: cw node forget ${first.node}`],
  })
}
