import { chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { replaceFile } from './atomic-file.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cw-atomic-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

describe('a file that is replaced', () => {
  test('keeps its mode', async () => {
    const file = join(folder, 'there')
    writeFileSync(file, 'old', { mode: 0o600 })

    await replaceFile(file, 'new', 0o640)

    expect(readFileSync(file, 'utf8')).toBe('new')
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  test.runIf(process.getuid?.() === 0)('takes the group of its folder if it is new', async () => {
    const file = join(folder, 'fresh')
    chownSync(folder, 0, 12_345)

    await replaceFile(file, 'new', 0o640)

    expect(statSync(file)).toMatchObject({ uid: 0, gid: 12_345 })
    expect(statSync(file).mode & 0o777).toBe(0o640)
  })
})
