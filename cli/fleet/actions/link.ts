import { z } from 'zod'
import { mustScript } from '../ssh/shell.ts'
import { action, type ChangeBase } from './action.ts'
import { absolutePath } from './params.ts'

interface Params {
  readonly path: string
  readonly target: string
}

export interface LinkChange extends ChangeBase, Params {
  readonly action: 'link'
}

/** Replaces in one step: there is never a moment without the link. */
export const LINK = 'ln -s -f -n -- "$2" "$1.new" && mv -f -T -- "$1.new" "$1"'

/** A symbolic link. */
export const link = action<Params, LinkChange>({
  schema: z.strictObject({ path: absolutePath, target: z.string() }),
  probes: ({ path }) => [{ ask: 'path', subject: path }],
  changes({ path, target }, { facts, wanted }) {
    wanted.set(path, target)
    const found = facts.path(path)
    if (found.is === 'link' && found.target === target) return []
    const drift =
      found.is === 'absent' || found.is === 'link' ? {} : { drift: { path, kind: 'foreign' as const } }
    return [{ action: 'link', summary: `link ${path} to ${target}`, path, target, ...drift }]
  },
  async carryOut({ path, target, drift }, { shell, signal }) {
    if (drift !== undefined) {
      await mustScript(shell, `moving ${path} aside`, 'mv -T -- "$1" "$1.kept"', [path], {
        sudo: true,
        signal,
      })
    }
    await mustScript(shell, `linking ${path}`, LINK, [path, target], { sudo: true, signal })
  },
  announced: ({ path }, manifest) =>
    manifest.links.includes(path) ? manifest : { ...manifest, links: [...manifest.links, path] },
})
