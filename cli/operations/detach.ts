import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { journalFolder } from '../fleet/journal.ts'

/** A command that goes on without its terminal. */
export interface Detached {
  readonly pid: number
  /** Where it says what it would have said. */
  readonly log: string
}

/**
 * Runs the present command again, with other arguments and without a terminal; it outlives this process and its session.
 *
 * @param deployment its name: the log lies beside its journals
 */
export function detach(deployment: string, args: readonly string[], now = new Date()): Detached {
  const folder = dirname(journalFolder(deployment))
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const time = now.toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const log = join(folder, `detached-${time}-${process.pid}.log`)
  const output = openSync(log, 'a', 0o600)
  try {
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', ...args], {
      detached: true,
      stdio: ['ignore', output, output],
    })
    child.unref()
    return { pid: child.pid ?? 0, log }
  } finally {
    closeSync(output)
  }
}
