import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { CwError } from '../../lib/kit/errors.ts'

/** Folders that lie beside the code, in a checkout as in a release. */
type Resources = 'playbooks' | 'templates'

/** Where a shipped folder is: in the nearest folder above this code that has it. */
export function resourceFolder(name: Resources): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const found = join(folder, name)
    if (existsSync(found)) return found
    if (folder === dirname(folder)) throw new CwError('BUG', `this release has no ${name}`)
  }
}
