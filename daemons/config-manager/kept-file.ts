import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { formatFault, hasErrors } from '../../lib/config/fault.ts'
import {
  changesBetween,
  validateSharedFile,
  type SharedChange,
  type SharedFileName,
} from '../../lib/config/shared-file.ts'
import type { FileReport } from '../../lib/etcd/node-report.ts'
import { readIfThere, replaceFile } from '../../lib/kit/atomic-file.ts'

/** A text in etcd and the revision at which it was written. */
export interface Target {
  readonly text: string
  readonly revision: number
}

/** Where a file has got to: nothing to be done, refused for its faults, or on disk with what it asks of the daemons. */
export type Taken =
  | { readonly kind: 'current' }
  | { readonly kind: 'refused'; readonly isNew: boolean }
  | {
      readonly kind: 'changed'
      readonly changes: readonly SharedChange[]
      readonly handEdited: string | undefined
    }

/** Secrets are among the options. */
const MODE = 0o640

/**
 * One shared file on this node.
 *
 * Beside the file itself a copy of what was taken last is kept: by it an edit by hand is told from a change in etcd, and
 * what a change asks of the daemons is done again if this process ends before it is done.
 */
export class KeptFile {
  readonly name: SharedFileName
  readonly #path: string
  readonly #copyPath: string
  #taken: string | undefined
  #revision = 0
  #refused: FileReport['refused']
  #drift: string | undefined

  private constructor(name: SharedFileName, configDir: string, stateDir: string, taken: string | undefined) {
    this.name = name
    this.#path = join(configDir, name)
    this.#copyPath = copyPathOf(name, stateDir)
    this.#taken = taken
  }

  static async open(name: SharedFileName, configDir: string, stateDir: string): Promise<KeptFile> {
    const taken = await readIfThere(copyPathOf(name, stateDir))
    return new KeptFile(name, configDir, stateDir, taken?.toString())
  }

  /** What stands in the file now. */
  async read(): Promise<string | undefined> {
    return (await readIfThere(this.#path))?.toString()
  }

  /** Puts what etcd says into the file, unless it is invalid. What somebody wrote there by hand is kept beside. */
  async take(target: Target): Promise<Taken> {
    const faults = validateSharedFile(this.name, target.text)
    if (hasErrors(faults)) {
      const told = faults.filter(fault => fault.severity === 'error').map(fault => formatFault(fault))
      const isNew = this.#refused?.revision !== target.revision
      this.#refused = { revision: target.revision, faults: told.slice(0, MOST_FAULTS) }
      return { kind: 'refused', isNew }
    }
    this.#refused = undefined

    const onDisk = await this.read()
    this.#drift = undefined
    if (this.#taken === target.text) {
      this.#revision = target.revision
      // An edit by hand may be about to be imported, so it stays until etcd has something newer (manual 8.20).
      if (onDisk === undefined) await replaceFile(this.#path, target.text, MODE)
      else if (onDisk !== target.text) this.#drift = hashOf(onDisk)
      return { kind: 'current' }
    }
    const before = this.#taken ?? onDisk
    const handEdited = onDisk !== undefined && onDisk !== this.#taken && onDisk !== target.text
    const beside = handEdited ? `${this.#path}.hand-edited-${hashOf(onDisk).slice(0, 8)}` : undefined
    if (beside !== undefined) await replaceFile(beside, onDisk ?? '', MODE)
    if (onDisk !== target.text) await replaceFile(this.#path, target.text, MODE)
    return { kind: 'changed', changes: changesBetween(this.name, before, target.text), handEdited: beside }
  }

  /** All that a change asked for is done. */
  async settle(target: Target): Promise<void> {
    await replaceFile(this.#copyPath, target.text, MODE)
    this.#taken = target.text
    this.#revision = target.revision
  }

  report(): FileReport | undefined {
    if (this.#taken === undefined && this.#refused === undefined) return undefined
    return {
      revision: this.#revision,
      sha256: hashOf(this.#taken ?? ''),
      ...(this.#refused === undefined ? {} : { refused: this.#refused }),
      ...(this.#drift === undefined ? {} : { drift: this.#drift }),
    }
  }
}

const MOST_FAULTS = 20

function copyPathOf(name: SharedFileName, stateDir: string): string {
  return join(stateDir, `${name}.taken`)
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
