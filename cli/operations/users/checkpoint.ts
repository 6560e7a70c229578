import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { CwError } from '../../../lib/kit/errors.ts'
import { START, type Position } from './lines.ts'

/** How much of a file is done: the position, and the subscribers up to there. */
export interface Progress extends Position {
  readonly rows: number
}

/** Beside the file: how much of it is done, and a hash of that part, so that a changed file is noticed. */
export class Checkpoint {
  readonly #file: string
  readonly #path: string
  readonly #hash = createHash('sha256')
  #hashed = 0

  /** @param file the CSV file; the checkpoint is `<file>.cw-import`. */
  constructor(file: string) {
    this.#file = file
    this.#path = `${file}.cw-import`
  }

  /**
   * Where to go on: the start of the file if there is no checkpoint.
   *
   * @throws CwError FILE_INVALID if the part that is done reads otherwise now.
   */
  async resume(): Promise<Progress> {
    const saved = parseSaved(await readFile(this.#path, 'utf8').catch(() => ''))
    if (saved === undefined) return { ...START, rows: 0 }
    if ((await this.#hashUpTo(saved.bytes)) === saved.sha256) return saved
    throw new CwError('FILE_INVALID', 'the file has changed since its import was interrupted', {
      where: { file: this.#file },
      why: `the first ${saved.lines} lines are not those that were imported (${this.#path})`,
      changed: 'nothing',
      remedies: ['import all of it again: --restart'],
    })
  }

  /** Notes that all up to a position is done; replaces the file in one step. */
  async save({ bytes, lines, rows }: Progress): Promise<void> {
    const sha256 = await this.#hashUpTo(bytes)
    const fresh = `${this.#path}.new`
    await writeFile(fresh, `${JSON.stringify({ rows, lines, bytes, sha256 })}\n`)
    await rename(fresh, this.#path)
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true })
  }

  /** Reads on from where it stopped, so that each byte is hashed once. */
  async #hashUpTo(bytes: number): Promise<string> {
    if (bytes > this.#hashed) {
      for await (const chunk of createReadStream(this.#file, { start: this.#hashed, end: bytes - 1 })) {
        this.#hash.update(chunk as Buffer)
      }
      this.#hashed = bytes
    }
    return this.#hash.copy().digest('hex')
  }
}

function parseSaved(text: string): (Progress & { readonly sha256: string }) | undefined {
  try {
    const { bytes, lines, rows, sha256 } = JSON.parse(text) as Record<string, unknown>
    if (typeof bytes !== 'number' || typeof lines !== 'number') return undefined
    if (typeof rows !== 'number' || typeof sha256 !== 'string') return undefined
    return { bytes, lines, rows, sha256 }
  } catch {
    return undefined
  }
}
