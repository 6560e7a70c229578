import { etcdVoters } from '../../../lib/config/deployment/voters.ts'
import type { Deployment, DeploymentNode } from '../../../lib/config/deployment/deployment.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { Fleet, type FleetOptions } from '../../fleet/fleet.ts'
import { hostNames } from '../../fleet/playbook/names.ts'
import { isMeant } from '../../fleet/plan.ts'
import { loadPlaybook, type Playbook } from '../../fleet/playbook/playbook.ts'
import type { Shells } from '../shells.ts'
import { CHECK_CODES, type CheckCode, type Finding } from './catalogue.ts'
import { examine, type Examined } from './examine.ts'
import { hostFindings } from './host-checks.ts'
import { tryWays, waysFrom } from './port-matrix.ts'
import { systemLookup, zoneFindings, type Lookup } from './zone-check.ts'

export interface CheckRequest {
  readonly deployment: Deployment
  /** Those to look at; the ways of the ports still go to all. */
  readonly nodes: readonly DeploymentNode[]
  /** Absent: all. */
  readonly only?: readonly CheckCode[] | undefined
  readonly fleet: FleetOptions
  readonly signal: AbortSignal
  readonly open?: (nodes: readonly DeploymentNode[]) => Shells
  readonly lookup?: Lookup
}

export interface CheckReport {
  /** In the order of the catalogue, then of the nodes. */
  readonly findings: readonly Finding[]
  readonly counts: Readonly<Record<Finding['result'], number>>
}

/** Looks whether a deployment can work on its hosts. Changes nothing, and says all of it at once. */
export async function checkDeployment(request: CheckRequest): Promise<CheckReport> {
  const { deployment, nodes, only = CHECK_CODES, fleet, open } = request
  await using shells: Shells = open?.(nodes) ?? new Fleet(nodes, fleet)
  const hosts = await Promise.all(nodes.map(node => examineHost(node, request, shells)))
  const examined = new Map(hosts.flatMap(({ name, found }) => (found === undefined ? [] : [[name, found]])))
  const findings = [
    ...hosts.flatMap(host => host.findings),
    ...(only.includes('PORTS_REACHABLE') ? await portFindings(request, shells, examined) : []),
    ...(only.includes('DNS')
      ? await zoneFindings(deployment, request.lookup ?? systemLookup(), examined)
      : []),
  ]
    .filter(({ code }) => only.includes(code))
    .toSorted((a, b) => CHECK_CODES.indexOf(a.code) - CHECK_CODES.indexOf(b.code))
  const counts = { ok: 0, warning: 0, no: 0, unknown: 0 }
  for (const { result } of findings) counts[result]++
  return { findings, counts }
}

interface HostReport {
  readonly name: string
  readonly found: Examined | undefined
  readonly findings: readonly Finding[]
}

async function examineHost(
  node: DeploymentNode,
  { deployment, only = CHECK_CODES, signal }: CheckRequest,
  shells: Shells,
): Promise<HostReport> {
  const { name } = node
  const reach = (result: Finding['result'], message: string): Finding => ({
    code: 'REACH',
    result,
    node: name,
    message,
  })
  try {
    const found = await examine(
      shells.shell(name),
      {
        names: only.includes('DNS') ? hostNames(deployment).map(each => each.name) : [],
        packages: only.includes('PACKAGES') ? packagesFor(node, deployment, loadPlaybook('deploy')) : [],
      },
      signal,
    )
    if (found === undefined) {
      return { name, found, findings: [reach('no', 'it runs commands, but not to their end')] }
    }
    const findings = hostFindings({ node, deployment, found, arch: process.arch })
    return { name, found, findings: [reach('ok', 'logged in'), ...findings] }
  } catch (error) {
    if (!(error instanceof CwError)) throw error
    const why = error.detail.why === undefined ? '' : `: ${error.detail.why}`
    return { name, found: undefined, findings: [reach('no', `${error.code}: ${error.message}${why}`)] }
  }
}

async function portFindings(
  { deployment, nodes, signal }: CheckRequest,
  shells: Shells,
  examined: ReadonlyMap<string, Examined>,
): Promise<readonly Finding[]> {
  const reached = nodes.filter(node => examined.has(node.name))
  const results = await Promise.all(
    reached.map(async (node): Promise<readonly Finding[]> => {
      try {
        return await tryWays(shells.shell(node.name), waysFrom(node, deployment), signal)
      } catch (error) {
        if (!(error instanceof CwError)) throw error
        return [{ code: 'PORTS_REACHABLE', result: 'unknown', node: node.name, message: error.message }]
      }
    }),
  )
  return results.flat()
}

/** The packages that the playbook installs on a node. */
function packagesFor(node: DeploymentNode, deployment: Deployment, playbook: Playbook): readonly string[] {
  const voters = etcdVoters(deployment)
  const names = playbook.phases
    .filter(({ on }) => isMeant(on, node, voters))
    .flatMap(phase => phase.steps.flatMap(step => step.tasks))
    .flatMap(({ action, params }) =>
      action === 'packages' ? (params as { names: readonly string[] }).names : [],
    )
  return [...new Set(names)]
}
