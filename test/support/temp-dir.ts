import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder of its own for one test; disposing removes it with everything inside. */
export class TempDir implements Disposable {
  readonly path: string

  constructor(name: string) {
    this.path = mkdtempSync(join(tmpdir(), `clearwater-${name}-`))
  }

  file(name: string): string {
    return join(this.path, name)
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5 })
  }
}
