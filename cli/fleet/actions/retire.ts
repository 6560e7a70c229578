import { z } from 'zod'
import { CwError } from '../../../lib/kit/errors.ts'
import { CASSANDRA_DATA, CASSANDRA_UNIT } from './cassandra-member.ts'
import type { Manifest } from '../playbook/manifest.ts'
import { mustScript } from '../ssh/shell.ts'
import { action, type ChangeBase } from './action.ts'

export interface RetireChange extends ChangeBase {
  readonly action: 'retire'
  readonly unit: string
  /** Its unit file, where we have put it there. */
  readonly file?: string
}

/** The file goes last but for the record: a run that is killed between them does both again. */
const RETIRE = `
given=
# What a node of Cassandra has goes to the others first, and is of no use to it any more.
if [ "$1" = "$3" ] && systemctl is-active --quiet "$1"; then nodetool decommission --force || exit 1; given=yes; fi
if systemctl cat "$1" >/dev/null 2>&1; then systemctl disable --quiet --now "$1" || exit 1; fi
[ -z "$given" ] || find "$4" -mindepth 1 -delete || exit 1
[ -z "$2" ] || rm -f -- "$2"
systemctl daemon-reload
`

/** Takes away the units of roles that a node had once and has no more; their data and logs stay. */
export const retire = action<Record<string, never>, RetireChange>({
  schema: z.strictObject({}),
  probes: () => [],
  changes(_params, { retired, manifest, cassandra, node }) {
    if (retired.includes(CASSANDRA_UNIT) && !cassandra.stays) throw subscribersLost(node)
    return retired.map(unit => {
      const file = `/etc/systemd/system/${unit}`
      return {
        action: 'retire',
        summary: `stop and disable ${unit} (role removed)`,
        unit,
        ...(manifest.files[file] === undefined ? {} : { file }),
      }
    })
  },
  async carryOut({ unit, file = '' }, { shell, signal }) {
    const options = { sudo: true, signal, deadlineMs: 600_000 }
    await mustScript(shell, `stopping ${unit}`, RETIRE, [unit, file, CASSANDRA_UNIT, CASSANDRA_DATA], options)
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
