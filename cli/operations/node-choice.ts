import type { Deployment, DeploymentNode } from '../../lib/config/deployment/deployment.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { nearest } from '../../lib/kit/nearest.ts'

/** Which nodes a command is about. Both absent: all of them; both given: nodes that are named and have such a role. */
export interface NodeChoice {
  readonly nodes?: readonly string[] | undefined
  readonly roles?: readonly string[] | undefined
}

/** @throws CwError USAGE for a name that no node has, and where no node is left */
export function chooseNodes(deployment: Deployment, choice: NodeChoice): readonly DeploymentNode[] {
  const { nodes: names, roles } = choice
  for (const name of names ?? []) nodeNamed(deployment, name)
  const chosen = deployment.nodes.filter(
    node =>
      (names === undefined || names.includes(node.name)) &&
      (roles === undefined || node.roles.some(role => roles.includes(role))),
  )
  if (chosen.length > 0) return chosen
  throw new CwError('USAGE', 'no node of the deployment is meant by that', {
    why: `it asks for ${[...(names ?? []), ...(roles ?? [])].join(', ') || 'all nodes'}, and there is none`,
    where: { file: deployment.file },
    changed: 'nothing',
    remedies: deployment.nodes.map(({ name, roles: own }) => `${name}: ${own.join(', ') || 'spare'}`),
  })
}

/** @throws CwError USAGE, with the name that was most likely meant */
export function nodeNamed(deployment: Deployment, name: string): DeploymentNode {
  const node = deployment.nodes.find(each => each.name === name)
  if (node !== undefined) return node
  const names = deployment.nodes.map(each => each.name)
  const meant = nearest(name, names)
  throw new CwError('USAGE', `the deployment has no node ${name}`, {
    where: { file: deployment.file },
    changed: 'nothing',
    remedies: [meant === undefined ? `its nodes are ${names.join(', ')}` : `did you mean ${meant}?`],
  })
}
