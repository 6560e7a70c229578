import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Impu } from '../../ims/identity.ts'
import { minutes, seconds, TestClock, type Clock } from '../../kit/clock.ts'
import { callListStoreContract, fragmentOf } from '../contract/call-list-store.ts'
import type { Opened } from '../contract/opened.ts'
import { openCallLists, type EmbeddedCallLists } from './call-lists.ts'

const ALICE = 'sip:alice@example.com' as Impu

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cw-call-lists-'))
})
afterEach(() => {
  rmSync(dir, { recursive: true, force: true })
})

callListStoreContract('embedded', async clock => openedIn(mkdtempSync(join(tmpdir(), 'cw-store-')), clock))

function openedIn(folder: string, clock: Clock): Opened<EmbeddedCallLists> {
  const store = openCallLists({ dir: folder, clock, access: 'write' })
  return {
    store,
    reopen: async () => {
      store.close()
      return openedIn(folder, clock)
    },
    close: async () => {
      store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const numbered = (number: number, bytes = 10) =>
  fragmentOf('20260101000000', String(number).padStart(6, '0'), 'rejected', 'x'.repeat(bytes))

describe('a reader beside the writer', () => {
  test('may be there first, sees what is committed, and changes nothing', async () => {
    const clock = new TestClock()
    const reader = openCallLists({ dir, clock, access: 'read' })
    expect(await reader.fragments(ALICE)).toEqual([])
    const writer = openCallLists({ dir, clock, access: 'write' })

    await writer.add(ALICE, numbered(1), minutes(1))

    expect(await reader.fragments(ALICE)).toEqual([numbered(1)])
    await expect(reader.add(ALICE, numbered(2), minutes(1))).rejects.toMatchObject({ code: 'STORE_FAILED' })
    reader.close()
    await writer.add(ALICE, numbered(2), minutes(1))
    expect(await writer.fragments(ALICE)).toHaveLength(2)
    writer.close()
  })
})

describe('a database that somebody else has locked', () => {
  test('refuses at once what is added, and takes it when it is free again', async () => {
    const store = openCallLists({ dir, clock: new TestClock(), access: 'write' })
    const other = new DatabaseSync(join(dir, 'call-lists.db'))
    other.exec('BEGIN IMMEDIATE')

    await expect(store.add(ALICE, numbered(1), minutes(1))).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect(await store.fragments(ALICE)).toEqual([])
    other.exec('ROLLBACK')
    await store.add(ALICE, numbered(1), minutes(1))

    expect(await store.fragments(ALICE)).toEqual([numbered(1)])
    other.close()
    store.close()
  })
})

describe('a sweep', () => {
  test('takes what has expired off the disk', async () => {
    const clock = new TestClock()
    const store = openCallLists({ dir, clock, access: 'write' })
    await Promise.all(Array.from({ length: 1200 }, (_, i) => store.add(ALICE, numbered(i), seconds(60))))
    await store.add(ALICE, numbered(5000), seconds(120))

    clock.advance(seconds(61))

    expect(await store.sweep()).toBe(1200)
    expect(await store.sweep()).toBe(0)
    expect(await store.fragments(ALICE)).toEqual([numbered(5000)])
    store.close()
  })

  test('comes by itself', async () => {
    const clock = new TestClock()
    const store = openCallLists({ dir, clock, access: 'write' })
    await store.add(ALICE, numbered(1, 20_000), seconds(60))
    const before = store.usedBytes

    clock.advance(minutes(6))

    expect(store.usedBytes).toBeLessThan(before)
    store.close()
  })

  test('beyond the limit takes the oldest, and the newest stay', async () => {
    const clock = new TestClock()
    const store = openCallLists({ dir, clock, access: 'write', diskLimit: { bytes: 2_000_000 } })
    for (let i = 0; i < 3000; i++) {
      clock.advance(seconds(1))
      void store.add(ALICE, numbered(i, 1000), minutes(1000))
    }
    await store.add(ALICE, numbered(3000, 1000), minutes(1001))

    const removed = await store.sweep()

    expect(removed).toBeGreaterThan(500)
    expect(store.usedBytes).toBeLessThanOrEqual(2_000_000)
    const left = (await store.fragments(ALICE)).map(({ id }) => Number(id))
    expect(left.at(-1)).toBe(3000)
    expect(left.length).toBe(3001 - removed)
    expect(left[0]).toBe(removed)
    store.close()
  })

  test('below a limit in percent of the disk takes nothing', async () => {
    const store = openCallLists({
      dir,
      clock: new TestClock(),
      access: 'write',
      diskLimit: { percentOfDisk: 20 },
    })
    await store.add(ALICE, numbered(1), minutes(1))
    expect(await store.sweep()).toBe(0)
    store.close()
  })
})

test('a folder that holds something else is refused, and said to be', () => {
  writeFileSync(
    join(dir, 'call-lists.db'),
    'no database, though it is long enough to look like one'.repeat(20),
  )

  expect(() => openCallLists({ dir, clock: new TestClock(), access: 'write' })).toThrow(
    expect.objectContaining({ code: 'DATA_DIR_UNUSABLE' }),
  )
})
