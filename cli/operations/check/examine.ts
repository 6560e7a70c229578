import type { DeploymentNode } from '../../../lib/config/deployment/deployment.ts'
import { MANIFEST_PATH } from '../../fleet/playbook/manifest.ts'
import type { NodeShell } from '../../fleet/ssh/shell.ts'

/** Units of other software that stand in the way, as far as they run. */
export const RIVALS = [
  'kamailio',
  'opensips',
  'asterisk',
  'freeswitch',
  'etcd',
  'named',
  'bind9',
  'unbound',
  'nginx',
  'apache2',
  'firewalld',
  'ufw',
] as const

/** A socket that somebody listens on. */
export interface Listener {
  readonly protocol: 'tcp' | 'udp'
  readonly address: string
  readonly port: number
  /** Name of the process and its systemd unit, as far as root may know them. */
  readonly process: string
  readonly unit: string
}

/** What a host is and has. */
export interface Examined {
  readonly isRoot: boolean
  readonly os: string
  readonly osVersion: string
  readonly machine: string
  /** What `systemctl is-system-running` says; empty without systemd. */
  readonly systemd: string
  readonly freeKiB: number
  readonly totalKiB: number
  readonly memoryKiB: number
  readonly clockAheadMs: number
  /** `undefined`: nobody could tell. */
  readonly listeners: readonly Listener[] | undefined
  readonly rivals: readonly string[]
  /** Whose node it is. */
  readonly deployment?: string
  /** Names with the addresses that the host finds for them, by /etc/hosts or DNS. */
  readonly names: ReadonlyMap<string, readonly string[]>
  readonly missingPackages: readonly string[]
  /** Package sources that do not answer, as `host:port`. */
  readonly deafSources: readonly string[]
  readonly hasPackageLists: boolean
}

/** Arguments: manifest, data folder, then names, `--`, packages, `--`, rivals. Changes nothing. */
const EXAMINE = String.raw`
fact() { printf 'cw-fact %s\n' "$*"; }
fact time "$(date +%s%3N)"
root=; [ "$(id -u)" = 0 ] || root='sudo -n'
if [ -z "$root" ] || sudo -n true 2>/dev/null; then fact root yes; else root=; fact root no; fi
( . /etc/os-release 2>/dev/null; fact os "$ID" "$VERSION_ID" )
fact machine "$(uname -m)"
[ -d /run/systemd/system ] && fact systemd "$(systemctl is-system-running 2>/dev/null)"
[ -r "$1" ] && fact manifest "$(sed -n 's/^ *"deployment": *"\([a-z0-9-]*\)".*/\1/p' "$1" | head -n 1)"
disk=$2; [ -d "$disk" ] || disk=/
fact disk $(df -P -k "$disk" | awk 'NR == 2 { print $2, $4 }')
fact memory "$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)"
if command -v ss >/dev/null; then
  $root ss -H -l -n -t -u -p 2>/dev/null | while read -r protocol state _ _ local _ users; do
    process=$(printf %s "$users" | sed -n 's/^users:(("\([^"]*\)".*/\1/p' | tr ' ' '_')
    pid=$(printf %s "$users" | sed -n 's/[^=]*pid=\([0-9]*\).*/\1/p')
    unit=$([ -n "$pid" ] && sed -n 's#.*/\([^/]*\.service\).*#\1#p' "/proc/$pid/cgroup" 2>/dev/null | head -n 1)
    fact listener "$protocol" "$local" "$(printf %s "$process" | grep . || echo '?')" "$(printf %s "$unit" | grep . || echo '?')"
  done
  fact sockets told
fi
shift 2
names=
while [ "$1" != -- ]; do names="$names $1"; shift; done
shift
# A DNS server that does not answer costs its time for each name.
[ -n "$names" ] && echo $names | xargs -n 1 -P 16 sh -c '
  echo cw-fact name "$1" $(timeout 4 getent ahosts "$1" | cut -d " " -f 1 | sort -u)' sh
missing=
while [ "$1" != -- ]; do
  [ "$(dpkg-query -W -f '\${db:Status-Status}' "$1" 2>/dev/null)" = installed ] || missing="$missing $1"
  shift
done
shift
ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1 && fact lists yes
for package in $missing; do
  apt-cache policy "$package" 2>/dev/null | grep -q 'Candidate: [0-9]' || fact missing "$package"
done
for unit; do [ "$(systemctl is-active "$unit" 2>/dev/null)" = active ] && fact rival "$unit"; done
eval "$(apt-config shell proxy Acquire::http::Proxy 2>/dev/null)"
for uri in $(if [ -n "$proxy" ] && [ "$proxy" != DIRECT ]; then echo "$proxy"; else
  apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep '^https\?://' | sort -u; fi); do
  where=\${uri#*://}; where=\${where%%/*}; host=\${where%:*}; port=\${where##*:}
  [ "$port" = "$where" ] && case $uri in https*) port=443 ;; *) port=80 ;; esac
  timeout 4 bash -c 'exec 3<>"/dev/tcp/$1/$2"' sh "$host" "$port" 2>/dev/null || fact deaf "$host:$port"
done
fact end
`.replaceAll(String.raw`\${`, '${')

