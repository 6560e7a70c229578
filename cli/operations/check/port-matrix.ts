import type { Deployment, DeploymentNode } from '../../../lib/config/deployment/deployment.ts'
import { firewallRules } from '../../fleet/playbook/firewall.ts'
import type { NodeShell } from '../../fleet/ssh/shell.ts'
import type { Finding } from './catalogue.ts'

/** A port that one node has to reach on another. */
export interface Way {
  readonly from: string
  readonly to: string
  readonly protocol: 'tcp' | 'udp'
  readonly address: string
  readonly port: number
  readonly why: string
}

/**
 * The ways between nodes by the manual's port tables. Those that the whole world uses are left out; from here they would
 * show nothing of the world.
 */
export function waysFrom(node: DeploymentNode, deployment: Deployment): readonly Way[] {
  return deployment.nodes
    .filter(other => other.name !== node.name)
    .flatMap(other =>
      firewallRules(deployment, other).flatMap(({ protocol, port, from, why }): readonly Way[] => {
        if (typeof port !== 'number') return []
        if (![...from.v4, ...from.v6].includes(node.address)) return []
        return [{ from: node.name, to: other.name, protocol, address: other.address, port, why }]
      }),
    )
}

/** Tries every `protocol address port` of its input, some at once. A refusal comes from the host itself: the way is open. */
const TRY = String.raw`
xargs -r -n 3 -P 24 sh -c '
  case $3 in tcp) try=$1 ;; *) try=$2 ;; esac
  told=$(LC_ALL=C timeout "$0" bash -c "$try" sh "$4" "$5" 2>&1); code=$?
  case $code,$told in
    0,*|*refused*) ;;
    124,*) echo "cw-fact shut $3 $4 $5 silence" ;;
    *) echo "cw-fact shut $3 $4 $5 $told" ;;
  esac
' "$1" "$2" "$3"
echo cw-fact end
`
const TRY_TCP = 'exec 3<>"/dev/tcp/$1/$2"'

/**
 * Whoever listens for SIP answers to OPTIONS, and a host on which nobody listens says so (ICMP), if not to each of many
 * datagrams. A read that times out ends above 128; it takes single octets, so more than the first of a datagram is lost.
 */
const TRY_UDP = String.raw`
exec 3<>"/dev/udp/$1/$2"
case $1 in *:*) uri="sip:[$1]:$2" ;; *) uri="sip:$1:$2" ;; esac
for try in 1 2 3; do
  id=cw-check-$$-$try
  printf "%s\r\n" "OPTIONS $uri SIP/2.0" "Via: SIP/2.0/UDP cw.invalid;rport;branch=z9hG4bK$id" "Max-Forwards: 0" \
    "From: <sip:cw@cw.invalid>;tag=$id" "To: <$uri>" "Call-ID: $id" "CSeq: 1 OPTIONS" "Content-Length: 0" "" |
    dd bs=2000 iflag=fullblock status=none >&3 || exit 1
  read -r -n 1 -t 0.8 -u 3 _; code=$?
  [ "$code" -le 128 ] && exit "$code"
done
exit 124
`
const EACH_S = 3

/** Which of a node's ways to others are shut. */
export async function tryWays(
  shell: NodeShell,
  ways: readonly Way[],
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { stdout } = await shell.script(TRY, [String(EACH_S), TRY_TCP, TRY_UDP], {
    stdin: ways.map(way => `${wordsOf(way)}\n`).join(''),
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
      const [, way, why = ''] = /^cw-fact shut (\w+ \S+ \d+) (.*)$/.exec(line) ?? []
      return way === undefined ? [] : [[way, why]]
    }),
  )
  const closed = ways.filter(way => shut.has(wordsOf(way)))
  if (closed.length === 0) {
    return [
      { code: 'PORTS_REACHABLE', result: 'ok', node, message: `${ways.length} ports of others are reached` },
    ]
  }
  // A host that is off or cut is told once, not by each of its ports.
  return [...Map.groupBy(closed, way => way.to)].map(([to, them]) => {
    const ports = them.map(({ protocol, port, why }) => `${protocol} ${port} (${why})`)
    return {
      code: 'PORTS_REACHABLE',
      result: 'no',
      node,
      message: `does not reach ${to} on ${ports.join(', ')}`,
    }
  })
}

function wordsOf({ protocol, address, port }: Way): string {
  return `${protocol} ${address} ${port}`
}
