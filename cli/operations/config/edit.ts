import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SharedFileName } from '../../../lib/config/shared-file.ts'
import { CwError } from '../../../lib/kit/errors.ts'

/** A text in a file of its own, which only this user can read, as long as somebody edits it. */
export class EditedFile implements AsyncDisposable {
  readonly path: string
  readonly #folder: string

  private constructor(folder: string, name: string) {
    this.#folder = folder
    this.path = join(folder, name)
  }

  static async open(name: SharedFileName, text: string): Promise<EditedFile> {
    const folder = await mkdtemp(join(tmpdir(), 'cw-config-'))
    const file = new EditedFile(folder, name)
    await writeFile(file.path, text, { mode: 0o600 })
    return file
  }

  /**
   * Opens the operator's editor and returns the text once it is left.
   *
   * @param editor a command of the shell, as `$EDITOR` is: it may have arguments of its own
   * @throws CwError COMMAND_FAILED
   */
  async edit(editor: string): Promise<string> {
    const child = spawn('/bin/sh', ['-c', `${editor} "$1"`, 'sh', this.path], { stdio: 'inherit' })
    const [code] = (await once(child, 'close')) as [number | null]
    if (code !== 0) {
      throw new CwError('COMMAND_FAILED', `the editor ended with ${code ?? 'a signal'}`, {
        why: `it was started as: ${editor}`,
        changed: 'nothing',
        remedies: ['choose another one: EDITOR=nano cw config edit'],
      })
    }
    return readFile(this.path, 'utf8')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }
}
