import { z } from 'zod'
import { CwError } from '../../../lib/kit/errors.ts'
import { action, type ChangeBase } from './action.ts'

const INSTALL_DEADLINE_MS = 15 * 60_000

export interface PackagesChange extends ChangeBase {
  readonly action: 'packages'
  readonly names: readonly string[]
}

const POLICY = '/usr/sbin/policy-rc.d'
/** A line of our own policy, by which a later run knows one that a power cut has left behind. */
const MARK = '# Written by cw deploy while it installs packages.'

/**
 * Installs without starting anything: what a package would run by itself is not configured yet. A host's own policy
 * is left alone. A mirror that stalls costs two minutes and a line: the lists that are there may well do.
 */
const INSTALL = String.raw`
policy=$1; mark=$2; shift 2
if grep -qxF "$mark" "$policy" 2>/dev/null; then rm -f "$policy" || exit 1; fi
[ $# -gt 0 ] || exit 0
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\n%s\nexit 101\n' "$mark" > "$policy.new" && chmod 755 "$policy.new" && sync "$policy.new" &&
    mv -f "$policy.new" "$policy" || exit 1
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' HUP INT TERM
fi
DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND
timeout -k 10 120 apt-get -q -o DPkg::Lock::Timeout=60 -o Acquire::http::Timeout=20 -o Acquire::Retries=2 update ||
  echo 'cw: the package lists could not be renewed' >&2
apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::http::Timeout=20 -o Acquire::Retries=2 -o Dpkg::Options::=--force-confold \
  install --no-install-recommends "$@"
`

const LEFT_BEHIND = ['grep', '-qxF', MARK, POLICY]

/** Debian packages, by the host's own apt. */
export const packages = action<{ readonly names: readonly string[] }, PackagesChange>({
  schema: z.strictObject({ names: z.array(z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/)).min(1) }),
  probes: ({ names }) => [
    ...names.map(subject => ({ ask: 'package' as const, subject })),
    { ask: 'guard', argv: LEFT_BEHIND },
  ],
  changes({ names }, { facts }) {
    const missing = names.filter(name => !facts.isInstalled(name))
    if (missing.length === 0) {
      if (!facts.guard(LEFT_BEHIND)) return []
      return [{ action: 'packages', summary: `remove ${POLICY}, left by a run that was killed`, names: [] }]
    }
    return [{ action: 'packages', summary: `install ${missing.join(', ')}`, names: missing }]
  },
  async carryOut({ names }, { shell, signal }) {
    const result = await shell.script(INSTALL, [POLICY, MARK, ...names], {
      sudo: true,
      signal,
      deadlineMs: INSTALL_DEADLINE_MS,
    })
    if (result.code !== 0) throw failed(shell.node, names, `${result.stdout}\n${result.stderr}`)
  },
})

function failed(host: string, names: readonly string[], output: string): CwError {
  const said = output
    .split('\n')
    .filter(line => /^(E|W): |cannot|Unable/.test(line))
    .slice(-3)
  const unknown = [...output.matchAll(/(?:locate package|Package '?)\s*([a-z0-9][a-z0-9+.-]*)/g)]
    .map(match => match[1] ?? '')
    .filter(name => names.includes(name))
  const missing = unknown.length > 0 ? [...new Set(unknown)] : names
  return new CwError('PACKAGES_FAILED', `${host} could not install ${missing.join(', ')}`, {
    where: { host },
    why: said.join(' / ') || 'apt-get failed and did not say why',
    changed: 'some',
    remedies: [
      `let the host's own apt find them: cw ssh ${host}, sudo apt-get update, apt-cache policy ${missing.join(' ')}`,
      'then: cw resume',
    ],
  })
}
