/** One question to a node. All questions of an operation go there in one round trip. */
export type Probe =
  | { readonly ask: 'path'; readonly subject: string }
  | { readonly ask: 'content'; readonly subject: string }
  /** The certificates in a file, without the keys that stand beside them. */
  | { readonly ask: 'certificate'; readonly subject: string }
  | { readonly ask: 'package'; readonly subject: string }
  | { readonly ask: 'unit'; readonly subject: string }
  | { readonly ask: 'account'; readonly subject: string }
  /** `http://address:port/path`, asked from the node itself. */
  | { readonly ask: 'http'; readonly subject: string }
  | { readonly ask: 'guard'; readonly argv: readonly string[] }

/** What is at a path. Owner as `user:group`, mode as octal digits. */
export type PathFact =
  | { readonly is: 'absent' }
  | { readonly is: 'file'; readonly mode: string; readonly owner: string; readonly sha256: string }
  | { readonly is: 'directory'; readonly mode: string; readonly owner: string }
  | { readonly is: 'link'; readonly target: string }
  | { readonly is: 'other' }

export interface UnitFact {
  /** systemd knows the unit. */
  readonly known: boolean
  readonly active: boolean
  /** `failed`, `activating`, `inactive`… */
  readonly state: string
  readonly enabled: boolean
}

export interface HostFact {
  /** ID of os-release: `debian`, `ubuntu`… */
  readonly os: string
  readonly osVersion: string
  /** As `uname -m` says. */
  readonly machine: string
}

/** Asks about everything given as arguments and prints a line for each answer; whatever else prints is not ours. */
export const OBSERVE_SCRIPT = String.raw`
LC_ALL=C; export LC_ALL
fact() { printf 'cw-fact %s\n' "$*"; }
coded() { base64 | tr -d '\n'; }
os=$(. /etc/os-release 2>/dev/null; printf '%s %s' "$ID" "$VERSION_ID")
fact host $os "$(uname -m)"
n=0
while [ $# -gt 0 ]; do
  ask=$1; it=$2; shift 2
  case $ask in
  path)
    if [ -L "$it" ]; then fact $n link "$(readlink "$it" | coded)"
    elif [ -f "$it" ]; then
      fact $n file $(stat -c '%a %U:%G' "$it") "$(sha256sum < "$it" | cut -c1-64)"
    elif [ -d "$it" ]; then fact $n directory $(stat -c '%a %U:%G' "$it")
    elif [ -e "$it" ]; then fact $n other
    else fact $n absent
    fi ;;
  content)
    if [ -f "$it" ]; then fact $n content "$(coded < "$it")"; else fact $n absent; fi ;;
  certificate)
    if [ -f "$it" ]; then
      fact $n certificate "$(sed -n '/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/p' "$it" | coded)"
    else fact $n absent
    fi ;;
  package)
    fact $n $(dpkg-query -W -f '\${db:Status-Status}' "$it" 2>/dev/null || echo absent) ;;
  unit)
    fact $n $(systemctl show -p LoadState -p ActiveState -p UnitFileState "$it" 2>/dev/null) ;;
  account)
    if getent passwd "$it" >/dev/null; then fact $n present; else fact $n absent; fi ;;
  http)
    rest=\${it#http://}; path=/\${rest#*/}; where=\${rest%%/*}; port=\${where##*:}; host=\${where%:*}
    host=\${host#[}; host=\${host%]}
    fact $n "$(timeout 3 bash -c 'exec 3<>"/dev/tcp/$1/$2" &&
      printf "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" "$3" "$1" >&3 && read -r _ code _ <&3 && echo "$code"
      ' sh "$host" "$port" "$path" 2>/dev/null || echo silent)" ;;
  guard)
    k=1; line=
    while [ $k -le "$it" ]; do line="$line "'"\${'"$k"'}"'; k=$((k+1)); done
    if eval "$line" >/dev/null 2>&1 </dev/null; then fact $n yes; else fact $n no; fi
    shift "$it" ;;
  esac
  n=$((n+1))
done
fact end
`.replaceAll(String.raw`\${`, '${')

/** The arguments of {@link OBSERVE_SCRIPT}. */
export function observeArguments(probes: readonly Probe[]): readonly string[] {
  return probes.flatMap(probe =>
    probe.ask === 'guard'
      ? [probe.ask, String(probe.argv.length), ...probe.argv]
      : [probe.ask, probe.subject],
  )
}

/** A probe as the key of its answer. */
export function probeKey(probe: Probe): string {
  return JSON.stringify(probe.ask === 'guard' ? [probe.ask, ...probe.argv] : [probe.ask, probe.subject])
}
