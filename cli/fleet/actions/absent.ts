import { z } from 'zod'
import type { Manifest } from '../playbook/manifest.ts'
import { mustScript } from '../ssh/shell.ts'
import { action, type ChangeBase } from './action.ts'
import { driftOf } from './file.ts'
import { absolutePath } from './params.ts'

export interface AbsentChange extends ChangeBase {
  readonly action: 'absent'
  readonly path: string
}

const REMOVE =
  'if [ -n "$2" ]; then cp -p "$1" "$1.$(date +%Y%m%dT%H%M%S).dpkg-old" || exit 1; fi; rm -f -- "$1"'

/** Takes away a file of ours that an optional template once gave, where it gives nothing any more. */
export const absent = action<{ readonly path: string; readonly template: string }, AbsentChange>({
  schema: z.strictObject({ path: absolutePath, template: z.string() }),
  probes: ({ path }) => [{ ask: 'path', subject: path }],
  changes({ path, template }, { facts, manifest, render }) {
    if (render(template).trim() !== '' || manifest.files[path] === undefined) return []
    const found = facts.path(path)
    const drift = found.is === 'file' ? driftOf(path, path, found.sha256, '', manifest) : undefined
    return [
      {
        action: 'absent',
        summary: `remove ${path}`,
        path,
        ...(drift === undefined ? {} : { drift }),
      },
    ]
  },
  async carryOut({ path, drift }, { shell, signal }) {
    const kept = drift === undefined ? '' : 'kept'
    await mustScript(shell, `removing ${path}`, REMOVE, [path, kept], { sudo: true, signal })
  },
  recorded: ({ path }, manifest): Manifest => {
    const { [path]: _gone, ...files } = manifest.files
    return { ...manifest, files }
  },
})
