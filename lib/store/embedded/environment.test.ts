import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TestClock } from '../../kit/clock.ts'
import { CwError } from '../../kit/errors.ts'
import { openEmbedded } from './environment.ts'
import { EmbeddedRegistrationStore } from './registrations.ts'
import { MAX_KEY_BYTES, nextKey } from './table.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cw-env-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const CHILD = new URL('./kill-child.ts', import.meta.url).pathname

/** Starts a process that owns `dir` and writes to it; its lines are what it has acknowledged. */
function startWriter() {
  const child = spawn(process.execPath, [CHILD, dir], { stdio: ['ignore', 'pipe', 'inherit'] })
  return { child, lines: createInterface({ input: child.stdout }) }
}

async function rejection(promise: Promise<unknown>): Promise<CwError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof CwError)) throw new Error('expected a CwError')
  return error
}

describe('tables', () => {
  test('a read sees what is staged, in flight and committed alike', async () => {
    await using environment = await openEmbedded({ dir })
    const table = environment.table<{ n: number }>('t')

    table.set('a', { n: 1 })
    expect(table.get('a')).toEqual({ n: 1 })
    const first = environment.commit('now')
    table.set('b', { n: 2 })
    expect(table.get('a')).toEqual({ n: 1 })
    await first
    expect(table.get('a')).toEqual({ n: 1 })
    await environment.commit('shared')
    expect(table.remove('b')).toBe(true)
    expect(table.get('b')).toBeUndefined()
    expect(table.remove('b')).toBe(false)
    await environment.commit('now')
    expect(table.get('b')).toBeUndefined()
  })

  test('a key that is too long is never found and cannot be set', async () => {
    await using environment = await openEmbedded({ dir })
    const table = environment.table<number>('t', { cached: 10 })
    const longest = 'ü'.repeat(MAX_KEY_BYTES / 2)

    table.set(longest, 1)
    await environment.commit('now')
    expect(table.get(longest)).toBe(1)
    expect(table.get(`${longest}x`)).toBeUndefined()
    expect(() => table.set(`${longest}x`, 1)).toThrow(CwError)
    expect(table.get('')).toBeUndefined()
  })

  test('nothing lies between a key and the next one', async () => {
    await using environment = await openEmbedded({ dir })
    const table = environment.table<number>('t')
    for (const key of ['a', 'a\0', 'a\0b', 'a\u0001', 'aa', 'b']) table.set(key, 1)
    await environment.commit('now')

    const walked: string[] = []
    for (let keys = table.keys({ limit: 1 }); keys[0] !== undefined;) {
      walked.push(keys[0])
      keys = table.keys({ start: nextKey(keys[0]), limit: 1 })
    }

    expect(walked).toHaveLength(6)
    expect(new Set(walked).size).toBe(6)
  })

  test('what is staged at close is stored', async () => {
    const environment = await openEmbedded({ dir })
    environment.table<number>('t').set('a', 1)
    await environment.close()

    await using again = await openEmbedded({ dir })
    expect(again.table<number>('t').get('a')).toBe(1)
  })
})

describe('the data directory', () => {
  test('is created with its parents', async () => {
    await using environment = await openEmbedded({ dir: join(dir, 'a/b/c') })
    expect(environment.dir).toBe(join(dir, 'a/b/c'))
  })

  test('belongs to one environment at a time', async () => {
    const first = await openEmbedded({ dir })
    first.table<number>('t').set('a', 1)
    await first.commit('now')

    const error = await rejection(openEmbedded({ dir }))

    expect(error.code).toBe('DATA_DIR_LOCKED')
    expect(error.message).toContain('this process itself')
    expect(first.table<number>('t').get('a')).toBe(1)
    await first.close()
    await (await openEmbedded({ dir })).close()
  })

  test('of another process is refused by its pid, and free again when that is killed', async () => {
    const { child, lines } = startWriter()
    await once(lines, 'line')

    const error = await rejection(openEmbedded({ dir }))
    child.kill('SIGKILL')
    await once(child, 'exit')

    expect(error.code).toBe('DATA_DIR_LOCKED')
    expect(error.message).toContain(`process ${child.pid ?? 0}`)
    await (await openEmbedded({ dir })).close()
  })

  test('that is a file, or below one, is unusable and says why', async () => {
    writeFileSync(join(dir, 'file'), 'x')

    const error = await rejection(openEmbedded({ dir: join(dir, 'file') }))

    expect(error.code).toBe('DATA_DIR_UNUSABLE')
    expect(error.detail.why).toContain('ENOTDIR')
  })

  test('where no folder can be made is unusable, and it does not try for ever', async () => {
    expect((await rejection(openEmbedded({ dir: '/proc/none' }))).code).toBe('DATA_DIR_UNUSABLE')
  })

  test('with a store that is not ours is unusable', async () => {
    await (await openEmbedded({ dir })).close()
    writeFileSync(join(dir, 'store/clearwater.db'), Buffer.alloc(16384, 'not a database '))

    expect((await rejection(openEmbedded({ dir }))).code).toBe('DATA_DIR_UNUSABLE')
  })
})

test('kill -9 loses nothing that was acknowledged', async () => {
  const { child, lines } = startWriter()
  const acknowledged: string[] = []
  lines.on('line', line => {
    acknowledged.push(line)
    if (acknowledged.length === 500) child.kill('SIGKILL')
  })
  await Promise.all([once(lines, 'close'), once(child, 'exit')])

  await using environment = await openEmbedded({ dir })
  const store = new EmbeddedRegistrationStore(environment, new TestClock(0))
  const lost: string[] = []
  for (const line of acknowledged) {
    const [impu = '', count] = line.split(' ')
    const record = store.get(impu)
    // A later write of the same identity may have been committed without its line reaching us.
    if (record === undefined || record.value.notifyCseq < Number(count)) lost.push(line)
  }
  store.close()

  expect(acknowledged.length).toBeGreaterThanOrEqual(500)
  expect(lost).toEqual([])
})
