import type { Deployment } from '../../lib/config/deployment/deployment.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { RUNTIME_UNITS } from '../fleet/actions/retire.ts'
import { Fleet, type FleetOptions } from '../fleet/fleet.ts'
import { mustScript, type NodeShell } from '../fleet/ssh/shell.ts'
import { chooseNodes } from './node-choice.ts'

/** What has them drain is a file; whoever waits for their end sees that it is gone. */
const UNDRAIN = String.raw`
for drop in "$1"/clearwater-*.service.d/drain.conf; do
  [ -f "$drop" ] || continue
  folder=$(dirname "$drop"); unit=$(basename "$folder" .d)
  rm -rf -- "$folder" && systemctl daemon-reload
  systemctl kill --kill-who=main -s USR1 "$unit" && echo "$unit"
done
`

/**
 * Has the daemons of a node that drain serve again.
 *
 * @returns their names
 * @throws CwError USAGE for a node that is none, or drains nothing; NODE_UNREACHABLE
 */
export async function undrain(
  deployment: Deployment,
  node: string,
  options: FleetOptions,
): Promise<readonly string[]> {
  const nodes = chooseNodes(deployment, { nodes: [node] })
  await using fleet = new Fleet(nodes, options)
  return await undrainBy(fleet.shell(node))
}

/** The same, by a shell of the node. */
export async function undrainBy(shell: NodeShell): Promise<readonly string[]> {
  const { stdout } = await mustScript(shell, 'having daemons serve again', UNDRAIN, [RUNTIME_UNITS], {
    sudo: true,
  })
  const daemons = [...stdout.matchAll(/^clearwater-(.+)\.service$/gm)].flatMap(([, name]) => name ?? [])
  if (daemons.length > 0) return daemons
  throw new CwError('USAGE', `nothing drains on ${shell.node}`, {
    why: 'a daemon that has ended its drain is gone',
    changed: 'nothing',
    remedies: ['see what runs there: cw status', 'give it its role again: cw scale'],
  })
}
