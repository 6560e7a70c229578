import { z } from 'zod'
import { CwError } from '../../../lib/kit/errors.ts'
import { CASSANDRA_DATA, CASSANDRA_UNIT } from './cassandra-member.ts'
import type { Manifest } from '../playbook/manifest.ts'
import { mustScript } from '../ssh/shell.ts'
import { action, type ChangeBase } from './action.ts'
import { unitName } from './params.ts'

interface Params {
  /** Units that go now: these, or all others. */
  readonly only?: readonly string[] | undefined
  readonly except?: readonly string[] | undefined
  /** How long one that serves is waited for until it has nobody left, in seconds; then it is stopped all the same. */
  readonly drain: number
}

export interface RetireChange extends ChangeBase {
  readonly action: 'retire'
  readonly unit: string
  /** Its unit file, where we have put it there. */
  readonly file?: string
  /** In seconds; absent: it is stopped at once. */
  readonly drain?: number
}

/** The file goes last but for the record: a run that is killed between them does both again. */
const RETIRE = `
given=
# What a node of Cassandra has goes to the others first, and is of no use to it any more.
if [ "$1" = "$3" ] && systemctl is-active --quiet "$1"; then nodetool decommission --force || exit 1; given=yes; fi
# Whoever drains ends by itself, and is not to be started again for that.
if [ "$5" -gt 0 ] && systemctl is-active --quiet "$1"; then
  mkdir -p "/run/systemd/system/$1.d" && printf '[Service]\nRestart=no\n' > "/run/systemd/system/$1.d/drain.conf"
  systemctl daemon-reload && systemctl kill --kill-who=main -s QUIT "$1"
  end=$(($(date +%s) + $5))
  while systemctl is-active --quiet "$1" && [ "$(date +%s)" -lt "$end" ]; do sleep 0.5; done
fi
if systemctl cat "$1" >/dev/null 2>&1; then systemctl disable --quiet --now "$1" || exit 1; fi
[ -z "$given" ] || find "$4" -mindepth 1 -delete || exit 1
[ -z "$2" ] || rm -f -- "$2"
rm -rf -- "/run/systemd/system/$1.d"
systemctl daemon-reload
`

/** Takes away the units of roles that a node had once and has no more; their data and logs stay. */
export const retire = action<Params, RetireChange>({
  schema: z.strictObject({
    only: z.array(unitName).optional(),
    except: z.array(unitName).optional(),
    drain: z.int().min(0).max(3600).default(0),
  }),
  probes: () => [],
  changes({ only, except = [], drain }, { retired: all, manifest, cassandra, node }) {
    const retired = all.filter(unit => (only === undefined || only.includes(unit)) && !except.includes(unit))
    if (retired.includes(CASSANDRA_UNIT) && !cassandra.stays) throw subscribersLost(node)
    return retired.map(unit => {
      const file = `/etc/systemd/system/${unit}`
      return {
        action: 'retire',
        summary: `${drain > 0 ? 'drain, ' : ''}stop and disable ${unit} (role removed)`,
        unit,
        ...(manifest.files[file] === undefined ? {} : { file }),
        ...(drain === 0 ? {} : { drain }),
      }
    })
  },
  async carryOut({ unit, file = '', drain = 0 }, { shell, signal }) {
    const options = { sudo: true, signal, deadlineMs: 600_000 + drain * 1000 }
    const args = [unit, file, CASSANDRA_UNIT, CASSANDRA_DATA, String(drain)]
    await mustScript(shell, `stopping ${unit}`, RETIRE, args, options)
  },
  recorded: ({ unit, file }, manifest): Manifest => ({
    ...manifest,
    units: without(manifest.units, unit),
    files: file === undefined ? manifest.files : without(manifest.files, file),
  }),
})

function subscribersLost(node: string): CwError {
  return new CwError('OPTION_INVALID', 'the subscribers are in the Cassandra of several homesteads', {
    where: { host: node },
    why: 'a homestead that is left alone would keep subscribers itself, and have none',
    changed: 'nothing',
    remedies: ['leave the role homestead on at least two nodes'],
  })
}

function without<V>(all: Readonly<Record<string, V>>, gone: string): Record<string, V> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => name !== gone))
}
