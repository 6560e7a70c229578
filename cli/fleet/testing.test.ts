import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { mustRun } from './ssh/shell.ts'
import { localShell } from './testing.ts'

describe('a local shell in place of a node', () => {
  let root = ''
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'clearwater-local-shell-'))
    mkdirSync(join(root, 'etc'))
  })
  afterEach(() => {
    rmSync(root, { recursive: true })
  })

  test('writes and reads files below its root, with their mode', async () => {
    const shell = localShell(root)
    await shell.write('/etc/a', 'one', { mode: 0o640, sudo: true })

    expect(readFileSync(join(root, 'etc/a'), 'utf8')).toBe('one')
    expect(statSync(join(root, 'etc/a')).mode & 0o777).toBe(0o640)
    expect(await shell.read('/etc/a')).toEqual(Buffer.from('one'))
    expect(await shell.read('/etc/b')).toBeUndefined()
  })

  test('takes absolute arguments as paths below its root, and finds fake programs first', async () => {
    mkdirSync(join(root, 'usr/local/bin'), { recursive: true })
    writeFileSync(join(root, 'usr/local/bin/systemctl'), '#!/bin/sh\necho fake "$@"\n')
    chmodSync(join(root, 'usr/local/bin/systemctl'), 0o755)
    const shell = localShell(root)

    expect((await shell.run(['systemctl', 'start', 'it'])).stdout).toBe('fake start it\n')
    expect((await shell.script('cat > "$1"; cat "$1"', ['/etc/a'], { stdin: 'text' })).stdout).toBe('text')
    expect(readFileSync(join(root, 'etc/a'), 'utf8')).toBe('text')
  })

  test('tells codes, signals, lines and missing programs as a node would', async () => {
    const shell = localShell(root)
    const lines: string[] = []
    const result = await shell.script('echo a; echo b >&2; exit 3', [], {
      onLine: (line, stream) => lines.push(`${stream} ${line}`),
    })

    expect(result).toEqual({ code: 3, stdout: 'a\n', stderr: 'b\n' })
    expect(lines.sort()).toEqual(['stderr b', 'stdout a'])
    expect((await shell.script('kill -TERM $$')).code).toBe(143)
    expect((await shell.run(['no-such-program'])).code).toBe(127)
    await expect(mustRun(shell, ['false'])).rejects.toMatchObject({ code: 'COMMAND_FAILED' })
  })

  test('ends what its deadline or its signal ends', async () => {
    const shell = localShell(root)
    const gone = new AbortController()
    const waiting = shell.run(['sleep', '60'], { signal: gone.signal })
    gone.abort(new Error('stopped'))

    await expect(waiting).rejects.toThrow('stopped')
    await expect(shell.run(['sleep', '60'], { deadlineMs: 50 })).rejects.toMatchObject({
      code: 'COMMAND_DEADLINE',
    })
  })
})
