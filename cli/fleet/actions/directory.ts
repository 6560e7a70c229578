import { z } from 'zod'
import { mustScript } from '../ssh/shell.ts'
import { action, type ChangeBase } from './action.ts'
import { absolutePath, mode, owner } from './params.ts'

interface Params {
  readonly path: string
  readonly mode: string
  readonly owner: string
}

export interface DirectoryChange extends ChangeBase, Params {
  readonly action: 'directory'
  readonly created: boolean
}

/** A folder with its mode and owner; those above it are made as needed. */
export const directory = action<Params, DirectoryChange>({
  schema: z.strictObject({ path: absolutePath, mode: mode('0755'), owner }),
  probes: ({ path }) => [{ ask: 'path', subject: path }],
  changes(params, { facts }) {
    const found = facts.path(params.path)
    const created = found.is === 'absent'
    if (found.is === 'directory' && found.mode === params.mode && found.owner === params.owner) return []
    const summary = created
      ? `create ${params.path} (${params.owner}, ${params.mode})`
      : `give ${params.path} to ${params.owner}, ${params.mode}`
    return [{ action: 'directory', summary, ...params, created }]
  },
  async carryOut({ path, mode: bits, owner: whose }, { shell, signal }) {
    const text = 'mkdir -p "$1" && chown "$2" "$1" && chmod "$3" "$1"'
    await mustScript(shell, `making ${path}`, text, [path, whose, bits], { sudo: true, signal })
  },
  announced: ({ path, created }, manifest) =>
    created && !manifest.directories.includes(path)
      ? { ...manifest, directories: [...manifest.directories, path] }
      : manifest,
})
