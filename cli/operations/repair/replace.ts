import { readFile } from 'node:fs/promises'
import type { Deployment, DeploymentNode, Role } from '../../../lib/config/deployment/deployment.ts'
import { withoutNode, withRoles } from '../../../lib/config/deployment/edit.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { deploymentIn, loadDeployment, replaceDeployment } from '../deployment-file.ts'
import { nodeNamed } from '../node-choice.ts'

/** What is lost with a node, and has to be accepted by its name. */
export const LOSSES = ['SUBSCRIBERS_LOST', 'REGISTRATIONS_LOST'] as const

export interface ExpectedLoss {
  readonly name: (typeof LOSSES)[number]
  readonly says: string
}

/** A node that is dead for good, and what takes its place. */
export interface Replacement {
  readonly dead: DeploymentNode
  /** The spare that gets its roles; the node's own name where its host was made anew. */
  readonly by: string
  readonly losses: readonly ExpectedLoss[]
  /** With the dead node still in it. */
  readonly before: Deployment
  readonly deployment: Deployment
  /** Replaces the deployment file, where it changes. @throws CwError FILE_INVALID if it was edited meanwhile */
  readonly write: () => Promise<void>
}

/**
 * What replacing a node comes to.
 *
 * @param spare the name of a spare that takes its roles; absent: there is a fresh host at the node's own address
 * @throws CwError USAGE for names that are none, FILE_UNREADABLE, FILE_INVALID
 */
export async function replacement(
  path: string,
  name: string,
  spare: string | undefined,
): Promise<Replacement> {
  const before = await loadDeployment(path)
  const dead = nodeNamed(before, name)
  const losses = lossesOf(dead)
  if (spare === undefined) {
    return { dead, by: name, losses, before, deployment: before, write: () => Promise.resolve() }
  }
  requireSpare(nodeNamed(before, spare), dead)
  const text = await readFile(before.file, 'utf8')
  const edited = withoutNode(withRoles(text, new Map<string, readonly Role[]>([[spare, dead.roles]])), name)
  return {
    ...{ dead, losses, before, by: spare },
    deployment: deploymentIn(edited, path),
    // Who counts on the dead node has been told by then.
    write: () => replaceDeployment(path, before.file, { text, edited, when: 'meanwhile', changed: 'some' }),
  }
}

function requireSpare(spare: DeploymentNode, dead: DeploymentNode): void {
  const refused = (message: string): CwError =>
    new CwError('USAGE', message, { changed: 'nothing', remedies: ['take a spare: a node without roles'] })
  if (spare.roles.length > 0) throw refused(`${spare.name} is no spare: it is ${spare.roles.join(', ')}`)
  if (dead.roles.length === 0) throw refused(`${dead.name} is a spare itself, and nothing is to be replaced`)
  if (spare.site !== dead.site)
    throw refused(`${spare.name} is at ${spare.site}, and ${dead.name} at ${dead.site}`)
}

function lossesOf({
  name,
  roles,
  sharesSubscribers,
  sharesRegistrations,
}: DeploymentNode): readonly ExpectedLoss[] {
  const isAlone = (role: Role, shares: boolean): boolean => roles.includes(role) && !shares
  return [
    ...(isAlone('homestead', sharesSubscribers)
      ? [{ name: LOSSES[0], says: `${name} alone had the subscribers: they have to be provisioned anew` }]
      : []),
    ...(isAlone('sprout', sharesRegistrations)
      ? [{ name: LOSSES[1], says: `${name} alone had the registrations: telephones have to register anew` }]
      : []),
  ]
}
