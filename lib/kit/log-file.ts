import { closeSync, openSync, writeSync } from 'node:fs'
import type { LogDestination } from './log.ts'

/**
 * A file that log lines are appended to, one write each, so that a line is there when the process dies.
 *
 * A full disk costs the lines that do not fit, never the daemon.
 */
export class LogFile implements LogDestination {
  readonly #path: string
  #fd: number
  #lost = 0

  /** @throws what opening it throws */
  constructor(path: string) {
    this.#path = path
    this.#fd = openSync(path, 'a', 0o640)
  }

  /** Lines that could not be written. */
  get lost(): number {
    return this.#lost
  }

  write(line: string): void {
    try {
      writeSync(this.#fd, line)
    } catch {
      this.#lost++
    }
  }

  /** Goes on in a new file under the same name, after the old one was renamed; stays with the old one if it cannot. */
  reopen(): void {
    const fresh = openSync(this.#path, 'a', 0o640)
    closeSync(this.#fd)
    this.#fd = fresh
  }

  close(): void {
    closeSync(this.#fd)
  }
}