export interface Wanted {
  readonly names: readonly string[]
  readonly packages: readonly string[]
}

const DEADLINE_MS = 60_000

/**
 * Looks at a host, in one round trip.
 *
 * @returns `undefined` where its answer was cut short
 * @throws CwError why it cannot be logged in to
 */
export async function examine(
  shell: NodeShell,
  { names, packages }: Wanted,
  signal: AbortSignal,
): Promise<Examined | undefined> {
  let firstHeard: number | undefined
  const args = [MANIFEST_PATH, '/var/lib/clearwater', ...names, '--', ...packages, '--', ...RIVALS]
  const { stdout } = await shell.script(EXAMINE, args, {
    signal,
    deadlineMs: DEADLINE_MS,
    onLine: () => {
      firstHeard ??= Date.now()
    },
  })
  const facts = stdout
    .split('\n')
    .filter(line => line.startsWith('cw-fact '))
    .map(line => line.split(' ').slice(1))
  const all = (name: string): readonly (readonly string[])[] =>
    facts.filter(([first]) => first === name).map(words => words.slice(1))
  const one = (name: string): readonly string[] => all(name)[0] ?? []
  if (all('end').length === 0) return undefined
  const [os = 'unknown', osVersion = ''] = one('os')
  const [total, free] = one('disk').map(Number)
  const deployment = one('manifest')[0]
  return {
    isRoot: one('root')[0] === 'yes',
    ...{ os, osVersion },
    machine: one('machine')[0] ?? '',
    systemd: one('systemd')[0] ?? '',
    freeKiB: free ?? 0,
    totalKiB: total ?? 0,
    memoryKiB: Number(one('memory')[0] ?? 0),
    clockAheadMs: Number(one('time')[0]) - (firstHeard ?? Date.now()),
    listeners: all('sockets').length === 0 ? undefined : all('listener').flatMap(listenerOf),
    rivals: all('rival').flatMap(words => words.slice(0, 1)),
    ...(deployment ? { deployment } : {}),
    names: new Map(all('name').map(([name = '', ...addresses]) => [name, addresses])),
    missingPackages: all('missing').flatMap(words => words.slice(0, 1)),
    deafSources: all('deaf').flatMap(words => words.slice(0, 1)),
    hasPackageLists: one('lists')[0] === 'yes',
  }
}

/** `tcp 0.0.0.0:5060 name unit`, as ss writes addresses: `*`, `[::]`, `127.0.0.53%lo`. */
function listenerOf([
  protocol,
  local = '',
  process = '?',
  unit = '?',
]: readonly string[]): readonly Listener[] {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(local) ?? []
  if ((protocol !== 'tcp' && protocol !== 'udp') || port === '') return []
  const address = host.replace(/^\[|\]$/g, '').replace(/%.*$/, '')
  return [{ protocol, address, port: Number(port), process, unit }]
}

/** True where a listener is in the way of one on the node's own address. */
export function isInTheWay({ address }: Listener, node: Pick<DeploymentNode, 'address'>): boolean {
  return address === '*' || address === '0.0.0.0' || address === '::' || address === node.address
}
