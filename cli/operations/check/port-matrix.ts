import type { Deployment, DeploymentNode } from '../../../lib/config/deployment/deployment.ts'
import { firewallRules } from '../../fleet/playbook/firewall.ts'
import type { NodeShell } from '../../fleet/ssh/shell.ts'
import type { Finding } from './catalogue.ts'

/** A port that one node has to reach on another. */
export interface Way {
  readonly from: string
  readonly to: string
  readonly address: string
  readonly port: number
  readonly why: string
}

/**
 * The ways between nodes by the manual's port tables, TCP only: an open UDP port does not answer. Those that the whole
 * world uses are left out; from here they would show nothing of the world.
 */
export function waysFrom(node: DeploymentNode, deployment: Deployment): readonly Way[] {
  return deployment.nodes
    .filter(other => other.name !== node.name)
    .flatMap(other =>
      firewallRules(deployment, other).flatMap(({ protocol, port, from, why }): readonly Way[] => {
        if (protocol !== 'tcp' || typeof port !== 'number') return []
        if (![...from.v4, ...from.v6].includes(node.address)) return []
        return [{ from: node.name, to: other.name, address: other.address, port, why }]
      }),
    )
}

/** Tries every `address port` of its input, some at once. A refusal comes from the host itself: the way is open. */
const TRY = String.raw`
xargs -r -n 2 -P 24 sh -c '
  told=$(LC_ALL=C timeout "$0" bash -c "exec 3<>\"/dev/tcp/\$1/\$2\"" sh "$1" "$2" 2>&1); code=$?
  case $code,$told in 0,*|*refused*) ;; 124,*) echo "cw-fact shut $1 $2 silence" ;; *) echo "cw-fact shut $1 $2 $told" ;; esac
' "$1"
echo cw-fact end
`
const EACH_S = 3

/** Which of a node's ways to others are shut. */
export async function tryWays(
  shell: NodeShell,
  ways: readonly Way[],
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { stdout } = await shell.script(TRY, [String(EACH_S)], {
    stdin: ways.map(({ address, port }) => `${address} ${port}\n`).join(''),
    signal,
    deadlineMs: 30_000 + ways.length * 250,
  })
  const lines = stdout.split('\n')
  const node = shell.node
  if (!lines.includes('cw-fact end')) {
    return [{ code: 'PORTS_REACHABLE', result: 'unknown', node, message: 'it did not try them all' }]
  }
  const shut = new Map(
    lines.flatMap(line => {
      const [, address, port, why] = /^cw-fact shut (\S+) (\d+) (.*)$/.exec(line) ?? []
      return address === undefined ? [] : [[`${address} ${port ?? ''}`, why ?? '']]
    }),
  )
  const closed = ways.filter(({ address, port }) => shut.has(`${address} ${port}`))
  if (closed.length === 0) {
    return [
      { code: 'PORTS_REACHABLE', result: 'ok', node, message: `${ways.length} ports of others are reached` },
    ]
  }
  // A host that is off or cut is told once, not by each of its ports.
  return [...Map.groupBy(closed, way => way.to)].map(([to, them]) => {
    const ports = them.map(({ port, why }) => `${port} (${why})`)
    return {
      code: 'PORTS_REACHABLE',
      result: 'no',
      node,
      message: `does not reach ${to} on ${ports.join(', ')}`,
    }
  })
}
