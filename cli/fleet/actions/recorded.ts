import { z } from 'zod'
import { MANIFEST_PATH } from '../playbook/manifest.ts'
import { mustScript } from '../ssh/shell.ts'
import { action, type ChangeBase, type Look, type Tools } from './action.ts'
import { withoutBlock } from './block.ts'

const WHAT = ['units', 'files', 'links', 'directories', 'manifest'] as const

interface Params {
  readonly remove: (typeof WHAT)[number]
}

export interface RecordedChange extends ChangeBase {
  readonly action: 'recorded'
  readonly remove: Params['remove']
  readonly targets: readonly string[]
  /** Units that go on without what is removed. */
  readonly restarted?: readonly string[]
}

/** Removes what the manifest says was put on the node: nothing else is touched, and packages stay. */
export const recorded = action<Params, RecordedChange>({
  schema: z.strictObject({ remove: z.enum(WHAT) }),
  probes: () => [{ ask: 'path', subject: MANIFEST_PATH }],
  changes({ remove }, look) {
    const targets = targetsOf(remove, look)
    if (targets.length === 0) return []
    const base = { action: 'recorded' as const, remove, targets }
    const summary = `${remove === 'units' ? 'stop' : 'remove'} ${targets.join(', ')}`
    // They go on, without what we had told them.
    const restarted = remove === 'files' ? look.manifest.ranBefore : []
    if (restarted.length === 0) return [{ ...base, summary }]
    return [{ ...base, summary: `${summary}; restart ${restarted.join(', ')}`, restarted }]
  },
  carryOut: removeThem,
})

/** Innermost folders first; the one that holds the manifest goes with it, at the very end. */
function targetsOf(remove: Params['remove'], { manifest, facts }: Look): readonly string[] {
  switch (remove) {
    case 'units':
      return Object.keys(manifest.units).filter(unit => !manifest.ranBefore.includes(unit))
    case 'files':
      return Object.keys(manifest.files)
    case 'links':
      return manifest.links
    case 'directories':
      return manifest.directories
        .filter(path => !isAboveManifest(path))
        .toSorted()
        .toReversed()
    case 'manifest':
      if (facts.path(MANIFEST_PATH).is === 'absent') return []
      return [MANIFEST_PATH, ...manifest.directories.filter(isAboveManifest).toSorted().toReversed()]
  }
}

async function removeThem({ remove, targets, restarted }: RecordedChange, tools: Tools): Promise<void> {
  const { shell, signal } = tools
  const options = { sudo: true, signal, deadlineMs: 180_000 }
  if (remove === 'units') {
    const stop = `for it; do
      systemctl cat "$it" >/dev/null 2>&1 || continue
      systemctl disable --quiet --now "$it" || exit 1
    done`
    await mustScript(shell, 'stopping the units', stop, targets, options)
    return
  }
  const blocks = targets
    .filter(target => target.endsWith('#clearwater'))
    .map(target => target.split('#')[0] ?? '')
  for (const path of blocks) await removeBlock(path, tools)
  const paths = targets.filter(target => !target.endsWith('#clearwater'))
  await mustScript(shell, `removing ${remove}`, 'rm -rf -- "$@"', paths, options)
  if (remove === 'files') await mustScript(shell, 'reloading systemd', 'systemctl daemon-reload', [], options)
  if (restarted !== undefined) {
    const again = 'for it; do systemctl try-restart "$it" || exit 1; done'
    await mustScript(shell, 'restarting what was there before', again, restarted, options)
  }
}

async function removeBlock(path: string, { shell, signal }: Tools): Promise<void> {
  const now = (await shell.read(path, { sudo: true }))?.toString('utf8')
  if (now === undefined || now === withoutBlock(now)) return
  await shell.write(path, withoutBlock(now), { mode: 0o644, owner: 'root:root', sudo: true, signal })
}

function isAboveManifest(path: string): boolean {
  return MANIFEST_PATH.startsWith(`${path}/`)
}
