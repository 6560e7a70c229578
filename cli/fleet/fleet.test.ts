import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CwError } from '../../lib/kit/errors.ts'
import { forEach } from './fleet.ts'
import { localShell } from './testing.ts'

describe('something done on each node', () => {
  let root = ''
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'clearwater-fleet-'))
  })
  afterEach(() => {
    rmSync(root, { recursive: true })
  })
  const shells = (...names: string[]) => names.map(name => localShell(root, name))

  test('gives every outcome in the order of the nodes, and one failure ends no other', async () => {
    const broken = new CwError('COMMAND_FAILED', 'no')
    const outcomes = await forEach(shells('a', 'b', 'c'), async shell => {
      if (shell.node === 'b') throw broken
      return (await shell.run(['echo', shell.node])).stdout
    })
    expect(outcomes).toEqual([
      { node: 'a', ok: true, value: 'a\n' },
      { node: 'b', ok: false, error: broken },
      { node: 'c', ok: true, value: 'c\n' },
    ])
  })

  test('is done on no more nodes at once than was said', async () => {
    let now = 0
    let most = 0
    await forEach(
      shells('a', 'b', 'c', 'd', 'e'),
      async shell => {
        most = Math.max(most, ++now)
        await shell.run(['true'])
        now--
      },
      { concurrency: 2 },
    )
    expect(most).toBe(2)
  })

  test('begins nothing new once it is stopped, and lets what has begun come to its end', async () => {
    const stop = new AbortController()
    const ended: string[] = []
    const all = forEach(
      shells('a', 'b', 'c'),
      async shell => {
        stop.abort(new Error('Ctrl-C'))
        await shell.run(['true'])
        ended.push(shell.node)
      },
      { concurrency: 1, signal: stop.signal },
    )
    await expect(all).rejects.toThrow('Ctrl-C')
    expect(ended).toEqual(['a'])
  })

  test('comes out as it is when it is a bug', async () => {
    await expect(forEach(shells('a'), () => Promise.reject(new TypeError('bug')))).rejects.toThrow(TypeError)
  })
})
