import {
  ROLES,
  type Deployment,
  type DeploymentNode,
  type Role,
} from '../../../lib/config/deployment/deployment.ts'
import { etcdVoters } from '../../../lib/config/deployment/voters.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { nearest } from '../../../lib/kit/nearest.ts'

/** How many nodes of each role there are to be. */
export type Targets = ReadonlyMap<Role, number>

/** A node that gets a role, or loses one. */
export interface RoleChange {
  readonly node: string
  readonly site: string
  readonly before: readonly Role[]
  readonly after: readonly Role[]
}

/** What an operator may want to think about twice. Each is accepted by its name. */
export const GUARDS = [
  'LAST_OF_ROLE',
  'LAST_AT_SITE',
  'REGISTRATIONS_LOST',
  'FEWER_COPIES',
  'CAPACITY',
] as const

export type GuardName = (typeof GUARDS)[number]

export interface Guard {
  readonly name: GuardName
  readonly says: string
}

export interface ScalePlan {
  readonly changes: readonly RoleChange[]
  readonly guards: readonly Guard[]
}

/**
 * Reads targets such as `sprout=3`.
 *
 * @throws CwError USAGE
 */
export function parseTargets(words: readonly string[]): Targets {
  const targets = new Map<Role, number>()
  for (const word of words) {
    const [, name = '', count = ''] = /^([^=]+)=(.*)$/.exec(word) ?? []
    const role = ROLES.find(each => each === name)
    if (role === undefined) {
      const meant = nearest(name === '' ? word : name, ROLES)
      throw refused(`${word} does not say how many nodes of which role`, [
        meant === undefined ? `roles are ${ROLES.join(', ')}` : `did you mean ${meant}?`,
      ])
    }
    if (!/^\d{1,4}$/.test(count)) throw refused(`${word}: ${JSON.stringify(count)} is no number of nodes`, [])
    if (targets.has(role)) throw refused(`${role} is given twice`, [])
    targets.set(role, Number(count))
  }
  if (targets.size > 0) return targets
  throw refused('it does not say what there is to be', ['say how many: cw scale sprout=3'])
}

/**
 * Which nodes get a role, and which lose one. Who comes is a spare, at the site that has fewest; who goes is the last one in
 * the file at the site that has most, rather one that does nothing else.
 *
 * @throws CwError USAGE where there are not enough spares, and where only nodes could go that keep etcd
 */
export function planScale(deployment: Deployment, targets: Targets): ScalePlan {
  const roles = new Map(deployment.nodes.map(({ name, roles: own }) => [name, own]))
  const voters = new Set(etcdVoters(deployment).map(({ name }) => name))
  for (const [role, count] of targets) {
    const holders = (): readonly DeploymentNode[] =>
      deployment.nodes.filter(({ name }) => roles.get(name)?.includes(role))
    const crowd = ({ site }: DeploymentNode): number => holders().filter(node => node.site === site).length
    while (holders().length < count) {
      const spares = deployment.nodes.filter(({ name }) => roles.get(name)?.length === 0)
      const [next] = spares.toSorted((a, b) => crowd(a) - crowd(b))
      if (next === undefined) throw tooFewSpares(deployment, role, count, holders().length)
      roles.set(next.name, [role])
    }
    while (holders().length > count) {
      const others = ({ name }: DeploymentNode): readonly Role[] =>
        (roles.get(name) ?? []).filter(each => each !== role)
      const leavers = holders().filter(node => others(node).length > 0 || !voters.has(node.name))
      const [next] = leavers
        .toReversed()
        .toSorted((a, b) => crowd(b) - crowd(a) || others(a).length - others(b).length)
      if (next === undefined) throw keepEtcd(holders(), role)
      roles.set(next.name, others(next))
    }
  }
  const changes = deployment.nodes.flatMap(({ name, site, roles: before }): RoleChange[] => {
    const after = roles.get(name) ?? before
    return after === before ? [] : [{ node: name, site, before, after }]
  })
  return { changes, guards: guardsOf(deployment, roles, targets) }
}

function guardsOf(
  { nodes, sites }: Deployment,
  after: ReadonlyMap<string, readonly Role[]>,
  targets: Targets,
): readonly Guard[] {
  return [...targets].flatMap(([role, count]): Guard[] => {
    const at = (site: string, of: (node: DeploymentNode) => readonly Role[]): boolean =>
      nodes.some(node => node.site === site && of(node).includes(role))
    const emptied = sites.filter(
      site => at(site, ({ roles }) => roles) && !at(site, ({ name }) => after.get(name) ?? []),
    )
    const had = nodes.filter(({ roles }) => roles.includes(role)).length
    const fewer = fewerGuards(role, had, count)
    if (count === 0 && emptied.length > 0) {
      return [{ name: 'LAST_OF_ROLE', says: `no ${role} is left: what it does nobody does any more` }]
    }
    return [
      ...emptied.map(site => ({ name: 'LAST_AT_SITE' as const, says: `no ${role} is left at ${site}` })),
      ...fewer,
    ]
  })
}

/** Each row of a store is on so many nodes, where there are as many. */
const MOST_COPIES = 3

function fewerGuards(role: Role, from: number, to: number): readonly Guard[] {
  if (role === 'sprout' && from > 1 && to === 1) {
    return [
      {
        name: 'REGISTRATIONS_LOST',
        says: 'one sprout keeps registrations itself: telephones have to register anew',
      },
    ]
  }
  if (role === 'homestead' && from >= MOST_COPIES && to < MOST_COPIES) {
    return [
      {
        name: 'FEWER_COPIES',
        says: `subscribers are on ${to} nodes instead of ${MOST_COPIES}: without one of them nobody is provisioned`,
      },
    ]
  }
  return []
}

function tooFewSpares({ nodes, file }: Deployment, role: Role, count: number, has: number): CwError {
  const spares = nodes.filter(({ roles }) => roles.length === 0).length
  return new CwError('USAGE', `there are not enough spare hosts for ${count} ${role} nodes`, {
    where: { file },
    why: `${has} could be had with all ${spares} spares of the file`,
    changed: 'nothing',
    remedies: ['add hosts without roles to the deployment file'],
  })
}

function keepEtcd(holders: readonly DeploymentNode[], role: Role): CwError {
  return new CwError('USAGE', `no node with the role ${role} can go: they keep etcd`, {
    where: { host: holders.map(({ name }) => name).join(', ') },
    changed: 'nothing',
    remedies: ['give one of them another role in the deployment file first'],
  })
}

function refused(message: string, remedies: readonly string[]): CwError {
  return new CwError('USAGE', message, { changed: 'nothing', remedies })
}
