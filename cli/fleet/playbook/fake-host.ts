import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Programs of a host, as far as actions use them, on files in `$STATE`. */
const PROGRAMS: Readonly<Record<string, string>> = {
  systemctl: String.raw`
    verb=$1; shift
    while [ "$1" != "\${1#-}" ]; do if [ "$1" = -p ] || [ "$1" = -s ]; then last=$2; shift 2; else [ "$1" = --now ] && now=1; shift; fi; done
    name=$1
    case $verb in
    show)
      if [ -f "$STATE/active/$name" ]; then active=active; else active=inactive; fi
      if [ -f "$STATE/enabled/$name" ]; then enabled=enabled; else enabled=disabled; fi
      printf 'LoadState=loaded\nActiveState=%s\nUnitFileState=%s\n' "$active" "$enabled" ;;
    enable) : > "$STATE/enabled/$name" ;;
    disable) rm -f "$STATE/enabled/$name"; [ -n "$now" ] && rm -f "$STATE/active/$name"; : ;;
    start|restart)
      [ -f "$STATE/broken/$name" ] && exit 1
      date +%s%N > "$STATE/active/$name" ;;
    is-active) [ -f "$STATE/active/$name" ] ;;
    # Who drains ends at once, unless it has somebody left.
    kill) [ "$last" != QUIT ] || [ -f "$STATE/lingers/$name" ] || rm -f "$STATE/active/$name" ;;
    cat|daemon-reload|reset-failed|status) ;;
    esac`,
  journalctl: 'echo "it does not want to"',
  'dpkg-query': '[ -f "$STATE/packages/$4" ] && printf installed',
  'apt-get': String.raw`
    for word; do last=$word; [ "$word" = install ] && install=1; done
    [ -z "$install" ] && exit 0
    if [ -f "$STATE/broken/$last" ]; then echo "E: Unable to locate package $last"; exit 100; fi
    for word; do case $word in -*|install|DPkg*|Dpkg*) ;; *) : > "$STATE/packages/$word" ;; esac; done`,
  getent: '[ -f "$STATE/accounts/$2" ]',
  useradd: 'for word; do last=$word; done; : > "$STATE/accounts/$last"',
  chown: 'mkdir -p "$STATE/owners/$2"; echo "$1" > "$STATE/owners/$2/is"',
  stat: String.raw`
    mode=$(/usr/bin/stat -c %a "$3"); owner=root:root
    [ -f "$STATE/owners/$3/is" ] && read -r owner < "$STATE/owners/$3/is"
    echo "$mode $owner"`,
  // A link's target is an argument, and so was mapped into the root.
  readlink:
    'if [ "$1" = -f ]; then /usr/bin/readlink "$@"; else /usr/bin/readlink "$1" | sed "s#^${STATE%/state}/#/#"; fi',
  sync: ':',
}

export interface FakeHost {
  readonly root: string
  /** Makes a package or a unit fail from now on, or work again. */
  breakIt(name: string, broken?: boolean): void
  /** Has a unit go on serving somebody while it drains, or no more. */
  linger(name: string, lingers?: boolean): void
  /** Every call of systemctl that changes something so far, such as `systemctl restart it.service`. */
  calls(): readonly string[]
  has(kind: 'active' | 'enabled' | 'packages' | 'accounts', name: string): boolean
  read(path: string): string | undefined
}

/** Makes a folder into a host for `localShell`: with a package manager, systemd and accounts that live in files. */
export function fakeHost(root: string): FakeHost {
  const state = join(root, 'state')
  for (const folder of ['active', 'enabled', 'broken', 'packages', 'accounts', 'owners', 'lingers']) {
    mkdirSync(join(state, folder), { recursive: true })
  }
  for (const folder of ['etc', 'usr/sbin', 'usr/local/bin', 'opt']) {
    mkdirSync(join(root, folder), { recursive: true })
  }
  for (const [name, text] of Object.entries(PROGRAMS)) {
    const file = join(root, 'usr/local/bin', name)
    const note = name === 'systemctl' ? `[ "$1" = show ] || echo "${name} $*" >> ${state}/calls` : ':'
    writeFileSync(file, `#!/bin/sh\nSTATE=${state}\n${note}\n${text.replaceAll(String.raw`\$`, '$')}\n`)
    chmodSync(file, 0o755)
  }
  const text = (file: string): string | undefined =>
    existsSync(file) ? readFileSync(file, 'utf8') : undefined
  return {
    root,
    breakIt: (name, broken = true) => {
      const file = join(state, 'broken', name)
      if (broken) writeFileSync(file, '')
      else rmSync(file, { force: true })
    },
    linger: (name, lingers = true) => {
      const file = join(state, 'lingers', name)
      if (lingers) writeFileSync(file, '')
      else rmSync(file, { force: true })
    },
    calls: () => (text(join(state, 'calls')) ?? '').split('\n').filter(line => line !== ''),
    has: (kind, name) => existsSync(join(state, kind, name)),
    read: path => text(join(root, path)),
  }
}
