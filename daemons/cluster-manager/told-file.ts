import { rm } from 'node:fs/promises'
import { readIfThere, replaceFile } from '../../lib/kit/atomic-file.ts'
import type { Units } from '../../lib/kit/units.ts'

/** A file that daemons of this node read, and are told of when it changes. */
export class ToldFile {
  readonly path: string
  readonly #readers: readonly string[]
  readonly #units: Pick<Units, 'reload'>
  /** What they have been told of: a process before this one may have ended between the file and the telling. */
  #told: string | undefined

  constructor(path: string, readers: readonly string[], units: Pick<Units, 'reload'>) {
    this.path = path
    this.#readers = readers
    this.#units = units
  }

  /** @throws Error if it cannot be written, or a daemon cannot be told; then it is done by doing it again */
  async write(text: string): Promise<void> {
    const isThere = (await readIfThere(this.path))?.toString() === text
    if (isThere && this.#told === text) return
    if (!isThere) await replaceFile(this.path, text, 0o644)
    for (const daemon of this.#readers) await this.#units.reload(daemon)
    this.#told = text
  }

  /** They keep to what they have read last, until they end. */
  async remove(): Promise<void> {
    await rm(this.path, { force: true })
    this.#told = undefined
  }
}
