import { dirname } from 'node:path/posix'
import { z } from 'zod'
import { CwError } from '../../../lib/kit/errors.ts'
import { mustRun, type NodeShell } from '../ssh/shell.ts'

/** Where a node keeps what was deployed onto it. */
export const MANIFEST_PATH = '/var/lib/clearwater/deployed.json'

const fileRecord = z.object({
  sha256: z.string(),
  /** What was there, of ours, before; told ahead of writing, so that a run which is killed leaves no riddle. */
  previous: z.string().optional(),
  /** Put there once and then left to somebody else, such as config-manager. */
  seed: z.literal(true).optional(),
})

const manifestSchema = z.object({
  format: z.literal(1),
  deployment: z.string(),
  files: z.record(z.string(), fileRecord).default({}),
  /** Folders that did not exist before. */
  directories: z.array(z.string()).default([]),
  links: z.array(z.string()).default([]),
  /** Units that we run, each with what it was last started on. */
  units: z.record(z.string(), z.string()).default({}),
  /** Those of them that ran already when we came. */
  ranBefore: z.array(z.string()).default([]),
})

/** What was put on a node: which bytes at which path, which folders, links and units are ours. */
export type Manifest = z.infer<typeof manifestSchema>

export function emptyManifest(deployment: string): Manifest {
  return { format: 1, deployment, files: {}, directories: [], links: [], units: {}, ranBefore: [] }
}

/** @throws FILE_INVALID for what no `cw` has written. */
export function parseManifest(text: string, host: string): Manifest {
  try {
    return manifestSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new CwError('FILE_INVALID', `the record of what was deployed to ${host} cannot be read`, {
      where: { host, file: MANIFEST_PATH },
      changed: 'nothing',
      remedies: [`move it away to start afresh: cw ssh ${host}, sudo mv ${MANIFEST_PATH} /root/`],
      cause,
    })
  }
}

/** The manifest of one node while an operation changes it. */
export class NodeManifest {
  #current: Manifest
  readonly #shell: NodeShell
  readonly #signal: AbortSignal | undefined
  #hasFolder = false

  constructor(shell: NodeShell, current: Manifest, signal?: AbortSignal) {
    this.#shell = shell
    this.#current = current
    this.#signal = signal
  }

  get current(): Manifest {
    return this.#current
  }

  /** Writes to the node what `change` makes of the manifest; nothing when that is the same. */
  async update(change: (now: Manifest) => Manifest): Promise<void> {
    const next = change(this.#current)
    if (JSON.stringify(next) === JSON.stringify(this.#current)) return
    const text = `${JSON.stringify(next, undefined, 2)}\n`
    const access = { sudo: true, signal: this.#signal }
    if (!this.#hasFolder) await mustRun(this.#shell, ['mkdir', '-p', dirname(MANIFEST_PATH)], access)
    this.#hasFolder = true
    await this.#shell.write(MANIFEST_PATH, text, { mode: 0o644, ...access })
    this.#current = next
  }
}
