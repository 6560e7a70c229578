import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { CwError } from '../../kit/errors.ts'

/**
 * Makes a folder with its parents. Node's own `recursive` never returns where the kernel denies a folder with ENOENT,
 * as in /proc.
 */
export function makeFolder(path: string): void {
  if (existsSync(path)) return
  makeFolder(dirname(path))
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    // Another process may have been faster.
    if (!existsSync(path)) throw error
  }
}

export function unusable(dir: string, cause: unknown): CwError {
  return new CwError('DATA_DIR_UNUSABLE', `the data directory ${dir} cannot be used`, {
    where: { file: dir },
    ...(cause instanceof Error ? { why: cause.message } : {}),
    changed: 'nothing',
    remedies: [`ls -ld ${dir}`, 'choose another with --data-dir'],
    cause,
  })
}

export function storeFailed(dir: string, cause: unknown): CwError {
  return new CwError('STORE_FAILED', `the store in ${dir} could not be written`, {
    where: { file: dir },
    changed: 'nothing',
    remedies: [`df -h ${dir}`],
    cause,
  })
}
