import { z } from 'zod'
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
if systemctl cat "$1" >/dev/null 2>&1; then systemctl disable --quiet --now "$1" || exit 1; fi
[ -z "$2" ] || rm -f -- "$2"
systemctl daemon-reload
`

/** Takes away the units of roles that a node had once and has no more; their data and logs stay. */
export const retire = action<Record<string, never>, RetireChange>({
  schema: z.strictObject({}),
  probes: () => [],
  changes(_params, { retired, manifest }) {
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
    const options = { sudo: true, signal, deadlineMs: 180_000 }
    await mustScript(shell, `stopping ${unit}`, RETIRE, [unit, file], options)
  },
  recorded: ({ unit, file }, manifest): Manifest => ({
    ...manifest,
    units: without(manifest.units, unit),
    files: file === undefined ? manifest.files : without(manifest.files, file),
  }),
})

function without<V>(all: Readonly<Record<string, V>>, gone: string): Record<string, V> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => name !== gone))
}
