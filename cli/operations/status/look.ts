import { healthPortOf, unitOf, type DaemonOnNode } from '../../../lib/config/deployment/daemons.ts'
import type { DeploymentNode } from '../../../lib/config/deployment/deployment.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { isDead, LOCK_FOLDER, parseHolder, type LockHolder } from '../../fleet/lock.ts'
import { MANIFEST_PATH } from '../../fleet/playbook/manifest.ts'
import type { NodeShell } from '../../fleet/ssh/shell.ts'

const CURRENT_RELEASE = '/opt/clearwater/current'
const DATA_FOLDER = '/var/lib/clearwater'

/** A lock folder that was not touched for so long is nobody's any more. */
const LOCK_STALE_S = 90

/** What a node answered, as it is: what is to be thought of it is said elsewhere. */
export interface Sighting {
  /** How far the node's clock is ahead of ours, give or take the way of the answer. */
  readonly clockAheadMs: number
  readonly disk?: { readonly totalKiB: number; readonly availableKiB: number }
  /** Name of the release that is current; absent: none is. */
  readonly release?: string
  /** Whose node it is, by what was deployed to it. */
  readonly deployment?: string
  readonly daemons: readonly DaemonSighting[]
  /** The operation that holds the lock here. */
  readonly holder?: LockHolder
}

export interface DaemonSighting {
  readonly daemon: DaemonOnNode
  /** As systemd says: `active`, `failed`…; `absent` where there is no such unit. */
  readonly unit: string
  /** Times that systemd had to start it again. */
  readonly restarts: number
  readonly health: 'ok' | 'not well' | 'silent'
  readonly version?: string
  /** Options that it does not know yet. */
  readonly waitsForRestart: readonly string[]
}

/**
 * Looks at everything at once, as whoever has logged in: nothing here needs root, and nothing is changed. Arguments:
 * current release, manifest, data folder, lock folder, then unit, host and port of each daemon.
 *
 * The health pages are asked side by side; each answer is one short line, so that they do not mix.
 */
const LOOK = String.raw`
fact() { printf 'cw-fact %s\n' "$*"; }
coded() { base64 | tr -d '\n'; }
fact time "$(date +%s%3N)"
[ -L "$1" ] && fact release "$(readlink "$1" | sed 's#.*/##')"
[ -r "$2" ] && fact manifest "$(sed -n 's/^ *"deployment": *"\([a-z0-9-]*\)".*/\1/p' "$2" | head -n 1)"
disk=$3; [ -d "$disk" ] || disk=/
fact disk $(df -P -k "$disk" | awk 'NR == 2 { print $2, $4 }')
[ -r "$4/holder" ] && fact lock $(($(date +%s) - $(stat -c %Y "$4/holder"))) "$(head -c 2000 "$4/holder" | coded)"
shift 4
ask='exec 3<>"/dev/tcp/$1/$2" && printf "GET /health HTTP/1.0\r\nHost: %s\r\n\r\n" "$1" >&3 && head -c 2000 <&3'
units=
while [ $# -gt 0 ]; do
  units="$units $1"
  { answer=$(timeout 2 bash -c "$ask" sh "$2" "$3" 2>/dev/null | coded); fact health "$1" "$answer"; } &
  shift 3
done
systemctl show -p Id -p LoadState -p ActiveState -p NRestarts $units 2>/dev/null | sed 's/^/cw-unit /'
wait
fact end
`

/**
 * Everything `cw status` wants of a node, in one round trip.
 *
 * @param daemons those that have to run there
 * @param now this machine's clock
 * @throws CwError why the node cannot be looked at
 */
export async function lookAt(
  shell: NodeShell,
  { address }: Pick<DeploymentNode, 'address'>,
  daemons: readonly DaemonOnNode[],
  { deadlineMs, now }: { readonly deadlineMs: number; readonly now: () => number },
): Promise<Sighting> {
  const asked = daemons.flatMap(daemon => [unitOf(daemon), address, String(healthPortOf(daemon))])
  let firstHeard: number | undefined
  const { stdout } = await shell.script(
    LOOK,
    [CURRENT_RELEASE, MANIFEST_PATH, DATA_FOLDER, LOCK_FOLDER, ...asked],
    {
      deadlineMs,
      onLine: () => {
        firstHeard ??= now()
      },
    },
  )
  const lines = stdout.split('\n')
  const facts = new Map<string, readonly string[]>()
  const answers = new Map<string, string>()
  for (const line of lines) {
    const [mark, name = '', ...words] = line.split(' ')
    if (mark !== 'cw-fact') continue
    if (name === 'health') answers.set(words[0] ?? '', decoded(words[1] ?? ''))
    else facts.set(name, words)
  }
  if (!facts.has('end')) throw unanswered(shell.node)
  const units = unitsIn(lines)
  const [total, available] = facts.get('disk')?.map(Number) ?? []
  const [release, deployment] = [facts.get('release')?.[0], facts.get('manifest')?.[0]]
  const holder = holderIn(facts.get('lock'))
  return {
    clockAheadMs: Number(facts.get('time')?.[0]) - (firstHeard ?? now()),
    ...(total && available !== undefined ? { disk: { totalKiB: total, availableKiB: available } } : {}),
    ...(release ? { release } : {}),
    ...(deployment ? { deployment } : {}),
    ...(holder === undefined ? {} : { holder }),
    daemons: daemons.map(daemon => daemonSighting(daemon, units, answers.get(unitOf(daemon)) ?? '')),
  }
}

function daemonSighting(
  daemon: DaemonOnNode,
  units: ReadonlyMap<string, ReadonlyMap<string, string>>,
  answer: string,
): DaemonSighting {
  const unit = units.get(unitOf(daemon))
  const there = unit !== undefined && unit.get('LoadState') !== 'not-found'
  // The answer may be cut short, so it is no whole JSON; what is wanted stands at its beginning.
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1]
  const version = /"version":"([\w.+-]{1,40})"/.exec(answer)?.[1]
  const waiting = /"restartNeededFor":\[([\w",]*)\]/.exec(answer)?.[1] ?? ''
  return {
    daemon,
    unit: there ? (unit.get('ActiveState') ?? 'unknown') : 'absent',
    restarts: Number(unit?.get('NRestarts') ?? 0),
    health: status === undefined ? 'silent' : status === '200' ? 'ok' : 'not well',
    ...(version === undefined ? {} : { version }),
    waitsForRestart: waiting.split(',').flatMap(name => (name === '' ? [] : [name.replaceAll('"', '')])),
  }
}

/** Properties of each unit by its name: `systemctl show` prints them as lines, in any order. */
function unitsIn(lines: readonly string[]): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const units = new Map<string, Map<string, string>>()
  let block = new Map<string, string>()
  for (const line of lines) {
    if (line.trimEnd() === 'cw-unit') block = new Map()
    const [, key, value] = /^cw-unit (\w+)=(.*)$/.exec(line) ?? []
    if (key === undefined || value === undefined) continue
    block.set(key, value)
    const id = block.get('Id')
    if (id !== undefined) units.set(id, block)
  }
  return units
}

function holderIn(words: readonly string[] | undefined): LockHolder | undefined {
  const [age, coded = ''] = words ?? []
  const holder = age !== undefined && Number(age) < LOCK_STALE_S ? parseHolder(decoded(coded)) : undefined
  return holder === undefined || isDead(holder) ? undefined : holder
}

function decoded(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8')
}

function unanswered(node: string): CwError {
  return new CwError('COMMAND_FAILED', `${node} did not answer all questions`, {
    where: { host: node },
    changed: 'nothing',
    remedies: [`look at the node: cw ssh ${node}`],
  })
}
