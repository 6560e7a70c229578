import { z } from 'zod'
import type { Manifest } from '../playbook/manifest.ts'
import type { PathFact } from '../playbook/probe.ts'
import { mustScript } from '../ssh/shell.ts'
import { action, type ChangeBase, type Drift, type Tools } from './action.ts'
import { absolutePath, mode, owner } from './params.ts'

interface Params {
  readonly path: string
  readonly template?: string | undefined
  readonly content?: string | undefined
  readonly mode: string
  readonly owner: string
  /** Written only where there is none, and somebody else's from then on. */
  readonly seed: boolean
  /** Left out where the template gives nothing. */
  readonly optional: boolean
}

export interface FileChange extends ChangeBase {
  readonly action: 'file' | 'block'
  readonly path: string
  readonly mode: string
  readonly owner: string
  /** Of the whole file as it will be; its text is kept beside the plan. */
  readonly sha256: string
  /** Of the file as it is, if there is one. */
  readonly before?: string
  /** How the manifest calls it, with the digest it remembers: of the file, or of a block in it. */
  readonly record: { readonly as: string; readonly sha256: string; readonly seed?: true }
}

/** A file from a template or with a given text. */
export const file = action<Params, FileChange>({
  schema: z
    .strictObject({
      path: absolutePath,
      template: z.string().optional(),
      content: z.string().optional(),
      mode: mode('0644'),
      owner,
      seed: z.boolean().default(false),
      optional: z.boolean().default(false),
    })
    .refine(it => (it.template === undefined) !== (it.content === undefined), {
      message: 'a file has either a template or a content',
    }),
  probes: ({ path }) => [{ ask: 'path', subject: path }],
  changes(params, { facts, manifest, render, keep, wanted }) {
    const { path, seed } = params
    const text = params.content ?? render(params.template ?? '')
    if (params.optional && text.trim() === '') return []
    const sha256 = keep(text)
    if (!seed) wanted.set(path, sha256)
    const found = facts.path(path)
    if (seed && found.is === 'file') return []
    if (isAsWanted(found, params, sha256)) return []
    const drift = driftAt(path, found, sha256, manifest)
    return [
      {
        action: 'file',
        summary: summaryOf(path, found, sha256),
        path,
        mode: params.mode,
        owner: params.owner,
        sha256,
        ...(found.is === 'file' ? { before: found.sha256 } : {}),
        record: { as: path, sha256, ...(seed ? { seed } : {}) },
        ...(drift === undefined ? {} : { drift }),
      },
    ]
  },
  carryOut: writeFile,
  announced: announceFile,
})

/** Folders that are read whole, like those of logrotate and dnsmasq, pass over copies that are called so. */
const KEEP = 'cp -p "$1" "$1.$(date +%Y%m%dT%H%M%S).dpkg-old"'

export async function writeFile(change: FileChange, { shell, signal, content }: Tools): Promise<void> {
  if (change.drift !== undefined) {
    await mustScript(shell, `keeping ${change.path} aside`, KEEP, [change.path], { sudo: true, signal })
  }
  await shell.write(change.path, content(change.sha256), {
    mode: Number.parseInt(change.mode, 8),
    owner: change.owner,
    sudo: true,
    signal,
  })
}

/** Told before the file is written; what it was before stays known, in case it never comes to that. */
export function announceFile({ record }: FileChange, manifest: Manifest): Manifest {
  const { as, sha256, seed } = record
  const last = manifest.files[as]
  const previous = last?.sha256 === sha256 ? last.previous : last?.sha256
  const entry = {
    sha256,
    ...(previous === undefined ? {} : { previous }),
    ...(seed === undefined ? {} : { seed }),
  }
  return { ...manifest, files: { ...manifest.files, [as]: entry } }
}

function isAsWanted(found: PathFact, want: Params, sha256: string): boolean {
  return (
    found.is === 'file' && found.sha256 === sha256 && found.mode === want.mode && found.owner === want.owner
  )
}

function driftAt(path: string, found: PathFact, sha256: string, manifest: Manifest): Drift | undefined {
  if (found.is === 'absent') return undefined
  if (found.is !== 'file') return { path, kind: 'foreign' }
  return driftOf(path, path, found.sha256, sha256, manifest)
}

/** Is what stands there neither what we want nor anything we wrote? */
export function driftOf(
  path: string,
  record: string,
  found: string,
  want: string,
  manifest: Manifest,
): Drift | undefined {
  const known = manifest.files[record]
  if (found === want || found === known?.sha256 || found === known?.previous) return undefined
  return { path, kind: known === undefined ? 'foreign' : 'edited' }
}

function summaryOf(path: string, found: PathFact, sha256: string): string {
  if (found.is === 'absent') return `create ${path}`
  return found.is === 'file' && found.sha256 === sha256 ? `set mode and owner of ${path}` : `change ${path}`
}
